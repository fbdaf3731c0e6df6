"""The statistics of the report: means and differences with intervals, and rewards held against a known truth.

Every interval is a 95 % percentile bootstrap; what is resampled is said with each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from training_bridge.loop.people import SCALE
from training_bridge.policy.tastes import TASTES

Texts = Sequence[tuple[int, list[dict[str, str]], str]]  # number of the prompt, messages, text


def truth_of(texts: Texts, taste: str) -> np.ndarray:
    """(n,) what people of this taste think of each text."""
    return np.array([SCALE * (TASTES[taste].score(text) - 0.5) for _item, _messages, text in texts])


def against_truth(
    texts: Texts, rewards: np.ndarray, taste: str, others: np.ndarray | None = None
) -> dict[str, Any]:
    """Rank correlation with the true reward over all texts, and accuracy on pairs of one prompt whose truth differs.

    Args:
        rewards: (n,) of the texts.
        others: (n,) rewards by another model: `gain` then is how much the rank correlation is above theirs, with prompts
            resampled for both at once.
    """
    truth = truth_of(texts, taste)
    prompts: dict[int, list[int]] = {}
    for i, (prompt, _messages, _text) in enumerate(texts):
        prompts.setdefault(prompt, []).append(i)
    correct = []
    for members in prompts.values():
        pairs = [(a, b) for a, b in combinations(members, 2) if truth[a] != truth[b]]
        if pairs:
            correct.append(np.mean([(rewards[a] > rewards[b]) == (truth[a] > truth[b]) for a, b in pairs]))
    groups = list(prompts.values())
    rng = np.random.default_rng(0)
    found, gains = [], []
    for _ in range(1000):
        chosen = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        found.append(spearman(truth[chosen], rewards[chosen]))
        if others is not None:
            gains.append(found[-1] - spearman(truth[chosen], others[chosen]))
    figures = {
        "texts": len(texts),
        "spearman": _interval(spearman(truth, rewards), found),
        "accuracy": bootstrap(np.array(correct)),
    }
    if others is not None:
        figures["gain"] = _interval(spearman(truth, rewards) - spearman(truth, others), gains)
    return figures


def _interval(value: float, resampled: Sequence[float]) -> dict[str, float]:
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high)}


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    x, y = ranks(a), ranks(b)
    spread = x.std() * y.std()
    return float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, ties share their mean rank."""
    _unique, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]


def bootstrap(values: np.ndarray, resamples: int = 2000) -> dict[str, Any]:
    """Mean with a 95 % percentile interval."""
    if not len(values):
        return {"value": None, "low": None, "high": None, "n": 0}
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(values.mean()), "low": float(low), "high": float(high), "n": len(values)}


def difference(before: np.ndarray, after: np.ndarray, resamples: int = 2000) -> dict[str, Any]:
    """Difference of two means with a 95 % percentile interval; the texts are resampled on both sides."""
    if not len(before) or not len(after):
        return {"value": None, "low": None, "high": None}
    rng = np.random.default_rng(0)
    a = before[rng.integers(len(before), size=(resamples, len(before)))].mean(axis=1)
    b = after[rng.integers(len(after), size=(resamples, len(after)))].mean(axis=1)
    low, high = np.percentile(b - a, [2.5, 97.5])
    return {"value": float(after.mean() - before.mean()), "low": float(low), "high": float(high)}
