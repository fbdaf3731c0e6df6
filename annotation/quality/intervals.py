"""Intervals of shares."""

from __future__ import annotations

import math

Z = 1.959964  # of 95 %


def wilson(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """95 % interval of a share of n independent cases.

    Args: share: 0 to 1. n: how many cases, above 0; may be a fraction (an effective number).
    Returns: (low, high), within 0 and 1, and never of width 0.
    Source: Wilson (1927).
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
