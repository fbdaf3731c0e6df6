"""How far apart two comparisons are, and what the group thinks.

Labelers see the responses in different orders, so answers are first turned to one order: ascending response id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from feedback_types import distances
from feedback_types.comparison.schema import STRENGTHS, ComparisonPayload
from feedback_types.judgements import Label, Preference

PREFERRED = "preferred"


def turned(payload: ComparisonPayload) -> tuple[int | None, tuple[int | None, ...]]:
    """(strength, ranks) as if the responses had been shown in the order of their ids."""
    order = sorted(range(len(payload.items)), key=payload.items.__getitem__)
    strength = payload.strength if payload.strength is None or order[0] == 0 else -payload.strength
    return strength, tuple(payload.ranks[i] for i in order)


def distance(a: ComparisonPayload, b: ComparisonPayload) -> float:
    """0 (same) to 1 (opposite).

    Pairs: squared difference of strength on -3..3, Krippendorff's interval distance; "both bad" lies half a scale
    away from the tie in a direction of its own. The best of several: nominal. Rankings: Kendall's distance with ties.
    """
    (strength_a, ranks_a), (strength_b, ranks_b) = turned(a), turned(b)
    if strength_a is not None and strength_b is not None:
        aside = 0.5 if a.both_bad != b.both_bad else 0.0
        return distances.interval(strength_a, strength_b, 2 * STRENGTHS) + aside**2
    if a.both_bad or b.both_bad:
        return 0.0 if a.both_bad and b.both_bad else 1.0
    if len(ranks_a) != len(ranks_b):
        return 1.0
    if None in ranks_a and None in ranks_b:
        return distances.nominal(ranks_a, ranks_b)
    return distances.ranking(ranks_a, ranks_b)


def consensus(payloads: Sequence[ComparisonPayload]) -> ComparisonPayload:
    """The answer nearest to all others: of strengths the one nearest to the mean, of rankings the most central."""
    return distances.medoid(payloads, distance)


def labels(payload: ComparisonPayload) -> Mapping[str, Label]:
    """Which response is best, whatever the degree: its place in the order of ids, "0" for several, "none" for none."""
    if payload.both_bad:
        return {PREFERRED: Label("none")}
    _strength, ranks = turned(payload)
    best = [place for place, rank in enumerate(ranks, start=1) if rank == 1]
    return {PREFERRED: Label(str(best[0]) if len(best) == 1 else "0")}


def preferences(payload: ComparisonPayload) -> Iterator[Preference]:
    """Each two responses whose order was said; of the best of several only those with the best one."""
    ranked = list(zip(payload.items, payload.ranks, strict=True))
    for (first, a), (second, b) in combinations(ranked, 2):
        if a is not None or b is not None:
            gap = (b or len(ranked)) - (a or len(ranked))
            yield Preference(first, second, 0.5 if gap == 0 else float(gap > 0))
