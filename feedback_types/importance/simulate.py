"""A synthetic labeler who marks by the law of `likelihood.py`, one choice after the other, with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.importance import offer
from feedback_types.importance.schema import MOST_WEIGHT, ImportancePayload, ImportanceSettings, Mark
from feedback_types.segments import segments

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL: dict[str, Any] = {"stop": 1.5, "thrift": 0.0, "weight_middle": 0.5, "weight_step": 0.5}
IN_THE_PROMPT = 0.3  # how often a sentence of the prompt is marked: it has no law


def simulate(
    screen: Screen, settings: ImportanceSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> list[tuple[int | None, ImportancePayload]]:
    return [(r.id, _mark(screen, settings, r.id, labeler, rng)) for r in screen.responses]


def _mark(
    screen: Screen,
    settings: ImportanceSettings,
    target: int,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
) -> ImportancePayload:
    text = screen.response(target).text
    payload = ImportancePayload(
        explains=settings.explains or None,
        mode=settings.mode,
        marks=tuple(_in_prompt(screen, settings, rng)),
        **offer.segments_of(screen, settings, target),
    )
    if settings.where == "prompt":
        return payload
    ends = payload.segments
    values = [
        labeler.value(screen.prompt, text, end, "reward") for end in [0, *ends[:-1], None][: len(ends) + 1]
    ]
    careless = labeler.beta == 0 or rng.random() < labeler.lapse
    steps = labeler.beta * np.diff(values)
    if settings.mode == "best_worst":
        said = _best_and_worst(np.zeros_like(steps) if careless else steps, rng)
    elif careless:
        said = _anything(len(ends), settings, rng)
    else:
        law = {name: float(labeler.parameters.get(name, value)) for name, value in INITIAL.items()}
        said = _one_by_one(steps, settings, law, rng)
    return offer.mark_sentences(payload, text, said)


def _one_by_one(
    steps: np.ndarray, settings: ImportanceSettings, law: dict[str, float], rng: np.random.Generator
) -> list[offer.Level]:
    """Sentences chosen one after the other, until "that is all" is chosen or none is left."""
    n = len(steps)
    ways = {1: steps, -1: -steps} if settings.signed else {0: np.abs(steps)}
    utility = np.concatenate([*ways.values(), [law["stop"] + law["thrift"]]])
    signs = [sign for sign in ways for _ in range(n)]
    cuts = law["weight_middle"] + np.array([0.0, np.logaddexp(0, law["weight_step"])])
    said: list[offer.Level] = [None] * n
    while any(level is None for level in said):
        chosen = _softmax_draw(utility, rng)
        if chosen == len(signs):
            break
        number = chosen % n if n else 0
        toward = utility[chosen]
        weight = 1 + int(np.sum(toward + rng.logistic() > cuts)) if offer.asks_weight(settings) else 1
        said[number] = (signs[chosen], weight)
        utility[number : len(signs) : n] = -np.inf
    return said


def _best_and_worst(steps: np.ndarray, rng: np.random.Generator) -> list[offer.Level]:
    said: list[offer.Level] = [None] * len(steps)
    for sign in (1, -1):
        utility = sign * steps
        utility[[level is not None for level in said]] = -np.inf
        for _ in range(offer.pairs(len(steps))):
            chosen = _softmax_draw(utility, rng)
            said[chosen] = (sign, 1)
            utility[chosen] = -np.inf
    return said


def _anything(n: int, settings: ImportanceSettings, rng: np.random.Generator) -> list[offer.Level]:
    weights = range(1, MOST_WEIGHT + 1) if offer.asks_weight(settings) else [1]
    signs = [1, -1] if settings.signed else [0]
    options: list[offer.Level] = [None, *((sign, weight) for sign in signs for weight in weights)]
    return [options[rng.integers(len(options))] for _ in range(n)]


def _in_prompt(screen: Screen, settings: ImportanceSettings, rng: np.random.Generator) -> list[Mark]:
    if settings.where == "response":
        return []
    return [
        Mark(where="prompt", turn=turn, start=start, end=end, sign=1 if settings.signed else 0)
        for turn, message in enumerate(screen.prompt)
        for start, end in segments(message.content)
        if message.content[start:end].strip() and rng.random() < IN_THE_PROMPT
    ]


def _softmax_draw(utility: np.ndarray, rng: np.random.Generator) -> int:
    chance = np.exp(utility - utility.max())
    return int(rng.choice(len(chance), p=chance / chance.sum()))
