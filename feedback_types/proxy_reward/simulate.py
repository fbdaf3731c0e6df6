"""A synthetic labeler who states a reward by the law of `likelihood.py`, in plain numbers (no torch).

They try a few settings, then keep one of all that were on offer, tried or not, by what each would rank first: Boltzmann over
settings by the value of their top responses. A rubric is judged first, level by level, by the head of each criterion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from feedback_types.base import Event, Screen, SyntheticLabeler
from feedback_types.proxy_reward import features, offer
from feedback_types.proxy_reward.order import ranks
from feedback_types.proxy_reward.program import Program
from feedback_types.proxy_reward.schema import ProxyPayload, ProxySettings, Tried

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL = {"level_middle": 0.0, "level_step": 1.0, "shift": 0.0}
TRIED = 5  # settings that a synthetic labeler looks at before keeping one
IN_PROGRAMS = ("words", "sentences", "sentence_length", "reading_ease", "repetition")


def head(criterion: str) -> str:
    return f"attribute/{criterion.casefold()}"


def simulate(
    screen: Screen, settings: ProxySettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> ProxyPayload:
    careless = labeler.beta == 0 or bool(rng.random() < labeler.lapse)
    judgements = _judge(screen, settings, labeler, rng, careless) if settings.mode == "rubric" else {}
    seen = _look_around(settings, rng)
    draft = _answer(screen, settings, judgements, seen, seen[-1])
    event = Event("", "proxy_reward", "", "", screen, None, draft, settings)
    event = replace(event, choice_set=offer.choice_set(screen, settings, draft))
    firsts = offer.tops(event)
    worth = np.array([labeler.value(screen.prompt, r.text, None, "reward") for r in screen.responses])
    utility = labeler.beta * np.array([worth[first].mean() for first in firsts])
    if careless:
        utility = np.zeros_like(utility)
    chance = np.exp(utility - utility.max())
    candidate = event.choice_set["candidates"][int(rng.choice(len(chance), p=chance / chance.sum()))]
    if settings.mode == "program":
        last = Tried(program=candidate["program"])
    else:
        last = Tried(weights=dict(zip(settings.names, candidate["weights"], strict=True)))
    return _answer(screen, settings, judgements, seen, last)


def _answer(
    screen: Screen, settings: ProxySettings, judgements: dict[str, Any], seen: list[Tried], last: Tried
) -> ProxyPayload:
    tried = seen if seen[-1].key == last.key else [*seen, last.model_copy(update={"t_ms": 1000 * len(seen)})]
    payload = ProxyPayload(
        mode=settings.mode,
        feature_set=features.VERSION,
        weights=last.weights,
        judgements=judgements,
        program=last.program,
        program_sha=None if last.program is None else Program(last.program).sha,
        tried=tuple(tried),
        pool=tuple(response.id for response in screen.responses),
        ranks=(1,) * len(screen.responses),
    )
    return payload.model_copy(update={"ranks": tuple(ranks(offer.scores(screen, settings, payload)))})


def _look_around(settings: ProxySettings, rng: np.random.Generator) -> list[Tried]:
    """The settings that were on the screen, the first one as the item appears."""
    if settings.mode == "program":
        written: list[str] = []
        while len(written) < TRIED:
            first, second = rng.choice(len(IN_PROGRAMS), size=2, replace=False)
            source = f"{rng.integers(-9, 10)} * {IN_PROGRAMS[first]} + {rng.integers(1, 10)} * {IN_PROGRAMS[second]}"
            if source not in written:
                written.append(source)
        return [Tried(program=source, t_ms=1000 * n) for n, source in enumerate(written)]
    seen = [Tried(weights=offer.start(settings), t_ms=0)]
    if settings.mode == "rubric" and not settings.weigh:
        return seen
    for n in range(1, TRIED):
        drawn = rng.integers(-settings.widest, settings.widest + 1, size=len(settings.names))
        if drawn.any():
            weights = {name: int(weight) for name, weight in zip(settings.names, drawn, strict=True)}
            seen.append(Tried(weights=weights, t_ms=1000 * n))
    return seen


def _judge(
    screen: Screen,
    settings: ProxySettings,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
    careless: bool,
) -> dict[str, tuple[int, ...]]:
    law = {name: float(labeler.parameters.get(name, value)) for name, value in INITIAL.items()}
    edges = cutpoints(settings.levels, law["level_middle"] + law["shift"], law["level_step"])
    found: dict[str, tuple[int, ...]] = {}
    for criterion in settings.criteria:
        row = []
        for response in screen.responses:
            if careless:
                row.append(int(rng.integers(settings.levels)))
            else:
                score = labeler.value(screen.prompt, response.text, None, head(criterion))
                row.append(int(np.sum(labeler.beta * score + rng.logistic() > edges)))
        found[criterion] = tuple(row)
    return found


def cutpoints(levels: int, middle: float, step: float) -> np.ndarray:
    """(levels - 1,) edges with equal steps of softplus(step) around the middle."""
    return middle + np.logaddexp(0, step) * (np.arange(levels - 1) - (levels - 2) / 2)
