"""When a campaign will be done, with an interval that says how little is known.

    forecast([8, 12, 8, 12], unit_h=24, left=100)   # four days → 10 days to go, between 6.8 and 16.9

The past is cut into equal units (days, or hours of a young campaign). If the answers of a unit are draws with mean m and
variance s², n of them seen, then T more units bring T m answers, and that sum is off by a variance of T s² + T² s²/n: what
the units to come differ by, and how badly m is known. The interval holds every T at which `left` is within t deviations:

    (T m - left)² = t² s² (T + T²/n)

Working hours, weekends and people who leave are in s² only as far as the past has seen them.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_H = 7 * 24
WHOLE_DAYS = 4  # with so many days behind it, a campaign is looked at by day; before, by hour
# Student's t, 0.975, for 1 to 30 degrees of freedom.
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """Hours until `left` answers are in: expected, and a 95 % interval. `high` is None while the pace may as well be 0,
    both ends before there are two units to compare."""

    pace: float  # answers an hour
    left: int
    hours: float | None
    low: float | None
    high: float | None
    unit_h: float
    units: int


def units_of(hours: Sequence[tuple[dt.datetime, int]], now: dt.datetime) -> tuple[list[int], float]:
    """(answers of each unit, oldest first; length of a unit in hours), from (hour, answers) of the last week.

    Units go back from now, so the hour under way is in the last one. Empty when nothing was answered.
    """
    seen = [(now - hour, n) for hour, n in hours if n]
    if not seen:
        return [], 1.0
    span_h = max(age for age, _n in seen).total_seconds() / 3600
    if span_h < 1:
        return [sum(n for _age, n in seen)], max(span_h, 1 / 6)
    unit_h = 24.0 if span_h >= WHOLE_DAYS * 24 else 1.0
    whole = int(span_h // unit_h)
    counts = [0] * whole
    for age, n in seen:
        # An hour that began before the oldest whole unit is part of it: its answers are not older than the hour.
        counts[min(whole - 1, int(age.total_seconds() / 3600 // unit_h))] += n
    return counts[::-1], unit_h


def forecast(counts: Sequence[int], *, unit_h: float, left: int) -> Forecast:
    """What the counts of past units say about the answers that are left."""
    n = len(counts)
    mean = sum(counts) / n if n else 0.0
    pace = mean / unit_h
    if not mean or left <= 0:
        return Forecast(pace, left, 0.0 if left <= 0 else None, None, None, unit_h, n)
    if n < 2:
        return Forecast(pace, left, left / pace, None, None, unit_h, n)
    t = T_975[n - 2] if n - 2 < len(T_975) else 1.96
    spread = t * t * statistics.variance(counts)
    a, b = mean * mean - spread / n, 2 * left * mean + spread
    root = math.sqrt(max(0.0, b * b - 4 * a * left * left))
    low = 2 * left * left / (b + root)
    high = (b + root) / (2 * a) if a > 0 else None
    return Forecast(pace, left, left / pace, low * unit_h, None if high is None else high * unit_h, unit_h, n)
