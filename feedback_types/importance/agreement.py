"""How far apart two people's marks are, and what the group thinks.

Marks are compared by sentence: one that touches a sentence counts for it.

    distance                    MASI distance of the sets of marked sentences, each with its sign
    alpha_by_sentence           Krippendorff's alpha, nominal: each sentence is a unit with one label
    precision_at                of a labeler's k gravest sentences, the share that the consensus marked the same way

Source: Passonneau (2006) for MASI.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from feedback_types import distances
from feedback_types.importance import offer
from feedback_types.importance.schema import ImportancePayload, Mark

Sentence = tuple[tuple[str, int], int, int]  # (place, number, sign)


def marked(payload: ImportancePayload) -> set[Sentence]:
    return {(place, n, level[0]) for place, n, level in offer.sentences(payload) if level is not None}


def masi(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """1 - Jaccard * M: M is 1 for equal sets, 2/3 if one lies in the other, 1/3 if they only meet, 0 if they do not.

    0 for two empty sets.
    """
    first, second = set(a), set(b)
    if first == second:
        return 0.0
    shared = first & second
    if not shared:
        return 1.0
    monotone = 2 / 3 if first <= second or second <= first else 1 / 3
    return 1 - len(shared) / len(first | second) * monotone


def distance(a: ImportancePayload, b: ImportancePayload) -> float:
    return masi(marked(a), marked(b))


def consensus(payloads: Sequence[ImportancePayload]) -> ImportancePayload:
    """Stretches that more than half marked with one sign, weight the middle one of those who did; of best and worst
    sentences, which are always as many, the answer nearest to all others."""
    ordered = sorted(payloads, key=lambda p: p.model_dump_json())
    first = ordered[0]
    if first.mode == "best_worst":
        return min(ordered, key=lambda p: sum(distance(p, other) for other in ordered))
    stretches = distances.majority_spans([[_run(mark) for mark in p.marks] for p in payloads])
    return first.model_copy(update={"marks": tuple(_mark(payloads, *stretch) for stretch in stretches)})


def _run(mark: Mark) -> tuple[int, int, str]:
    where, turn = mark.place
    return mark.start, mark.end, f"{where} {turn} {mark.sign}"


def _mark(payloads: Sequence[ImportancePayload], start: int, end: int, category: str) -> Mark:
    where, turn, sign = category.split()
    weights = [
        mark.weight
        for p in payloads
        for mark in p.marks
        if _run(mark)[2] == category and mark.start < end and start < mark.end
    ]
    return Mark(
        where="prompt" if where == "prompt" else "response",
        turn=int(turn) if where == "prompt" else None,
        start=start,
        end=end,
        sign=int(sign),
        weight=distances.lower_median(weights),
    )


def alpha_by_sentence(groups: Iterable[Sequence[ImportancePayload]]) -> distances.Agreement:
    """Each group holds what several people said about one response under one question."""
    units: list[list[int | None]] = []
    for group in groups:
        labels = [[level[0] if level else None for _p, _n, level in offer.sentences(p)] for p in group]
        units.extend([*said] for said in zip(*labels, strict=True))
    return distances.krippendorff_alpha(units, distances.nominal)


def precision_at(payload: ImportancePayload, agreed: ImportancePayload, k: int = 2) -> float | None:
    """None when nothing was marked."""
    found = [(place, n, level) for place, n, level in offer.sentences(payload) if level is not None]
    gravest = sorted(found, key=lambda each: -each[2][1])[:k]
    if not gravest:
        return None
    known = marked(agreed)
    return sum((place, n, level[0]) in known for place, n, level in gravest) / len(gravest)
