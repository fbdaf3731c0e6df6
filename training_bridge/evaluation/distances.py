"""Distances between rewards, as arithmetic on arrays: prompt-centred return, STARC-VAL, EPIC, DARD.

Two rewards are compared after what cannot matter is taken away from each (a canonical form) and after each is brought to
the same size. On an autoregressive language model, which is a deterministic tree that starts at the prompt, two rewards rank
all policies alike exactly if their prompt-centred returns are positively proportional; shaping changes a return by a number
of its prompt only.

    centred return   C(R)(x, y) = R(x, y) - mean over answers y' to the same prompt of R(x, y')
    VAL              C(R)(s, a) = R(s, a) + V(s a) - V(s) = U(s a) - U(s),   U(s) = E[R of the whole text | its beginning s]
    EPIC             C(R)(s, a) = R(s, a) + E[R(s a, A) - R(s, A) - R(S, A)],  A and S drawn without regard to s
    DARD             C(R)(s, a) = R(s, a) + E[R(s a, A'') - R(s, A) - R(s A, A')], every word where it can follow

    >>> distance_of([Moments.of([0.0, 1.0, 2.0], [0.0, 10.0, 20.0])]).value
    0.0

Sources: Gleave et al. (2021), arXiv 2006.13900; Wulfe et al. (2022), arXiv 2201.10081; Skalse et al. (2024), arXiv
2309.15257. Nothing here knows models, texts or torch; `tabular.py` has the same for small decision processes, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """`value` in [0, 1]: 0 the same, sqrt(1/2) unrelated, 1 opposite; with a 95 % interval, and the correlation."""

    value: float | None
    low: float | None
    high: float | None
    correlation: float | None
    prompts: int
    numbers: int  # of values of each reward that were compared

    def dump(self) -> dict[str, float | int | None]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Moments:
    """Sums of a cluster's values of two rewards; enough for a correlation over any choice of clusters."""

    n: float
    x: float
    y: float
    xx: float
    yy: float
    xy: float

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike) -> Moments:
        """Raises ValueError when the two are of different lengths, or hold something that is no number."""
        a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if a.shape != b.shape or a.ndim != 1:
            raise ValueError(
                f"Two rewards of the same texts have as many values, not {a.shape} and {b.shape}."
            )
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError("A reward is no number.")
        return cls(len(a), a.sum(), b.sum(), a @ a, b @ b, a @ b)

    def row(self) -> tuple[float, ...]:
        return self.n, self.x, self.y, self.xx, self.yy, self.xy


def centred(returns: Sequence[ArrayLike]) -> list[Floats]:
    """Returns of the answers to each prompt, less their mean: the canonical form of a bandit with contexts.

    The answers' own mixture is the reference policy. With K answers both rewards lose the factor 1 - 1/K alike, which no
    correlation sees. Source: STARC (VAL) with one step.
    """
    return [np.asarray(row, dtype=float) - np.mean(np.asarray(row, dtype=float)) for row in returns]


def pearson_distance(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> float:
    """sqrt((1 - rho) / 2) of two vectors; nan when one is constant. Source: EPIC, definition 4.5."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    w = np.ones_like(a) if weights is None else np.asarray(weights, dtype=float)
    a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
    return l2_distance(a, b, w)


def l2_distance(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Half the distance of two vectors after each is divided by its root mean square; nan when one is all zeros.

    Half of |a/|a| - b/|b||, which is sqrt((1 - cos) / 2): on values that are centred, the same number as `pearson_distance`.
    Source: STARC, with the L2 norm as standardisation and as metric.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    w = np.ones_like(a) if weights is None else np.asarray(weights, dtype=float)
    sizes = np.sqrt((w * a * a).sum()), np.sqrt((w * b * b).sum())
    # A reward that is constant up to rounding has no direction.
    if min(sizes) <= 1e-12 * max(1.0, float(np.abs(a).max()), float(np.abs(b).max())):
        return float("nan")
    difference = a / sizes[0] - b / sizes[1]
    return float(min(1.0, 0.5 * np.sqrt((w * difference * difference).sum())))


def distance_of(clusters: Sequence[Moments], *, seed: int = 0, resamples: int = RESAMPLES) -> Distance:
    """Pearson distance of two rewards over all clusters (prompts), with a percentile bootstrap that draws clusters again.

    Returns: a distance without a value where a reward is constant; without an interval below two clusters.
    """
    table = np.array([c.row() for c in clusters if c.n], dtype=float).reshape(-1, 6)
    numbers = int(table[:, 0].sum())
    if not len(table):
        return Distance(None, None, None, None, 0, 0)
    rho = float(_correlation(table.sum(axis=0)[None])[0])
    if not np.isfinite(rho):
        return Distance(None, None, None, None, len(table), numbers)
    low = high = None
    if len(table) > 1:
        drawn = np.random.default_rng(seed).multinomial(
            len(table), [1 / len(table)] * len(table), size=resamples
        )
        distances = np.sqrt((1 - _correlation(drawn @ table)) / 2)
        distances = distances[np.isfinite(distances)]
        if len(distances):
            low, high = (float(v) for v in np.quantile(distances, [0.025, 0.975]))
    return Distance(float(np.sqrt((1 - rho) / 2)), low, high, rho, len(table), numbers)


def _correlation(sums: Floats) -> Floats:
    """(rows,) Pearson correlations from rows of summed moments; nan where a reward does not vary."""
    n, x, y, xx, yy, xy = sums.T
    sx, sy = xx - x * x / n, yy - y * y / n
    tiny = 1e-12
    varies = (sx > tiny * np.maximum(xx, tiny)) & (sy > tiny * np.maximum(yy, tiny))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = (xy - x * y / n) / np.sqrt(sx * sy)
    # Rounding alone leaves 1 - rho at some 1e-16, the root of which would look like a distance of 1e-8.
    rho = np.where(rho > 1 - 1e-14, 1.0, rho)
    return np.where(varies, np.clip(rho, -1.0, 1.0), np.nan)
