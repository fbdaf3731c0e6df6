"""How far apart two edits of one response are, and what the group thinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from feedback_types import distances
from feedback_types.improvement.diff import Op
from feedback_types.improvement.schema import ImprovementPayload

LONGEST_GRAM = 6


def distance(a: ImprovementPayload, b: ImprovementPayload) -> float:
    """The mean of three: how little the places overlap, how unlike the new words are, and whether the verdicts differ."""
    return (
        places(a.ops, b.ops)
        + 1
        - likeness("".join(op.text for op in a.ops), "".join(op.text for op in b.ops))
        + distances.nominal(a.confirm_better, b.confirm_better)
    ) / 3


def places(a: Sequence[Op], b: Sequence[Op]) -> float:
    """1 - F1 of the characters touched, 0 for the same places; an insertion touches the gap between two characters."""
    return distances.spans([_marks(op) for op in a], [_marks(op) for op in b])


def _marks(op: Op) -> tuple[int, int, str]:
    """On a ruler with a mark for each gap (even) and each character (odd), so that an insertion has a length too."""
    return (2 * op.start, 2 * op.start + 1, "") if op.start == op.end else (2 * op.start + 1, 2 * op.end, "")


def likeness(a: str, b: str) -> float:
    """chrF with equal weight of precision and recall: the mean F1 of character n-grams, n = 1..6, white space left out.

    Returns: 0 (no character in common) to 1 (the same); 1 for two empty texts, 0 when only one is empty. Symmetric.
    Source: Popović (2015), chrF.
    """
    a, b = "".join(a.split()), "".join(b.split())
    if not a or not b:
        return float(a == b)
    scores = []
    for n in range(1, min(LONGEST_GRAM, max(len(a), len(b))) + 1):
        grams_a, grams_b = _grams(a, n), _grams(b, n)
        scores.append(2 * (grams_a & grams_b).total() / (grams_a.total() + grams_b.total()))
    return sum(scores) / len(scores)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def consensus(payloads: Sequence[ImprovementPayload]) -> ImprovementPayload:
    """The edit nearest to all others."""
    return distances.medoid(payloads, distance)
