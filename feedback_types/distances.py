"""How far apart two answers are, how well labelers agree, and what the group thinks.

Everything here takes plain values and is shared by the types' `agreement.py`. Agreement is Krippendorff's alpha, which
works for any distance, any number of labelers and missing answers:

    >>> krippendorff_alpha([[1, 1], [2, 2], [1, 2]], nominal).alpha.__round__(3)
    0.444

A distance here is what Krippendorff writes as δ²: already squared where the scale is an interval.
Source: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Distance = Callable[[Any, Any], float]

# --- Distances -------------------------------------------------------------------------------------------------------


def nominal(a: Any, b: Any) -> float:
    """0 when equal, else 1."""
    return 0.0 if a == b else 1.0


def interval(a: float, b: float, width: float = 1.0) -> float:
    """Squared difference in units of `width`, the longest difference there can be (then at most 1)."""
    return ((a - b) / width) ** 2


def ordinal(values: Iterable[int]) -> Distance:
    """Krippendorff's distance of ordered grades: how many of `values` (all answers given) lie between two of them, squared.

    Returns a function of two grades; it is not bounded by 1, which alpha does not need.
    """
    counts = Counter(values)
    grades = sorted(counts)

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(counts[g] for g in grades if low <= g <= high)
        return float((between - (counts[low] + counts[high]) / 2) ** 2) if low != high else 0.0

    return distance


def ranking(a: Sequence[int | None], b: Sequence[int | None]) -> float:
    """Kendall distance of two orders with ties, 0 (same) to 1 (reversed).

    Args:
        a, b: rank of each thing, 1 the best, equal ranks a tie; None for "below the ranked ones, order not said".
    Returns: over the pairs that both put in order, the mean of |sign - sign| / 2: a tie against an order counts half
        (Kemeny). 1 when there is no such pair.
    Raises: ValueError when the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"Two orders of {len(a)} and {len(b)} things cannot be compared.")
    gaps = [
        abs(x - y) / 2
        for i, j in combinations(range(len(a)), 2)
        if (x := _order(a[i], a[j])) is not None and (y := _order(b[i], b[j])) is not None
    ]
    return sum(gaps) / len(gaps) if gaps else 1.0


def _order(first: int | None, second: int | None) -> int | None:
    """1 when the first is better, -1 when it is worse, 0 for a tie, None when nothing was said."""
    if first is None and second is None:
        return None
    if first is None or second is None:
        return 1 if second is None else -1
    return (first < second) - (first > second)


def sets(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """Jaccard distance: 1 - shared / all; 0 for two empty sets."""
    first, second = set(a), set(b)
    return 1 - len(first & second) / len(first | second) if first | second else 0.0


def spans(a: Iterable[tuple[int, int, str]], b: Iterable[tuple[int, int, str]]) -> float:
    """1 - F1 of the marked positions: 0 for the same marks (or none at all), 1 for marks that never meet.

    Args:
        a, b: (start, end, category) in code points, end exclusive; each code point is a token, so that no
            tokeniser is needed. Only marks of one category can meet.
    """
    first, second = _by_category(a), _by_category(b)
    marked = sum(end - start for runs in (*first.values(), *second.values()) for start, end in runs)
    shared = sum(_overlap(runs, second.get(category, [])) for category, runs in first.items())
    return 1 - 2 * shared / marked if marked else 0.0


def _by_category(marks: Iterable[tuple[int, int, str]]) -> dict[str, list[tuple[int, int]]]:
    """Disjoint, sorted runs of each category."""
    found: dict[str, list[tuple[int, int]]] = {}
    for start, end, category in sorted(marks):
        runs = found.setdefault(category, [])
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return found


def _overlap(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(x[1], y[1]) - max(x[0], y[0])) for x in a for y in b)


