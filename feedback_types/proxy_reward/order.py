"""Orders of a pool: ranks from scores, the top, Kendall's tau-b and W. Plain numbers, nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations


def ranks(scores: Sequence[float]) -> list[int]:
    """1 for the highest score, equal scores tie, no gaps: 5, 7, 5 gives 2, 1, 2."""
    places = {score: place for place, score in enumerate(sorted(set(scores), reverse=True), start=1)}
    return [places[score] for score in scores]


def weighted(weights: Sequence[int], values: Sequence[Sequence[int]]) -> list[int]:
    """One whole number for each row of values; exact."""
    return [sum(w * v for w, v in zip(weights, row, strict=True)) for row in values]


def top(scores: Sequence[float]) -> list[int]:
    """Positions of the highest score, all of them."""
    best = max(scores)
    return [position for position, score in enumerate(scores) if score == best]


def tau_b(a: Sequence[int], b: Sequence[int]) -> float:
    """Kendall's tau-b of two orders with ties, -1 (reversed) to 1 (same).

    Where one of them ties everything it says nothing: 0; where both do they say the same: 1.
    Source: Kendall (1945). Raises ValueError when the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"Two orders of {len(a)} and {len(b)} things cannot be compared.")
    signs = [(_sign(a[j] - a[i]), _sign(b[j] - b[i])) for i, j in combinations(range(len(a)), 2)]
    agreed = sum(x * y for x, y in signs)
    said_a, said_b = sum(x != 0 for x, _y in signs), sum(y != 0 for _x, y in signs)
    if not said_a or not said_b:
        return 1.0 if said_a == said_b else 0.0
    return agreed / math.sqrt(said_a * said_b)


def kendall_w(orders: Sequence[Sequence[int]]) -> float:
    """Kendall's coefficient of concordance of m orders of n things, 0 to 1, corrected for ties.

    W = 12 S / (m^2 (n^3 - n) - m T), S the squared deviations of the rank sums from their mean, T the sum of t^3 - t over
    all groups of t tied things. nan when every order ties everything. Source: Kendall & Babington Smith (1939).
    """
    m, n = len(orders), len(orders[0])
    middle = [_mid_ranks(order) for order in orders]
    sums = [sum(ranked[i] for ranked in middle) for i in range(n)]
    spread = sum((total - m * (n + 1) / 2) ** 2 for total in sums)
    tied = sum(order.count(r) ** 3 - order.count(r) for order in map(list, orders) for r in set(order))
    below = m * m * (n**3 - n) - m * tied
    return 12 * spread / below if below else math.nan


def _mid_ranks(order: Sequence[int]) -> list[float]:
    """Tied things share the mean of their places."""
    return [sum(x < r for x in order) + (sum(x == r for x in order) + 1) / 2 for r in order]


def _sign(x: int) -> int:
    return (x > 0) - (x < 0)
