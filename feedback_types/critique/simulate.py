"""A synthetic labeler who grades, judges and marks by the law of `likelihood.py`, in plain numbers (no torch)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from feedback_types.base import Event, Screen, SyntheticLabeler
from feedback_types.critique import offer
from feedback_types.critique.schema import MOST_GRADES, CritiquePayload, CritiqueSettings

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL: dict[str, Any] = {
    "grade_middle": 0.0,
    "grade_steps": (0.5,) * (MOST_GRADES - 2),
    "verdict_middle": 0.0,
    "verdict_step": 1.0,
    "mark_threshold": 1.5,
    "shift": 0.0,
    "mark_shift": 0.0,
}


def simulate(
    screen: Screen, settings: CritiqueSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> list[tuple[int | None, CritiquePayload]]:
    law = {name: labeler.parameters.get(name, value) for name, value in INITIAL.items()}
    offered = offer.choice_set(screen, settings)
    answers: list[tuple[int | None, CritiquePayload]] = []
    for response in screen.responses:
        blank = Event("", "critique", "", "", screen, response.id, _blank(settings), settings, offered)
        careless = labeler.beta == 0 or rng.random() < labeler.lapse
        chosen = []
        for part in offer.parts(blank):
            if careless:
                level = int(rng.integers(part.levels))
            else:
                score = labeler.beta * labeler.value(screen.prompt, response.text, part.end, part.head)
                level = int(np.sum(score + rng.logistic() > edges(part, law)))
            chosen.append(replace(part, chosen=level))
        answers.append((response.id, offer.assemble(chosen, offered)))
    return answers


def edges(part: offer.Part, law: dict[str, Any]) -> np.ndarray:
    """Cutpoints of one part: the noisy score falls between them."""
    if part.kind == "rating":
        steps = np.logaddexp(0, law["grade_steps"])[: part.levels - 2]
        cuts = np.concatenate([[0.0], np.cumsum(steps)])
        return law["grade_middle"] + law["shift"] + cuts - cuts.mean()
    if part.kind == "verdict":
        half = np.logaddexp(0, law["verdict_step"]) / 2
        return (
            law["verdict_middle"]
            + law["shift"]
            + (np.array([-half, half]) if part.levels == 3 else np.zeros(1))
        )
    return np.array([law["mark_threshold"] + law["mark_shift"]])


def _blank(settings: CritiqueSettings) -> CritiquePayload:
    """An answer with every part in its place, to be filled."""
    return CritiquePayload(
        verdict=None if settings.verdict == "off" else -1,
        grades=settings.grades,
        ratings=dict.fromkeys(settings.criteria, 1),
    )
