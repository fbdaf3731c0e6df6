"""How well labelers agree: on each question, on each label of it, in the course of time, and each two of them.

The report, as it is stored (alpha with low and high is Krippendorff's, with a bootstrap interval; null where undefined):

    {"items": 812, "questions": [{"question": "grade", "type": "critique", "alpha": 0.61, "low": …, "high": …,
        "units": 1624, "answers": 3300, "labels": [{"label": "tag:wordy", "alpha": …, …}],
        "parts": [{"from": "2026-11-02T…", "to": …, "alpha": …, "units": 162, …}]}],
     "pairs": {"labelers": [7, 12, …], "cells": [[7, 12, 0.58, 140], …]}}
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from annotation.campaigns.models import Campaign
from annotation.people.models import PEOPLE
from annotation.quality.reading import blocks
from feedback_types import registry
from feedback_types.base import FeedbackType
from feedback_types.distances import Agreement, krippendorff_alpha
from feedback_types.judgements import Label

MAX_ITEMS = 2_000  # beyond, a random sample of items is enough: the interval says how sure we are
PARTS = 10  # of the answers, in the order of their time
FEWEST_IN_PART = 10  # units; with fewer there are fewer parts
PEOPLE_IN_TABLE = 24
RESAMPLES = 200


class Said(NamedTuple):
    labeler_id: int
    at: dt.datetime
    payload: Any
    labels: Mapping[str, Label]


Unit = tuple[int, int | None]  # (item, target)
Units = dict[tuple[str, str], dict[Unit, list[Said]]]  # by (question, slug)


@dataclass(frozen=True)
class QuestionAgreement:
    """Krippendorff's alpha of one question with a bootstrap interval; None where nothing can be said yet."""

    question: str
    type: str
    label: str
    alpha: float | None
    low: float | None
    high: float | None
    units: int
    answers: int


def agreement(
    campaign: Campaign, *, kinds: Sequence[str] = PEOPLE, resamples: int = RESAMPLES
) -> list[QuestionAgreement]:
    """Agreement on each question, in the order of the campaign's protocol (older questions after them)."""
    titles = headings(campaign)
    return [
        QuestionAgreement(question, slug, titles.get(question, question), *_row(found).values())
        for (question, slug), found in (
            (key, _alpha(registry.get(key[1]), answers, resamples))
            for key, answers in in_order(campaign, gather(campaign, kinds))
        )
    ]


def report(campaign: Campaign, kinds: Sequence[str] = PEOPLE) -> dict[str, Any]:
    units = gather(campaign, kinds)
    questions, alphas = [], {}
    for (question, slug), answers in in_order(campaign, units):
        kind = registry.get(slug)
        alphas[question, slug] = found = _alpha(kind, answers, RESAMPLES)
        questions.append(
            {
                "question": question,
                "type": slug,
                **_row(found),
                "labels": _labels(answers),
                "parts": _parts(kind, answers),
            }
        )
    return {
        "items": len({item for answers in units.values() for item, _target in answers}),
        "questions": questions,
        "pairs": _pairs(units, alphas),
    }


def gather(campaign: Campaign, kinds: Sequence[str] = PEOPLE, *, at_most: int = MAX_ITEMS) -> Units:
    """What was said at least twice, of a random sample of the items that more than one labeler answered."""
    units: Units = defaultdict(lambda: defaultdict(list))
    items = 0
    for block in blocks(campaign, kinds):
        often = Counter(told.item_id for told in block.told)
        taken = [item for item, times in often.items() if times > 1][: at_most - items]
        items += len(taken)
        for told in block.told:
            if told.item_id not in taken:
                continue
            for key, answers in told.answers.items():
                question = told.questions[key]
                for target, payload in answers:
                    labels = question.type.labels(payload, question.settings)
                    unit = units[key, question.type.slug][told.item_id, target]
                    unit.append(Said(told.labeler_id, told.at, payload, labels))
        if items >= at_most:
            break
    return {
        key: {unit: said for unit, said in sorted(found.items(), key=_by_unit) if len(said) > 1}
        for key, found in units.items()
    }


def headings(campaign: Campaign) -> dict[str, str]:
    return {q.key: q.heading for q in (campaign.protocol.questions if campaign.protocol else ())}


