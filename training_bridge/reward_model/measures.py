"""Shares, intervals, calibration: the arithmetic of evaluation, without models or feedback."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

BINS = 10
RESAMPLES = 1000
DRAWS = 100


def wilson(successes: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson (1927). n = 0 gives (0, 1)."""
    if n <= 0:
        return 0.0, 1.0
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(values: Sequence[float], clusters: Sequence[Any]) -> dict[str, Any]:
    """A mean of zeros and ones (and halves) with Wilson's interval for the effective number of independent ones.

    Answers about one prompt are not independent: n is divided by the design effect, the variance of the mean that respects
    clusters over the one that does not; at least 1, and where all values are equal the size of a cluster.
    """
    n = len(values)
    if not n:
        return {"n": 0, "value": None, "low": None, "high": None, "prompts": 0}
    mean = sum(values) / n
    sums: dict[Any, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    independent = sum((v - mean) ** 2 for v in values)
    together = sum(s * s for s in sums.values())
    effect = max(1.0, together / independent) if independent > 0 else n / len(sums)
    low, high = wilson(mean * n / effect, n / effect)
    return {"n": n, "value": mean, "low": low, "high": high, "prompts": len(sums)}


def calibration(probabilities: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """ECE, NLL and Brier score of probabilities of what then happened, and the points of the reliability curve.

    Confidences are folded to [1/2, 1]: the direction that the model prefers, and how often it is right; a tie counts half.
    Ten bins of equal numbers. ECE = sum over bins of n_b / n |accuracy_b - confidence_b|. Source: Guo et al. (2017).
    `ece_if_perfect` is what a perfectly calibrated model with these confidences would score on average: with few pairs an
    ECE is mostly noise, and this says how much.
    """
    n = len(probabilities)
    if not n:
        return {"n": 0, "ece": None, "ece_if_perfect": None, "nll": None, "brier": None, "curve": []}
    folded = sorted((max(p, 1 - p), 0.5 if p == 0.5 else float(p > 0.5)) for p in probabilities)
    confidences = [confidence for confidence, _ in folded]
    rng = random.Random(seed)
    drawn = [
        expected_error(confidences, [float(rng.random() < c) for c in confidences]) for _ in range(DRAWS)
    ]
    curve = []
    for a, b in bins_of(n):
        part = folded[a:b]
        confidence, accuracy = (sum(row[k] for row in part) / len(part) for k in (0, 1))
        low, high = wilson(accuracy * len(part), len(part))
        curve.append(
            {"confidence": confidence, "accuracy": accuracy, "low": low, "high": high, "n": len(part)}
        )
    tiny = 1e-12
    return {
        "n": n,
        "ece": expected_error(confidences, [right for _, right in folded]),
        "ece_if_perfect": sum(drawn) / DRAWS,
        "nll": -sum(math.log(max(p, tiny)) for p in probabilities) / n,
        "brier": sum((1 - p) ** 2 for p in probabilities) / n,
        "curve": curve,
    }


def bins_of(n: int) -> list[tuple[int, int]]:
    """Edges of at most ten bins of nearly equal numbers."""
    bins = min(BINS, n)
    return [(n * k // bins, n * (k + 1) // bins) for k in range(bins)]


def expected_error(confidences: Sequence[float], right: Sequence[float]) -> float:
    """ECE of sorted confidences."""
    return sum(abs(sum(right[a:b]) - sum(confidences[a:b])) for a, b in bins_of(len(right))) / len(right)


def difference(
    a: Sequence[float], b: Sequence[float], clusters: Sequence[Any], seed: int = 0
) -> dict[str, Any]:
    """mean(a) - mean(b) of paired values with a 95 % percentile interval; whole clusters are drawn again."""
    sums: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for x, y, cluster in zip(a, b, clusters, strict=True):
        sums[cluster][0] += x - y
        sums[cluster][1] += 1
    rows = list(sums.values())
    if not rows:
        return {"value": None, "low": None, "high": None}
    rng = random.Random(seed)
    drawn = []
    for _ in range(RESAMPLES):
        sample = rng.choices(rows, k=len(rows))
        drawn.append(sum(r[0] for r in sample) / sum(r[1] for r in sample))
    drawn.sort()
    value = sum(r[0] for r in rows) / sum(r[1] for r in rows)
    return {"value": value, "low": drawn[int(0.025 * RESAMPLES)], "high": drawn[int(0.975 * RESAMPLES) - 1]}


def logistic_weight(differences: Sequence[float], prior_sd: float = 5.0) -> float:
    """w of P(chosen) = s(w d) for the differences d (chosen less rejected) of one feature, by maximum likelihood.

    A Gaussian prior keeps it finite when the sign of d never errs.
    """
    w, precision = 0.0, prior_sd**-2
    for _ in range(50):
        s = [1 / (1 + math.exp(-max(-700.0, min(700.0, w * d)))) for d in differences]
        slope = sum((1 - si) * d for si, d in zip(s, differences, strict=True)) - w * precision
        curvature = sum(si * (1 - si) * d * d for si, d in zip(s, differences, strict=True)) + precision
        step = max(-1.0, min(1.0, slope / curvature))
        w += step
        if abs(step) < 1e-9:
            break
    return w


def histogram(groups: Mapping[str, Sequence[float]], bins: int = 20) -> dict[str, Any]:
    """Counts of several groups of numbers over the same equal bins."""
    values = [v for group in groups.values() for v in group]
    if not values:
        return {"edges": [], "counts": {name: [] for name in groups}}
    low, high = min(values), max(values)
    width = (high - low) / bins or 1.0
    counts = {name: [0] * bins for name in groups}
    for name, group in groups.items():
        for v in group:
            counts[name][min(bins - 1, int((v - low) / width))] += 1
    return {"edges": [low + k * width for k in range(bins + 1)], "counts": counts}
