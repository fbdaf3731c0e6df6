"""Which source of responses is preferred: policies, people and imports of a campaign, by what labelers preferred.

The report, as it is stored. Ratings are on Elo's scale, 1000 for the mean of all: 100 points more are preferred 64 times in
a hundred decided cases. `low` and `high` are 95 % intervals, which take the judgements of one prompt as dependent.

    {"questions": [{"question": "better", "type": "comparison", "judgements": 2120, "of_labelers": 14, "ties": 0.18,
        "rows": [{"source": "policy-3", "rank": [1, 2], "wins": 210, "ties": 41, "losses": 90, "responses": 300,
                  "rating": {"value": 1064, "low": 1040, "high": 1088}, "length_controlled": {…}, "weighed_rank": 1}],
        "groups": 1, "left_out": 0, "flip": {"votes": 12, "rival": "policy-2"}, "triads": 4, "cycles": 0,
        "twice_as_long": {"odds": 1.31, "low": …, "high": …}, "shown_first": {"odds": 1.05, …}}]}

rank          best and worst place it may have: sources that are surely better, and all that are not surely worse
weighed_rank  the place when labelers who answer without looking count for less (bradley_terry.noisy)
flip          so few judgements, left out, put another on top; null when not half of them do
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from annotation.campaigns.models import Campaign
from annotation.people.models import PEOPLE
from annotation.quality.bradley_terry import (
    ELO,
    Fitted,
    Floats,
    Ints,
    Pairs,
    connected,
    fit,
    noisy,
    votes_to_flip,
)
from annotation.quality.habits import circles
from annotation.quality.intervals import Z
from annotation.quality.reading import blocks

MOST_SOURCES = 100
MOST_PAIRS = 1_000_000
MEAN = 1000
TWICE = 1 / 3  # (a - b) / (a + b) of a response twice as long
NOISY_STEPS = 25


class _Judged:
    """Judgements of one question, column by column."""

    def __init__(self) -> None:
        self.columns = [array("q") for _ in range(4)]  # first, second, prompt, labeler
        self.outcome, self.longer = array("d"), array("d")

    def add(self, first: int, second: int, prompt: int, labeler: int, outcome: float, longer: float) -> None:
        for column, value in zip(self.columns, (first, second, prompt, labeler), strict=True):
            column.append(value)
        self.outcome.append(outcome)
        self.longer.append(longer)


def report(campaign: Campaign, kinds: Sequence[str] = PEOPLE) -> dict[str, Any]:
    judged: dict[tuple[str, str], _Judged] = defaultdict(_Judged)
    sources: dict[str, int] = {}
    prompts: dict[str, int] = {}
    responses: dict[str, set[int]] = defaultdict(set)
    for block in blocks(campaign, kinds):
        for told in block.told:
            for key, answers in told.answers.items():
                kind = told.questions[key].type
                prompt = prompts.setdefault(told.prompt, len(prompts))
                for p in kind.preferences(answers, told.shown):
                    a, b = block.responses.get(p.first), block.responses.get(p.second)
                    if a is None or b is None or a.source == b.source:
                        continue
                    first, second = (sources.setdefault(r.source, len(sources)) for r in (a, b))
                    responses[a.source].add(p.first)
                    responses[b.source].add(p.second)
                    longer = (a.characters - b.characters) / max(1, a.characters + b.characters)
                    judged[key, kind.slug].add(first, second, prompt, told.labeler_id, p.outcome, longer)
        if sum(len(found.outcome) for found in judged.values()) >= MOST_PAIRS:
            break
    names = list(sources)
    counts = {name: len(ids) for name, ids in responses.items()}
    keys = [q.key for q in (campaign.protocol.questions if campaign.protocol else ())]
    ordered = sorted(judged, key=lambda k: (keys.index(k[0]) if k[0] in keys else len(keys), k))
    return {
        "questions": [
            {"question": key[0], "type": key[1], **_board(judged[key], names, counts)} for key in ordered
        ]
    }


def _board(judged: _Judged, names: Sequence[str], responses: dict[str, int]) -> dict[str, Any]:
    first, second, prompt, labeler = (np.array(column, np.int64) for column in judged.columns)
    outcome, longer = np.array(judged.outcome), np.array(judged.longer)
    often = np.bincount(np.concatenate([first, second]), minlength=len(names))
    chosen = [n for n in np.argsort(-often, kind="stable").tolist() if often[n]][:MOST_SOURCES]
    place = np.full(len(names), -1)
    place[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero((place[first] >= 0) & (place[second] >= 0))
    kept = kept[np.argsort(prompt[kept], kind="stable")]
    pairs = Pairs(
        place[first[kept]],
        place[second[kept]],
        outcome[kept],
        np.stack([np.ones(len(kept)), longer[kept]], axis=1),  # standing first; being longer
        prompt[kept],
    )
    return board(pairs, [names[n] for n in chosen], responses, labeler[kept]) | {
        "left_out": int((often > 0).sum()) - len(chosen)
    }


def board(pairs: Pairs, names: Sequence[str], responses: dict[str, int], labelers: Ints) -> dict[str, Any]:
    """One leaderboard. The covariates of `pairs` are 1 (standing first) and the relative length."""
    m = len(names)
    standing = Pairs(pairs.first, pairs.second, pairs.outcome, pairs.covariates[:, :1], pairs.cluster)
    plain, controlled = fit(standing, m), fit(pairs, m)
    _, who = np.unique(labelers, return_inverse=True)
    weighed = noisy(standing, who, m, iterations=NOISY_STEPS)
    ratings, with_length = _ratings(plain), _ratings(controlled)
    places = np.argsort(np.argsort(-weighed.fitted.strengths, kind="stable")).tolist()
    ranks = _ranks(plain)
    won = _counts(pairs, m)
    flip = votes_to_flip(standing, plain)
    triads, cycles = circles(_majorities(pairs))
    order = np.argsort(-plain.strengths, kind="stable").tolist()
    return {
        "judgements": len(pairs),
        "of_labelers": int(who.max()) + 1,
        "ties": float((pairs.outcome == 0.5).mean()),
        "groups": len(connected(pairs, m)),
        "rows": [
            {
                "source": names[i],
                "rank": ranks[i],
                "wins": won[0][i],
                "ties": won[1][i],
                "losses": won[2][i],
                "responses": responses.get(names[i], 0),
                "rating": ratings[i],
                "length_controlled": with_length[i],
                "weighed_rank": places[i] + 1,
            }
            for i in order
        ],
        "flip": {"votes": flip[0], "rival": names[flip[1]]} if flip else None,
        "triads": triads,
        "cycles": cycles,
        "shown_first": _odds(plain, 0, 1.0),
        "twice_as_long": _odds(controlled, 1, TWICE),
    }


def _ratings(fitted: Fitted) -> list[dict[str, float]]:
    found = []
    for i, strength in enumerate(fitted.strengths.tolist()):
        half = Z * fitted.sd(i)
        points = [MEAN + ELO * value for value in (strength, strength - half, strength + half)]
        found.append(dict(zip(("value", "low", "high"), (round(p, 1) for p in points), strict=True)))
    return found


def _ranks(fitted: Fitted) -> list[list[int]]:
    """[best, worst] place of each: by the intervals of the differences, not of the strengths."""
    s = fitted.strengths
    variances = np.diag(fitted.covariance)
    spread = np.sqrt(np.maximum(0, variances[:, None] + variances[None, :] - 2 * fitted.covariance))
    surely = (s[:, None] - s[None, :]) > Z * spread + 1e-12  # row surely better than column
    better, worse = surely.sum(axis=0), surely.sum(axis=1)
    return [[int(1 + b), int(len(s) - w)] for b, w in zip(better, worse, strict=True)]


def _counts(pairs: Pairs, m: int) -> list[list[int]]:
    """Wins, ties and losses of each."""
    first_won, second_won, tied = pairs.outcome == 1, pairs.outcome == 0, pairs.outcome == 0.5

    def times(a: Ints, b: Ints) -> list[int]:
        counts: list[int] = (np.bincount(a, minlength=m) + np.bincount(b, minlength=m)).tolist()
        return counts

    return [
        times(pairs.first[first_won], pairs.second[second_won]),
        times(pairs.first[tied], pairs.second[tied]),
        times(pairs.second[first_won], pairs.first[second_won]),
    ]


def _majorities(pairs: Pairs) -> Counter[tuple[int, int]]:
    """(better, worse) -> how often, over all judgements of the two sources."""
    better = np.where(pairs.outcome == 1, pairs.first, pairs.second)[pairs.outcome != 0.5]
    worse = np.where(pairs.outcome == 1, pairs.second, pairs.first)[pairs.outcome != 0.5]
    edges, times = np.unique(np.stack([better, worse]), axis=1, return_counts=True)
    return Counter({(int(a), int(b)): int(n) for a, b, n in zip(*edges, times, strict=True)})


def _odds(fitted: Fitted, which: int, by: float) -> dict[str, float]:
    """What a covariate, raised by so much, multiplies the odds of being preferred with."""
    effect, sd = float(fitted.effects[which]), float(fitted.effects_sd[which])
    values: Floats = np.exp(np.clip(by * np.array([effect, effect - Z * sd, effect + Z * sd]), -20, 20))
    return dict(zip(("odds", "low", "high"), values.round(4).tolist(), strict=True))
