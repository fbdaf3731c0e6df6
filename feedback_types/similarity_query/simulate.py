"""A synthetic labeler who picks the most alike pair by the law of `likelihood.py`, in plain numbers (no torch)."""

from __future__ import annotations

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.similarity_query import offer
from feedback_types.similarity_query.schema import DIMENSIONS, SimilarityPayload, SimilaritySettings

HEADS = [f"similarity/{k}" for k in range(DIMENSIONS)]


def simulate(
    screen: Screen, settings: SimilaritySettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> SimilarityPayload:
    answers = [
        offer.payload(screen, settings, chosen) for _place, chosen, _words in offer.choices(screen, settings)
    ]
    if labeler.beta == 0 or rng.random() < labeler.lapse:
        return answers[rng.integers(len(answers))]
    z = {
        r.id: np.array([labeler.value(screen.prompt, r.text, None, head) for head in HEADS])
        for r in screen.responses
    }
    # The pair whose noisy distance is smallest: Gumbel noise makes that the softmax.
    noisy = [-labeler.beta * np.mean((z[a.pair[0]] - z[a.pair[1]]) ** 2) + rng.gumbel() for a in answers]
    return answers[int(np.argmax(noisy))]
