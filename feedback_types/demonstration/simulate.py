"""A synthetic labeler who writes by the law of `likelihood.py`: a text drawn from where the responses come from, tilted by
exp(beta * reward)."""

from __future__ import annotations

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.demonstration import offer
from feedback_types.demonstration.schema import NEWLINE, DemonstrationPayload, DemonstrationSettings


def simulate(
    screen: Screen, settings: DemonstrationSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> DemonstrationPayload:
    beta = 0.0 if labeler.beta == 0 or rng.random() < labeler.lapse else labeler.beta
    source, prefix = None, ""
    if settings.start == "scratch":
        text = _text(screen, "", beta, labeler, rng)
    elif settings.start == "prefix":
        source, prefix = screen.responses[0], offer.given_prefix(screen, settings)
        text = _text(screen, prefix, beta, labeler, rng)
    else:
        source = screen.responses[rng.integers(len(screen.responses)) if settings.start == "choose" else 0]
        text = _changed(screen, NEWLINE.sub("\n", source.text), beta, labeler, rng)
    text = prefix + NEWLINE.sub("\n", text[len(prefix) :])
    while len(text[len(prefix) :].strip()) < settings.min_characters:
        text += " Yes."
    text = text[: len(prefix) + settings.max_characters]
    return DemonstrationPayload(
        text=text,
        written_from=offer.FROM[settings.start],
        source=source.id if source else None,
        kept=len(prefix),
        keystrokes=len(text) - len(prefix),
        paste_events=0,
        paste_chars=0,
        writing_ms=200 * (len(text) - len(prefix)),
    )


def _text(
    screen: Screen, prefix: str, beta: float, labeler: SyntheticLabeler, rng: np.random.Generator
) -> str:
    """A whole text that starts with the prefix; where nobody knows how texts come about, a rewrite of a response."""
    if labeler.write:
        written = labeler.write(screen.prompt, prefix, beta, rng)
        if written.startswith(prefix) and written[len(prefix) :].strip():
            return written
    return prefix + _changed(screen, screen.responses[0].text[len(prefix) :], beta, labeler, rng)


def _changed(
    screen: Screen, text: str, beta: float, labeler: SyntheticLabeler, rng: np.random.Generator
) -> str:
    """One of the rewrites known, the better the likelier."""
    known = list(labeler.rewrite(screen.prompt, text)) if labeler.rewrite else []
    usable = [version for version in known if version.strip() and version != text] or [f"{text} Yes."]
    values = beta * np.array([labeler.value(screen.prompt, version, None, "reward") for version in usable])
    weights = np.exp(values - values.max())
    return usable[rng.choice(len(usable), p=weights / weights.sum())]
