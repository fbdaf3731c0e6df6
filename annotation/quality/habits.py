"""How labelers answer, whatever they answer about: the side they pick, the longer text, circles, and too little time.

The report, as it is stored; shares have "low" and "high", a 95 % interval, and "n", how many screens they rest on:

    {"labelers": [{"labeler": 7, "answers": 120, "late": 2, "revised": 1, "skipped": 3, "flagged": 0, "median_s": 31.0,
                   "closeness": 0.83, "compared": 96, "last": "2026-11-…", "hasty": {"share": 0.02, …}}],
     "questions": [{"question": "better", "type": "comparison",
         "rows": [{"labeler": 7, "first": {"share": 0.55, …}, "longer": {…}, "triads": 40, "cycles": 1}],
         "group": {"labeler": null, "first": …, "longer": …, "triads": …, "cycles": …}}]}

A cycle is A over B, B over C and C over A: three responses to one prompt, or none of the three preferences means a thing.
Someone who tosses a coin has a quarter of such triads in a circle. For the group, A is over B when more said so than the
opposite.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from annotation.campaigns.models import Campaign
from annotation.people.models import PEOPLE
from annotation.quality.intervals import wilson
from annotation.quality.reading import Block, Told, blocks
from annotation.quality.selectors import labeler_reports
from feedback_types.judgements import Preference

# Reading for meaning is some 240 words or 25 characters a second in alphabets, and 5 characters in Chinese, Japanese and
# Korean (Brysbaert 2019, 190 studies). Nobody reads three times as fast and understands it (Rayner et al. 2016).
READ_PER_S, READ_PER_S_CJK = 25.0, 5.0
TOO_FAST = 3.0
CJK = ("zh", "ja", "ko", "yue")
MOST_OF_A_PROMPT = 60  # responses whose triads are looked at

Edges = Counter[tuple[Any, Any]]  # (better, worse) -> times; responses by the hash of their text


class _Tally:
    """What one labeler (or all) did on the screens of one question."""

    def __init__(self) -> None:
        self.first = array(
            "d"
        )  # of each screen, the share of its decided pairs that went to the one shown first
        self.longer = array("d")
        self.triads = self.cycles = 0

    def add(self, preferences: Sequence[Preference], lengths: Mapping[int, int]) -> None:
        decided = [p for p in preferences if p.outcome != 0.5]
        if decided:
            self.first.append(sum(p.outcome for p in decided) / len(decided))
        unlike = [p for p in decided if lengths[p.first] != lengths[p.second]]
        if unlike:
            longer = [float((lengths[p.first] > lengths[p.second]) == (p.outcome == 1)) for p in unlike]
            self.longer.append(sum(longer) / len(longer))

    def told(self, labeler: int | None) -> dict[str, Any]:
        return {
            "labeler": labeler,
            "first": share_of(self.first),
            "longer": share_of(self.longer),
            "triads": self.triads,
            "cycles": self.cycles,
        }


def share_of(shares: Sequence[float]) -> dict[str, Any] | None:
    """Mean of the shares of independent screens, with Wilson's interval (which is as wide as if each were 0 or 1)."""
    if not shares:
        return None
    mean = sum(shares) / len(shares)
    low, high = wilson(mean, len(shares))
    return {"share": mean, "low": low, "high": high, "n": len(shares)}