# --- Agreement -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha with what it rests on.

    alpha: 1 perfect, 0 chance, below 0 systematic disagreement; None when nothing can be said (no unit has two
    answers, or all
        answers are equal, so that chance cannot be told from care).
    low, high: bootstrap interval over units; None when not asked for or not defined.
    units, answers: how many units have at least two answers, and how many answers those are.
    """

    alpha: float | None
    low: float | None
    high: float | None
    units: int
    answers: int


def krippendorff_alpha(
    units: Iterable[Sequence[Any]],
    distance: Distance,
    *,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
    budget: int = 50_000,
) -> Agreement:
    """Krippendorff's alpha: 1 - observed / expected disagreement.

    Args:
        units: for each thing that was judged, the answers it got (whoever gave them); units with fewer than two do
            not count.
        distance: symmetric, 0 on equal answers, at least 0; Krippendorff's δ².
        resamples: bootstrap samples of units for the interval; 0 for none.
        level: of the interval, in (0, 1).
        seed: of the bootstrap, and of the pairs drawn when there are too many.
        budget: most distances to compute for the expected disagreement. Beyond, that many pairs are drawn at
            random: the cost stays bounded and the relative error is about 1 / sqrt(budget).
    """
    judged = [list(unit) for unit in units]
    judged = [unit for unit in judged if len(unit) > 1]
    sizes = np.array([len(unit) for unit in judged], dtype=float)
    n = int(sizes.sum())
    if not judged:
        return Agreement(None, None, None, 0, 0)
    observed = np.array(
        [2 * sum(distance(a, b) for a, b in combinations(unit, 2)) / (len(unit) - 1) for unit in judged]
    )
    rng = np.random.default_rng(seed)
    expected = _expected(judged, distance, budget, rng)

    def alpha(weights: np.ndarray) -> np.ndarray:
        """(b,) alphas for (b, units) multiplicities; nan where nothing varies."""
        total = weights @ sizes
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = expected(weights, total)
            return np.where(chance > 0, 1 - (weights @ observed / total) / chance, np.nan)

    value = float(alpha(np.ones((1, len(judged))))[0])
    low = high = None
    if resamples and not np.isnan(value) and len(judged) > 1:
        draws = rng.multinomial(len(judged), np.full(len(judged), 1 / len(judged)), size=resamples).astype(
            float
        )
        found = alpha(draws)
        found = found[~np.isnan(found)]
        if len(found):
            low, high = (float(q) for q in np.quantile(found, [(1 - level) / 2, (1 + level) / 2]))
    # 1 - 1 is not 0 to the last bit, and nobody wants to read 2e-16.
    return Agreement(None if np.isnan(value) else round(value, 12), low, high, len(judged), n)


def _expected(
    judged: Sequence[Sequence[Any]], distance: Distance, budget: int, rng: np.random.Generator
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Function of unit multiplicities and their number of answers: the mean distance of two answers drawn without
    regard to units."""
    numbers: dict[Hashable, int] = {}
    values: list[Any] = []
    rows, columns = [], []
    for row, unit in enumerate(judged):
        for value in unit:
            key = value.model_dump_json() if hasattr(value, "model_dump_json") else value
            if key not in numbers:
                numbers[key] = len(values)
                values.append(value)
            rows.append(row)
            columns.append(numbers[key])
    m = len(values)
    if m * (m - 1) // 2 <= budget:
        table = np.zeros((m, m))
        for i, j in combinations(range(m), 2):
            table[i, j] = table[j, i] = distance(values[i], values[j])
        counts = np.zeros((len(judged), m))
        np.add.at(counts, (rows, columns), 1)

        def exact(weights: np.ndarray, total: np.ndarray) -> np.ndarray:
            pooled = weights @ counts
            return np.einsum("bi,ij,bj->b", pooled, table, pooled, optimize=True) / (total * (total - 1))

        return exact
    n = len(rows)
    first = rng.integers(n, size=budget)
    second = (first + rng.integers(1, n, size=budget)) % n  # never the same answer twice
    where, which = np.array(rows), np.array(columns)
    gaps = np.array(
        [distance(values[i], values[j]) for i, j in zip(which[first], which[second], strict=True)]
    )

    def drawn(weights: np.ndarray, total: np.ndarray) -> np.ndarray:
        together = weights[:, where[first]] * weights[:, where[second]]
        return together @ gaps / together.sum(axis=1)

    return drawn


# --- Consensus -------------------------------------------------------------------------------------------------------


def medoid(answers: Sequence[T], distance: Distance) -> T:
    """The answer nearest to all others; of equally near ones the first in the order of their text, whatever the
    order given."""
    totals = [sum(distance(a, b) for b in answers) for a in answers]
    least = min(totals)
    return min((a for a, total in zip(answers, totals, strict=True) if total <= least + 1e-12), key=_text)


def _text(answer: Any) -> str:
    return answer.model_dump_json() if hasattr(answer, "model_dump_json") else repr(answer)


def lower_median(values: Iterable[int]) -> int:
    """The middle value; of two in the middle the lower, so that the result is always one of the values."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]


def majority(votes: Iterable[Iterable[Hashable]], voters: int) -> set[Hashable]:
    """What more than half of the voters named."""
    counts = Counter(name for vote in votes for name in set(vote))
    return {name for name, count in counts.items() if 2 * count > voters}


def majority_spans(marks: Sequence[Iterable[tuple[int, int, str]]]) -> list[tuple[int, int, str]]:
    """Runs of code points that more than half of the labelers marked with one category, sorted."""
    changes: dict[str, Counter[int]] = {}
    for labeler in marks:
        for category, runs in _by_category(labeler).items():
            steps = changes.setdefault(category, Counter())
            for start, end in runs:
                steps[start] += 1
                steps[end] -= 1
    return sorted(run for category, steps in changes.items() for run in _runs(category, steps, len(marks)))


def _runs(category: str, steps: Mapping[int, int], voters: int) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    height, start = 0, 0
    for position in sorted(steps):
        above = 2 * height > voters
        height += steps[position]
        if not above and 2 * height > voters:
            start = position
        elif above and 2 * height <= voters:
            found.append((start, position, category))
    return found
