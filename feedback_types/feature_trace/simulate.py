"""A synthetic labeler who orders and rewrites by the law of `likelihood.py`, in plain numbers (no torch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.feature_trace.schema import NEWLINE, STEPS, Rewrite, TracePayload, TraceSettings

# Starting values of what is learned beside the feature; see likelihood.py for what each means.
INITIAL: dict[str, float] = {"level_middle": 0.0, "level_step": 0.2, "level_shift": 0.0}


def simulate(
    screen: Screen, settings: TraceSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> TracePayload:
    careless = labeler.beta == 0 or rng.random() < labeler.lapse
    head = f"feature/{settings.feature}"

    def utility(text: str) -> float:
        return 0.0 if careless else labeler.beta * labeler.value(screen.prompt, text, None, head)

    order: tuple[int, ...] = ()
    rewrite = None
    if settings.mode == "order":
        utilities = np.array([utility(r.text) for r in screen.responses])
        ranked = np.argsort(utilities + rng.gumbel(size=len(utilities)))  # from the least: Plackett-Luce
        order = tuple(screen.responses[i].id for i in ranked)
        ends = utilities[ranked[[0, -1]]]
    else:
        source = screen.responses[0]
        text = _version(screen, source.text, labeler, rng)
        old, new = utility(source.text), utility(text)
        has_more = bool(new - old + rng.logistic() > 0)
        rewrite = Rewrite(
            source=source.id,
            text=text,
            has="more" if has_more else "less",
            keystrokes=len(text),
            edit_ms=100 * len(text),
        )
        ends = np.array([old, new] if has_more else [new, old])
    start, end = _levels(ends, labeler, careless, rng) if settings.levels else (0, STEPS)
    return TracePayload(
        feature=settings.feature,
        definition_version=settings.definition_version,
        ordered_ids=order,
        rewrite=rewrite,
        start_level=start / STEPS,
        end_level=end / STEPS,
    )


def _version(screen: Screen, text: str, labeler: SyntheticLabeler, rng: np.random.Generator) -> str:
    """Another text; the law holds for whatever is written, because the verdict on it is given afterwards."""
    text = NEWLINE.sub("\n", text)
    known = list(labeler.rewrite(screen.prompt, text)) if labeler.rewrite else []
    usable = [version for version in known if version.strip() and version != text]
    return str(rng.choice(usable)) if usable else f"{text} Yes."


def _levels(
    ends: np.ndarray, labeler: SyntheticLabeler, careless: bool, rng: np.random.Generator
) -> tuple[int, int]:
    """Grades of both ends in tenths, drawn from the table of those that rise."""
    law: dict[str, Any] = {name: labeler.parameters.get(name, value) for name, value in INITIAL.items()}
    middle, step = law["level_middle"] + law["level_shift"], np.logaddexp(0, law["level_step"])
    edges = middle + step * (np.arange(STEPS) - (STEPS - 1) / 2)
    below = [1 / (1 + np.exp(np.clip(score - edges, -500, 500))) for score in ends]
    low, high = (np.diff(np.concatenate([[0.0], each, [1.0]])) + 1e-300 for each in below)
    table = np.triu(np.ones((STEPS + 1, STEPS + 1)) if careless else np.outer(low, high), k=1)
    cell = int(rng.choice(table.size, p=(table / table.sum()).ravel()))
    return cell // (STEPS + 1), cell % (STEPS + 1)