def in_order(campaign: Campaign, units: Units) -> list[tuple[tuple[str, str], dict[Unit, list[Said]]]]:
    places = {key: n for n, key in enumerate(headings(campaign))}
    return sorted(units.items(), key=lambda u: (places.get(u[0][0], len(places)), u[0]))


def _by_unit(found: tuple[Unit, list[Said]]) -> tuple[int, int]:
    (item, target), _said = found
    return item, target or 0


def _alpha(kind: FeedbackType, answers: Mapping[Unit, Sequence[Said]], resamples: int) -> Agreement:
    return krippendorff_alpha(
        [[said.payload for said in unit] for unit in answers.values()], kind.distance, resamples=resamples
    )


def _row(found: Agreement) -> dict[str, Any]:
    return {
        "alpha": found.alpha,
        "low": found.low,
        "high": found.high,
        "units": found.units,
        "answers": found.answers,
    }


def _labels(answers: Mapping[Unit, Sequence[Said]]) -> list[dict[str, Any]]:
    """Agreement on each label by itself, where an answer has more than one or says more than the label does."""
    by_label: dict[str, dict[Unit, list[Label]]] = defaultdict(lambda: defaultdict(list))
    for unit, said in answers.items():
        for one in said:
            for name, label in one.labels.items():
                by_label[name][unit].append(label)
    return [
        {"label": name}
        | _row(
            krippendorff_alpha(
                [[label.value for label in unit] for unit in units.values()],
                next(iter(units.values()))[0].distance,
                resamples=RESAMPLES,
            )
        )
        for name, units in sorted(by_label.items())
    ]


def _parts(kind: FeedbackType, answers: Mapping[Unit, Sequence[Said]]) -> list[dict[str, Any]]:
    """Alpha of tenths of the units, in the order in which they got their last answer; [] where there are too few."""
    ordered = sorted(answers.items(), key=lambda unit: max(said.at for said in unit[1]))
    parts = min(PARTS, len(ordered) // FEWEST_IN_PART)
    if parts < 2:
        return []
    found = []
    for n in range(parts):
        part = dict(ordered[n * len(ordered) // parts : (n + 1) * len(ordered) // parts])
        times = [max(said.at for said in unit) for unit in part.values()]
        found.append(
            {"from": times[0].isoformat(), "to": times[-1].isoformat(), **_row(_alpha(kind, part, RESAMPLES))}
        )
    return found


def _pairs(units: Units, alphas: Mapping[tuple[str, str], Agreement]) -> dict[str, Any]:
    """Each two labelers: 1 - their disagreement / the one expected by chance in the group, over all questions, and how many
    things both judged. Of many labelers those who share most."""
    gaps: dict[tuple[int, int], float] = defaultdict(float)
    chance: dict[tuple[int, int], float] = defaultdict(float)
    shared: Counter[tuple[int, int]] = Counter()
    for key, answers in units.items():
        kind = registry.get(key[1])
        expected = _expected(kind, answers, alphas[key])
        if not expected:
            continue
        for said in answers.values():
            for a, b in combinations(said, 2):
                if a.labeler_id != b.labeler_id:
                    pair = (min(a.labeler_id, b.labeler_id), max(a.labeler_id, b.labeler_id))
                    gaps[pair] += kind.distance(a.payload, b.payload)
                    chance[pair] += expected
                    shared[pair] += 1
    often: Counter[int] = Counter()
    for pair, n in shared.items():
        often.update(dict.fromkeys(pair, n))
    labelers = sorted(sorted(often), key=lambda who: -often[who])[:PEOPLE_IN_TABLE]
    cells = [
        [*pair, 1 - gaps[pair] / chance[pair], n]
        for pair, n in sorted(shared.items())
        if set(pair) <= set(labelers)
    ]
    return {"labelers": labelers, "cells": cells, "of": len(often)}


def _expected(kind: FeedbackType, answers: Mapping[Unit, Sequence[Said]], found: Agreement) -> float:
    """The disagreement expected by chance, from alpha = 1 - observed / expected."""
    if found.alpha is None:
        return 0.0
    if found.alpha == 1:
        return 1.0  # nobody ever differed: whatever is expected, nothing is observed
    observed = sum(
        2 * sum(kind.distance(a.payload, b.payload) for a, b in combinations(said, 2)) / (len(said) - 1)
        for said in answers.values()
    )
    return observed / found.answers / (1 - found.alpha)
