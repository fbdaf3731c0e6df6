"""What is on offer when a reward is stated: the settings that could have been kept, and what each would rank first.

    {"mode": "sliders", "feature_set": 1, "names": ["words", "lists"], "widest": 3, "responses": [17, 12, 15],
     "values": {"17": [2400, 0], "12": [1200, 1500], "15": [900, 0]}, "seed": "5f0c…",
     "candidates": [{"weights": [-1, 2], "top": [12], "seen": true}, {"weights": [3, 0], "top": [17], "seen": false}, …]}

Of sliders and rubrics the candidates are the settings that the labeler saw and a sample of all there are, drawn by a seed
that only the screen decides: everybody on this item has the same sample, whatever they choose, which is what makes a
sample stand for the whole (McFadden 1978, uniform conditioning). Of programs there is no such list of all, so the
candidates are the programs that were tried, and one alone is no choice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from feedback_types.base import Event, Screen
from feedback_types.proxy_reward import features
from feedback_types.proxy_reward.order import ranks, top, weighted
from feedback_types.proxy_reward.program import ProgramError, compiled
from feedback_types.proxy_reward.schema import ProxyPayload, ProxySettings, Tried

ALL = 4000  # up to so many settings are listed before some are drawn


def values(screen: Screen, settings: ProxySettings, payload: ProxyPayload | None = None) -> list[list[int]]:
    """What the weights weigh, a row for each response: features in thousandths, or the levels judged."""
    if settings.mode == "sliders":
        version = payload.feature_set if payload else features.VERSION
        return [features.values(r.text, settings.features, version) for r in screen.responses]
    if payload is None:
        return [[0] * len(settings.names) for _response in screen.responses]
    return judged(payload, settings.names)


def judged(payload: ProxyPayload, names: Sequence[str]) -> list[list[int]]:
    """The levels of a rubric, a row for each of the pool."""
    return [[payload.judgements[name][i] for name in names] for i in range(len(payload.pool))]


def scores(screen: Screen, settings: ProxySettings, payload: ProxyPayload) -> list[float]:
    """What the proxy gives to each response shown. Raises ProgramError."""
    if payload.program is not None:
        return program_scores(payload.program, screen, payload.feature_set)
    return list(weighted([payload.weights[n] for n in settings.names], values(screen, settings, payload)))


def program_scores(source: str, screen: Screen, version: int = features.VERSION) -> list[float]:
    """Raises ProgramError."""
    program = compiled(source, version)
    return [program.score(response.text) for response in screen.responses]


def start(settings: ProxySettings) -> dict[str, int]:
    """Where the weights stand when the item appears: features at 0, criteria at 1."""
    return dict.fromkeys(settings.names, 1 if settings.mode == "rubric" else 0)


def choice_set(
    screen: Screen, settings: ProxySettings, payload: ProxyPayload | None = None
) -> dict[str, Any]:
    offered: dict[str, Any] = {
        "mode": settings.mode,
        "feature_set": payload.feature_set if payload else features.VERSION,
        "names": list(settings.names),
        "responses": [response.id for response in screen.responses],
    }
    tried = payload.tried if payload else ()
    if settings.mode == "program":
        return offered | {"candidates": _programs(tried, screen, offered["feature_set"])}
    table = values(screen, settings, payload)
    offered |= {"widest": settings.widest, "seed": seed(screen, settings)}
    if settings.mode == "sliders":
        offered["values"] = {str(r.id): row for r, row in zip(screen.responses, table, strict=True)}
    else:
        offered |= {"levels": settings.levels, "weigh": settings.weigh}
    seen = dict.fromkeys(tuple(t.weights[name] for name in settings.names) for t in tried)
    if settings.mode == "rubric" and not settings.weigh:
        found = list(seen) or [tuple(start(settings).values())]
    else:
        found = list(dict.fromkeys([*(w for w in seen if any(w)), *sampled(screen, settings)]))
    offered["candidates"] = [
        {
            "weights": list(weights),
            "top": [screen.responses[i].id for i in top(weighted(weights, table))],
            "seen": weights in seen,
        }
        for weights in found
    ]
    return offered


def _programs(tried: Iterable[Tried], screen: Screen, version: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for source in dict.fromkeys(t.program for t in tried):
        if source is None:
            continue
        try:
            first = top(program_scores(source, screen, version))
        except ProgramError:
            continue  # it had no ranking, so it was not a choice
        found.append({"program": source, "top": [screen.responses[i].id for i in first], "seen": True})
    return found


def seed(screen: Screen, settings: ProxySettings) -> str:
    """Of the sample: the texts, whatever their order, and what is asked; never the answer."""
    parts = [
        *sorted(r.sha256 for r in screen.responses),
        *settings.names,
        str(settings.widest),
        str(settings.sample),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def sampled(screen: Screen, settings: ProxySettings) -> list[tuple[int, ...]]:
    """Distinct settings drawn uniformly from the grid, all at 0 left out."""
    scale, n = range(-settings.widest, settings.widest + 1), len(settings.names)
    size = len(scale) ** n - 1
    rng = np.random.default_rng(int(seed(screen, settings), 16))
    if size <= ALL:
        grid = [weights for weights in product(scale, repeat=n) if any(weights)]
        picked = rng.permutation(size)[: settings.sample]
        return [grid[i] for i in picked]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < settings.sample:
        weights = tuple(int(w) for w in rng.integers(-settings.widest, settings.widest + 1, size=n))
        if any(weights):
            found[weights] = None
    return list(found)


# --- For the law -----------------------------------------------------------------------------------------------------


def offered_to(event: Event) -> Mapping[str, Any]:
    """What was on offer: as stored, or by the settings for an event that brings no choice set."""
    return event.choice_set or choice_set(event.screen, event.settings, event.payload)


def tops(event: Event) -> list[list[int]]:
    """What each candidate ranks first, as positions in the pool. Of a rubric: under the levels that were judged."""
    offered, payload = offered_to(event), event.payload
    if offered["mode"] == "rubric":
        table = judged(payload, offered["names"])
        return [top(weighted(c["weights"], table)) for c in offered["candidates"]]
    places = {response: i for i, response in enumerate(payload.pool)}
    return [[places[i] for i in c["top"]] for c in offered["candidates"]]


def kept(event: Event) -> int | None:
    """Which candidate was kept; None when it is not among them."""
    offered, payload = offered_to(event), event.payload
    stated = payload.program or [payload.weights.get(name) for name in offered["names"]]
    for number, candidate in enumerate(offered["candidates"]):
        if (candidate.get("program") or candidate.get("weights")) == stated:
            return number
    return None


def keeping(event: Event, number: int, judgements: Mapping[str, Sequence[int]] | None = None) -> ProxyPayload:
    """The same screen with another candidate kept (and other judgements), as an answer."""
    offered, payload = offered_to(event), event.payload
    candidate = offered["candidates"][number]
    changed: dict[str, Any] = {}
    if judgements is not None:
        changed["judgements"] = {name: tuple(levels) for name, levels in judgements.items()}
    payload = payload.model_copy(update=changed)
    if offered["mode"] == "program":
        program = compiled(candidate["program"], payload.feature_set)
        order = ranks(program_scores(program.source, event.screen, payload.feature_set))
        return payload.model_copy(
            update={"program": program.source, "program_sha": program.sha, "ranks": tuple(order)}
        )
    if offered["mode"] == "rubric":
        table = judged(payload, offered["names"])
    else:
        table = [offered["values"][str(response)] for response in payload.pool]
    return payload.model_copy(
        update={
            "weights": dict(zip(offered["names"], candidate["weights"], strict=True)),
            "ranks": tuple(ranks(weighted(candidate["weights"], table))),
        }
    )
