"""Best-of-n without sampling again: what the gold reward of the best of n answers is, for every n up to N, from N answers.

Of N answers to a prompt, every set of n is equally likely; the one whose proxy reward is highest is chosen. The mean of its
gold reward over all sets is a weighted sum over ranks, exactly:

    E_n = sum_i C(i - 1, n - 1) / C(N, n) g_(i),      g_(i) gold of the answer with the i-th lowest proxy

which is unbiased for n fresh answers. The policy that answers with the best of n is at most log n - (n - 1)/n nats away
from the one it draws from.

Sources: Nakano et al. (2021), appendix I; Gao, Schulman & Hilton (2023), arXiv 2210.10760; Beirami et al. (2024), arXiv
2401.01879 (an upper bound, equal for a proxy without ties).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from training_bridge.evaluation.distances import Floats

RESAMPLES = 2000


def kl_bound(n: int) -> float:
    """log n - (n - 1) / n, in nats; 0 for n = 1."""
    return math.log(n) - (n - 1) / n


def sizes(most: int) -> list[int]:
    """1, 2, 4, … and `most` itself.

    >>> sizes(24)
    [1, 2, 4, 8, 16, 24]
    """
    doubled = [1 << k for k in range(most.bit_length()) if 1 << k <= most]
    return doubled if doubled[-1] == most else [*doubled, most]


def rank_weights(total: int, n: int) -> Floats:
    """(total,) probability that the answer of each rank, lowest first, is the best of n out of `total`."""
    everything = math.comb(total, n)
    return np.array([math.comb(i, n - 1) / everything for i in range(total)])


def best_of(proxy: ArrayLike, value: ArrayLike, ns: Sequence[int]) -> Floats:
    """(len(ns),) expected `value` of the answer with the highest proxy among n, unbiased; proxy ties are drawn by lot.

    Raises: ValueError for an n above the number of answers, or two arrays of different lengths.
    """
    x, y = np.asarray(proxy, dtype=float), np.asarray(value, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError("Give one value for each answer.")
    if max(ns) > len(x) or min(ns) < 1:
        raise ValueError(f"There are {len(x)} answers; n is from 1 to that.")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order].copy()
    # Answers with the same proxy share their places: each of them has the mean of their values.
    _, starts, counts = np.unique(x, return_index=True, return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        if count > 1:
            y[start : start + count] = y[start : start + count].mean()
    return np.array([rank_weights(len(x), n) @ y for n in ns])


def fit(ns: Sequence[int], means: ArrayLike) -> dict[str, float | None]:
    """R(d) - R(0) = d (a - b d) with d = sqrt KL, by least squares; and where it peaks.

    Returns: a, b, peak_kl = (a / 2b)^2 and peak_n, the n with that KL; no peak unless a and b are above 0. Values beyond the
    largest n are extrapolated. None where there are fewer than three n.
    Source: Gao, Schulman & Hilton (2023), section 3.1, the form for best-of-n.
    """
    found: dict[str, float | None] = dict.fromkeys(("a", "b", "peak_kl", "peak_n"))
    values = np.asarray(means, dtype=float)
    if len(ns) < 3:
        return found
    d = np.sqrt([kl_bound(n) for n in ns])
    (a, b), *_ = np.linalg.lstsq(np.stack([d, -d * d], axis=1), values - values[0], rcond=None)
    found |= {"a": float(a), "b": float(b)}
    if a > 0 and b > 1e-12 and (a / (2 * b)) ** 2 < 50:
        kl = (a / (2 * b)) ** 2
        found |= {"peak_kl": float(kl), "peak_n": n_of(float(kl))}
    return found


def n_of(kl: float) -> float:
    """The n, not a whole number, whose bound is `kl`; by bisection."""
    low, high = 0.0, kl + 2.0  # in log n
    for _ in range(80):
        middle = (low + high) / 2
        if middle - (1 - math.exp(-middle)) < kl:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def bands(curves: Floats, seed: int = 0) -> tuple[list[dict[str, float]], Floats]:
    """Mean over prompts at each n with a 95 % band, and the bootstrapped means, (resamples, n); prompts are drawn again.

    Args:
        curves: (prompts, n).
    """
    drawn = np.random.default_rng(seed).multinomial(
        len(curves), [1 / len(curves)] * len(curves), size=RESAMPLES
    )
    means: Floats = drawn @ curves / len(curves)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    value = curves.mean(axis=0)
    value, low, high = (np.where(np.abs(v) < 1e-12, 0.0, v) for v in (value, low, high))  # rounding
    return [
        {"value": float(v), "low": float(a), "high": float(b)}
        for v, a, b in zip(value, low, high, strict=True)
    ], means


def peak(ns: Sequence[int], curves: Floats, means: Floats) -> dict[str, Any]:
    """The n at which the mean is highest, with the range in which it lies in 95 % of the resamples.

    `is_over`: the value at the largest n is below that of the peak in at least 97.5 % of the resamples, so the proxy has
    been optimised too far.
    """
    value = curves.mean(axis=0)
    at = int(value.argmax())
    places = np.sort(means.argmax(axis=1))
    low, high = (int(places[int(q * (len(places) - 1))]) for q in (0.025, 0.975))
    return {
        "n": ns[at],
        "low": ns[low],
        "high": ns[high],
        "is_over": bool(at < len(ns) - 1 and (means[:, -1] < means[:, at]).mean() >= 0.975),
    }
