"""A synthetic reader whose reactions and reading follow the law of `likelihood.py`, with numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.segments import segment_ends
from feedback_types.social_behavior.schema import (
    PACE_EDGES,
    REACTIONS,
    Counter,
    SocialPayload,
    SocialSettings,
)

# Everything that may happen, in the order of the parameters.
EVENTS = (*REACTIONS, "copy", "select", "regenerate", "reread", "pace")
# The sign of a thumb is convention, so its slope starts at 1 or -1; what reading says, nobody knows beforehand: 0.
SLOPE = (1.0, 1.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
BASE = (-1.0, -2.0, -2.0, -2.0, -1.0, -2.0, -1.5, -2.0, -1.0, 0.0)  # log-odds in a text of usual length
STEPS = (0.9, 0.9)  # before softplus: from the first edge of the pace to the second, and on to the third
USUAL_LENGTH = 400.0  # code points


def confounders(length: int, position: int, device: str) -> tuple[float, float, float]:
    """What also decides whether something happens: log length (0 at the usual one), place on the screen (0 is the first),
    and whether it is read on a phone or tablet (0 when that is not known)."""
    return math.log(max(1, length) / USUAL_LENGTH), float(position), float(device in ("phone", "tablet"))


def slow(length: int, n_edges: int = len(PACE_EDGES)) -> Sequence[int]:
    """Times in view, one inside each grade of pace, for a text of this length."""
    middles = (
        PACE_EDGES[0] / 2,
        *(math.sqrt(a * b) for a, b in pairwise(PACE_EDGES)),
    )
    return [math.ceil(max(1, length) * pace) for pace in (*middles, 2 * PACE_EDGES[-1])][: n_edges + 1]


def exposure(
    screen: Screen,
    position: int,
    settings: SocialSettings,
    labeler: SyntheticLabeler,
    rng: np.random.Generator,
) -> SocialPayload:
    """One response as one reader had it on the screen."""
    text = screen.responses[position].text
    ends = segment_ends(text)
    blind = rng.random() < labeler.lapse or labeler.beta == 0
    reward = 0.0 if blind else labeler.beta * labeler.value(screen.prompt, text, None, "reward")
    logits = _logits(labeler.parameters, reward, confounders(len(text), position, ""))
    offered = [None, *settings.reactions]
    weights = np.exp([0.0, *(0.0 if blind else logits[name] for name in settings.reactions)])
    reaction = offered[int(rng.choice(len(offered), p=weights / weights.sum()))]
    happens = [*settings.counted, *(["reread"] if "visible_time" in settings.signals else [])]
    happened = {name for name in happens if rng.random() < (0.5 if blind else _logistic(logits[name]))}
    times: dict[str, Any] = {"exposed_ms": 0, "visible_ms": (), "revisits": ()}
    if "visible_time" in settings.signals:
        shares = _pace_shares(labeler.parameters, None if blind else logits["pace"])
        if not ends:
            shares = np.array([1.0, 0, 0, 0])
        grade = int(rng.choice(len(shares), p=shares))
        again = "reread" in happened and bool(ends)
        exposed = slow(len(text))[grade]
        times = {
            "exposed_ms": exposed,
            "visible_ms": (exposed,) * len(ends),
            "revisits": tuple(int(again and n == 0) for n in range(len(ends))),
        }
    return SocialPayload(
        recorder="page",
        reaction=reaction,
        reaction_ms=1000 if reaction else None,
        segments=tuple(ends),
        events=tuple(Counter(event=name, count=1, t_ms=500) for name in settings.counted if name in happened),
        **times,
    )


def _logits(
    parameters: Mapping[str, Any], reward: float, seen: tuple[float, float, float]
) -> dict[str, float]:
    found = dict.fromkeys(EVENTS, 0.0)
    own = {name: parameters.get(name, INITIAL[name]) for name in INITIAL}
    for i, event in enumerate(EVENTS):
        found[event] = (
            own["base"][i]
            + own["lean"][i]
            + own["slope"][i] * reward
            + own["by_length"][i] * seen[0]
            + own["by_position"][i] * seen[1]
            + own["by_device"][i] * seen[2]
        )
    return found


def _pace_shares(parameters: Mapping[str, Any], logit: float | None) -> np.ndarray:
    """Chances of the grades of pace: P(grade >= k) = s(logit - c_k), the edges c rising from 0."""
    n = len(PACE_EDGES)
    if logit is None:
        return np.full(n + 1, 1 / (n + 1))
    steps = np.log1p(np.exp(np.asarray(parameters.get("pace_steps", STEPS), float)))
    edges = np.concatenate([[0.0], np.cumsum(steps)])
    above = np.array([1.0, *(_logistic(logit - edge) for edge in edges), 0.0])
    return -np.diff(above)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, x))))


# Starting values of the likelihood's parameters, one number for each of EVENTS.
INITIAL: dict[str, tuple[float, ...]] = {
    "base": BASE,
    "lean": (0.0,) * len(EVENTS),
    "slope": SLOPE,
    "by_length": (0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0, 0.5, -0.3),
    "by_position": (0.0,) * len(EVENTS),
    "by_device": (0.0,) * len(EVENTS),
    "pace_steps": STEPS,
}