def report(campaign: Campaign, kinds: Sequence[str] = PEOPLE) -> dict[str, Any]:
    tallies: dict[tuple[str, str], dict[int | None, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    hasty: dict[int, array[float]] = defaultdict(lambda: array("d"))
    for block in blocks(campaign, kinds):
        _add(tallies, block)
        for told in block.told:
            too_fast = is_hasty(told, block, campaign.language)
            if too_fast is not None:
                hasty[told.labeler_id].append(float(too_fast))
    titles = [q.key for q in (campaign.protocol.questions if campaign.protocol else ())]
    ordered = sorted(tallies, key=lambda k: (titles.index(k[0]) if k[0] in titles else len(titles), k))
    return {
        "labelers": [
            {
                "labeler": r.user.pk,
                "answers": r.answers,
                "late": r.late,
                "revised": r.revised,
                "skipped": r.skipped,
                "flagged": r.flagged,
                "median_s": r.median_active_s,
                "closeness": r.closeness,
                "compared": r.compared,
                "suspended": r.is_suspended,
                "last": r.last_at.isoformat() if r.last_at else None,
                "hasty": share_of(hasty.get(r.user.pk, array("d"))),
            }
            for r in labeler_reports(campaign)
        ],
        "questions": [
            {
                "question": question,
                "type": slug,
                "rows": [
                    tally.told(who)
                    for who, tally in sorted(
                        ((w, t) for w, t in tallies[question, slug].items() if w is not None),
                        key=lambda row: (-len(row[1].first), row[0]),
                    )
                ],
                "group": tallies[question, slug][None].told(None),
            }
            for question, slug in ordered
        ],
    }


def is_hasty(told: Told, block: Block, language: str) -> bool | None:
    """Whether the responses cannot have been read in the time; None where there was nothing to read, or no time is known."""
    if told.active_ms is None or not any(q.type.reads(q.settings) for q in told.questions.values()):
        return None
    characters = sum(block.responses[r].characters for r in told.shown if r in block.responses)
    pace = READ_PER_S_CJK if (told.language or language).lower().startswith(CJK) else READ_PER_S
    return characters > TOO_FAST * pace * told.active_ms / 1000


def _add(tallies: dict[tuple[str, str], dict[int | None, _Tally]], block: Block) -> None:
    lengths = {response: shown.characters for response, shown in block.responses.items()}
    by_prompt: dict[tuple[str, str], dict[tuple[str, int], Edges]] = defaultdict(lambda: defaultdict(Counter))
    for told in block.told:
        for key, answers in told.answers.items():
            kind = told.questions[key].type
            said = [
                p for p in kind.preferences(answers, told.shown) if p.first in lengths and p.second in lengths
            ]
            if not said:
                continue
            of = tallies[key, kind.slug]
            for tally in (of[told.labeler_id], of[None]):
                tally.add(said, lengths)
            edges = by_prompt[key, kind.slug][told.prompt, told.labeler_id]
            for p in said:
                a, b = block.responses[p.first].sha256, block.responses[p.second].sha256
                if p.outcome != 0.5 and a != b:
                    edges[(a, b) if p.outcome == 1 else (b, a)] += 1
    for question, found in by_prompt.items():
        group: dict[str, Edges] = defaultdict(Counter)
        for (prompt, labeler), edges in found.items():
            _count(tallies[question][labeler], edges)
            group[prompt].update(edges)
        for edges in group.values():
            _count(tallies[question][None], edges)


def _count(tally: _Tally, edges: Edges) -> None:
    triads, cycles = circles(edges)
    tally.triads += triads
    tally.cycles += cycles


def circles(edges: Mapping[tuple[Any, Any], int]) -> tuple[int, int]:
    """(triads whose three pairs were all decided, how many of these go in a circle), by the majority on each pair."""
    over: dict[Any, set[Any]] = defaultdict(set)
    for (better, worse), times in edges.items():
        if times > edges.get((worse, better), 0):
            over[better].add(worse)
    triads = cycles = 0
    candidates = sorted({*over, *_all(over.values())})[:MOST_OF_A_PROMPT]
    for a, b, c in combinations(candidates, 3):
        wins = [sum(y in over[x] for y in (a, b, c)) for x in (a, b, c)]
        if sum(wins) == 3:  # each of the three pairs is decided
            triads += 1
            cycles += wins == [1, 1, 1]
    return triads, cycles


def _all(sets: Iterable[set[Any]]) -> set[Any]:
    return set().union(*sets)
