"""A synthetic labeler who labels, draws and orders by the law of `likelihood.py`, in plain numbers (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.inter_temporal import offer
from feedback_types.inter_temporal.schema import InterTemporalPayload, InterTemporalSettings, Pair

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL: dict[str, float] = {"middle": 0.0, "width": 1.0, "shift": 0.0, "drift": 0.0}


def simulate(
    screen: Screen, settings: InterTemporalSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> list[tuple[int | None, InterTemporalPayload]]:
    law = {name: float(labeler.parameters.get(name, value)) for name, value in INITIAL.items()}
    said = {"labels": _labels, "curve": _curve, "order": _order}[settings.reading]
    found: list[tuple[int | None, InterTemporalPayload]] = []
    for response in screen.responses:
        given = offer.blank(screen, response.id, settings)
        careless = labeler.beta == 0 or rng.random() < labeler.lapse
        scores = None if careless else labeler.beta * np.array(_rewards(screen, response.id, given, labeler))
        found.append((response.id, said(screen, response.id, settings, given, scores, law, rng)))
    return found


def _rewards(
    screen: Screen, target: int, given: InterTemporalPayload, labeler: SyntheticLabeler
) -> list[float]:
    """r_n of each segment; of a turn the final reward."""
    text = screen.response(target).text
    if given.unit == "turn":
        spoken = offer.words(screen, target, "turn", given.segments)
        return [
            labeler.value(screen.prompt[:n], said, None, "reward")
            for n, said in zip(given.segments, spoken, strict=True)
        ]
    ends = [0, *given.segments[:-1], None] if given.segments else [0]
    return np.diff([labeler.value(screen.prompt, text, end, "reward") for end in ends]).tolist()


def _labels(
    screen: Screen,
    target: int,
    settings: InterTemporalSettings,
    given: InterTemporalPayload,
    scores: np.ndarray | None,
    law: dict[str, float],
    rng: np.random.Generator,
) -> InterTemporalPayload:
    options = [value for value, _label, _key in offer.labels(settings)]
    n = len(given.segments)
    if scores is not None:
        drawn = _levels(scores, len(options), law["middle"] + law["shift"], law, rng)
    elif settings.stop_at_error:
        drawn = _any_stopping(n, len(options), rng)
    else:
        drawn = rng.integers(len(options), size=n).tolist()
    return offer.labelled(given, [options[level] for level in drawn], settings.stop_at_error)


def _any_stopping(n: int, grades: int, rng: np.random.Generator) -> list[int]:
    """One of the sequences that end at their first 0, each alike; what follows the end is of no account."""

    def sequences(left: int) -> float:
        return float(left + 1) if grades == 2 else 2.0 ** (left + 1) - 1

    found = []
    for left in range(n, 0, -1):
        stops = rng.random() < 1 / sequences(left)
        found.append(0 if stops else int(rng.integers(1, grades)))
    return found


def _curve(
    screen: Screen,
    target: int,
    settings: InterTemporalSettings,
    given: InterTemporalPayload,
    scores: np.ndarray | None,
    law: dict[str, float],
    rng: np.random.Generator,
) -> InterTemporalPayload:
    n = len(given.segments)
    if not n:
        return given
    if scores is None:
        drawn = rng.integers(3, size=n).tolist()
    else:
        drawn = _levels(scores, 3, law["middle"] + law["drift"], law, rng)
    return offer.drawn_by(given, [level - 1 for level in drawn], settings.chars_per_s)


def _order(
    screen: Screen,
    target: int,
    settings: InterTemporalSettings,
    given: InterTemporalPayload,
    scores: np.ndarray | None,
    law: dict[str, float],
    rng: np.random.Generator,
) -> InterTemporalPayload:
    pairs = offer.moments(screen, target, settings)
    if scores is None:
        drawn = rng.integers(3, size=len(pairs)).tolist()
    else:
        gaps = np.array([scores[a] - scores[b] for a, b in pairs])
        drawn = _levels(gaps, 3, 0.0, law, rng)
    said = [Pair(first=a, second=b, better=offer.BETTER[k]) for (a, b), k in zip(pairs, drawn, strict=True)]
    return offer.rebuilt(given, pairs=tuple(said))


def _levels(
    scores: Sequence[float] | np.ndarray,
    grades: int,
    middle: float,
    law: dict[str, Any],
    rng: np.random.Generator,
) -> list[int]:
    """Where the noisy scores fall between the cutpoints."""
    half = np.logaddexp(0, law["width"]) / 2 if grades == 3 else 0.0
    edges = [middle] if grades == 2 else [middle - half, middle + half]
    noisy = np.asarray(scores) + rng.logistic(size=len(scores))
    return np.searchsorted(edges, noisy).tolist()
