"""Exposures as unpaired rows, where what happened says almost surely whether the response is good.

How sure it is comes from explicit answers about the same responses: a logistic regression of "called good" on what
happened, with the confounders of the law beside it and every weight shrunk to 0. No row is given before the exposures of
twenty labelers stand behind it, so that nobody's reading can be read out of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion
from feedback_types.social_behavior.simulate import EVENTS, confounders

FEWEST_PEOPLE = 20
SURE = 0.8
PRIOR_SD = (
    1.0  # of every weight but the intercept: 0.3 for each standard deviation would forbid being sure at all
)
LENGTH_STEP = (
    0.5  # log lengths are rounded to this, so that memory grows with patterns and not with exposures
)

VIEWS = {
    "unpaired": gettext_lazy(
        "Only exposures at which something happened and that are good or bad with a probability above 0.8, as learned from "
        "explicit answers about the same responses; no rows at all before the exposures of 20 labelers stand behind that. "
        "Lost are the probability’s origin, every exposure without an event (and so how often nothing happened), times, "
        "counts and confounders; `source` says implicit."
    )
}


@dataclass(frozen=True)
class Calibration:
    """P(good | what happened) = s(weights . features); `people` is how many labelers' exposures it was learned from."""

    weights: np.ndarray
    people: int
    exposures: int

    def probability(self, event: Event) -> float:
        return float(1 / (1 + np.exp(-(np.array(features(event)) @ self.weights))))


def features(event: Event) -> tuple[float, ...]:
    """1; whether each event happened, the pace from -1 (skimmed) to 1 (slow), 0 where it was not measured; confounders."""
    payload = event.payload
    position = next(n for n, r in enumerate(event.screen.responses) if r.id == event.target)
    length, place, device = confounders(
        len(event.screen.responses[position].text), position, str(event.extra.get("device_class", ""))
    )
    pace = (payload.pace - 1.5) / 1.5 if payload.recorder == "page" and payload.exposed_ms else 0.0
    signs = [float(name in payload.signs) for name in EVENTS[:-1]]
    return (1.0, *signs, pace, round(length / LENGTH_STEP) * LENGTH_STEP, place, device)


def calibrate(events: Iterable[Event]) -> Calibration | None:
    """One pass; None when no response was also judged outright."""
    patterns: Counter[tuple[tuple[float, ...], bool]] = Counter()
    people: set[str] = set()
    for event in events:
        good, bad = event.extra.get("explicit", (0, 0))
        if good == bad:  # not judged, or as often good as bad
            continue
        people.add(event.labeler)
        patterns[features(event), good > bad] += 1
    if not patterns:
        return None
    rows = np.array([row for row, _good in patterns])
    labels = np.array([good for _row, good in patterns], float)
    counts = np.array(list(patterns.values()), float)
    return Calibration(_fit(rows, labels, counts), len(people), int(counts.sum()))


def records(events: Sequence[Event], calibration: Calibration | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if calibration is None or calibration.people < FEWEST_PEOPLE:
        return
    for event in events:
        if event.payload.recorder == "paused" or not event.payload.signs:
            continue
        probability = calibration.probability(event)
        if max(probability, 1 - probability) <= SURE:
            continue
        yield (
            "unpaired",
            {
                "prompt": chat(event.screen.prompt),
                "completion": completion(event.screen.response(event.target).text),
                "label": probability > 0.5,
                "source": "implicit",
                "probability": round(probability, 4),
            },
        )


def _fit(rows: np.ndarray, labels: np.ndarray, counts: np.ndarray, steps: int = 30) -> np.ndarray:
    """Weights of a logistic regression with a Gaussian prior, by Newton's method.

    Args: rows: (n, k) float, the first column 1. labels: (n,) 0 or 1. counts: (n,) how often each row occurred.
    Returns: (k,) float.
    """
    weights = np.zeros(rows.shape[1])
    precision = np.full(rows.shape[1], 1 / PRIOR_SD**2)
    precision[0] = 0.01
    for _step in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (counts * (labels - chance)) - precision * weights
        curve = (rows * (counts * chance * (1 - chance))[:, None]).T @ rows + np.diag(precision)
        change = np.linalg.solve(curve, slope)
        weights = weights + change
        if np.abs(change).max() < 1e-9:
            break
    return weights
