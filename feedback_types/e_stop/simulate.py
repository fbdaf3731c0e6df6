"""A synthetic labeler who stops by the laws of `likelihood.py`, with numpy alone.

`stream` is law H, `hindsight` law P; the page never mixes them, a measurement of the wrong choice set does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from feedback_types.base import Message, SyntheticLabeler
from feedback_types.e_stop.schema import EStopPayload, EStopSettings
from feedback_types.segments import segment_ends

TAU = -2.0  # a labeler stops an average sentence about once in eight at rationality 1
RHO = 1.0  # on the logistic scale: 0.73 of the memory stays from sentence to sentence


def stream(
    prompt: tuple[Message, ...],
    text: str,
    settings: EStopSettings,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
    leaving: float = 0.0,
) -> EStopPayload:
    """One run: a hazard after each sentence; `leaving` is the chance at each that the run is broken off."""
    ends = segment_ends(text)
    n = len(ends)
    if rng.random() < labeler.lapse or labeler.beta == 0:
        stop = int(rng.integers(1, n + 2)) if n else 1
    else:
        stop = _first_stop(_values(prompt, text, ends, labeler), labeler, rng)
    censored = next((k for k in range(1, n + 1) if rng.random() < leaving), n + 1) if leaving else n + 1
    if stop <= min(censored, n):
        shown = ends[stop - 1]
        if stop < n:  # somewhere in the sentence that follows
            shown = int(rng.integers(shown, ends[stop]))
        return _run(ends, "stopped", shown, settings)
    return (
        _run(ends, "left", ends[censored - 1], settings)
        if censored < n
        else _run(ends, "finished", len(text), settings)
    )


def hindsight(
    prompt: tuple[Message, ...], text: str, labeler: SyntheticLabeler, rng: np.random.Generator
) -> EStopPayload:
    """Where it should have stopped, by a softmax over the reward of each prefix."""
    ends = segment_ends(text)
    n = len(ends)
    utility = labeler.beta * np.diff(_values(prompt, text, ends, labeler)).cumsum() if n else np.zeros(1)
    if rng.random() < labeler.lapse:
        utility = np.zeros_like(utility)
    chance = np.exp(utility - utility.max())
    place = int(rng.choice(len(chance), p=chance / chance.sum())) + 1
    stopped = place < n
    return EStopPayload(
        mode="hindsight",
        outcome="stopped" if stopped else "finished",
        reason="bad" if stopped else None,
        stop_char=ends[place - 1] if stopped else None,
        rendered_char=len(text),
        full_text_available=True,
        segments=tuple(ends),
    )


def _values(
    prompt: tuple[Message, ...], text: str, ends: Sequence[int], labeler: SyntheticLabeler
) -> np.ndarray:
    offsets = [0, *ends[:-1], None] if ends else [0]
    return np.array([labeler.value(prompt, text, offset, "reward") for offset in offsets])


def _first_stop(values: np.ndarray, labeler: SyntheticLabeler, rng: np.random.Generator) -> int:
    """Number of the sentence after which the labeler stops; one more than there are when never."""
    tau = float(labeler.parameters.get("tau", TAU))
    rho = 1 / (1 + math.exp(-float(labeler.parameters.get("rho", RHO))))
    mood = 0.0
    steps = np.diff(values)
    for number, step in enumerate(steps, start=1):
        mood = rho * mood + float(step)
        if rng.random() < 1 / (1 + math.exp(min(500.0, -labeler.beta * (tau - mood)))):
            return number
    return len(steps) + 1


def _run(ends: Sequence[int], outcome: str, shown: int, settings: EStopSettings) -> EStopPayload:
    stopped = outcome == "stopped"
    return EStopPayload(
        mode="stream",
        outcome=outcome,  # type: ignore[arg-type]
        reason="bad" if stopped else None,
        stop_char=shown if stopped else None,
        rendered_char=shown,
        stream_cps=settings.chars_per_s,
        t_ms=round(1000 * shown / settings.chars_per_s),
        full_text_available=False,
        segments=tuple(ends),
    )
