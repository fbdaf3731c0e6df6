"""How probable what happened at one exposure is under a reward: an event, or none.

R is the score at the end of the response, beta the labeler's rationality (it takes the place of 1 / sd(R), since R has no
scale of its own), z what else decides: log length, place on the screen, phone or tablet. For every event e

    u_e = base_e + lean_{i,e} + slope_e beta R + delta_e . z

    reaction    one of those offered, or none: softmax over (0, u_1, ..., u_K)
    copy, select, regenerate, reread    each happens or not: s(u_e), the binary cross-entropy of an exposure
    pace        four grades of time in view for each code point: P(grade >= k) = s(u_pace - c_k)

The product over what was observed; an exposure that the page did not measure (no scripts, or paused) has only the reaction.
The prior of a slope is N(0, 0.3^2), except for reactions whose sign is convention (a thumb up is praise): N(+-1, 0.3^2).
So reading says nothing about R until explicit answers about the same responses have shown in which direction it leans;
alone it would leave the sign of R open, since (slope, R) and (-slope, -R) explain it alike.
Source: two stages, first what a reaction says, as in EMPATHIC (2009.13649); McCullagh (1980) for the grades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood, Parameter, Point, cumulative_logit
from feedback_types.social_behavior.schema import PACE_EDGES, REACTIONS, Counter, SocialPayload
from feedback_types.social_behavior.simulate import EVENTS, INITIAL, confounders, slow

GRADES = len(PACE_EDGES) + 1
MARKS = EVENTS[len(REACTIONS) : -1]  # events that happen or not
PRIOR_SD = {"base": 2.0, "lean": 1.0, "slope": 0.3, "by_length": 0.5, "by_position": 0.3, "by_device": 0.5}
SCOPE: dict[str, Any] = {"base": "question", "lean": "labeler"}


class SocialLikelihood(Likelihood):
    parameters = (
        *(
            Parameter(name, SCOPE.get(name, "global"), INITIAL[name], prior_sd)
            for name, prior_sd in PRIOR_SD.items()
        ),
        Parameter("pace_steps", "question", INITIAL["pace_steps"], 1.0),
    )

    def usable(self, event: Event) -> bool:
        """An exposure that was measured and never in view is none, unless there was a reaction all the same."""
        payload: SocialPayload = event.payload
        measured = payload.recorder == "page" and "visible_time" in event.settings.signals
        return bool(payload.reaction or not measured or payload.exposed_ms)

    def points(self, event: Event) -> Sequence[Point]:
        return [Point(event.screen.response(event.target).text)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        payloads: list[SocialPayload] = [event.payload for event in events]
        names = list(REACTIONS)
        return {
            "offered": torch.tensor([[name in e.settings.reactions for name in names] for e in events]),
            # 0 is no reaction, 1 the first one of all
            "reaction": torch.tensor([names.index(p.reaction) + 1 if p.reaction else 0 for p in payloads]),
            "watched": torch.tensor([[name in _marks(e) for name in MARKS] for e in events]),
            "happened": torch.tensor([[_has(p, name) for name in MARKS] for p in payloads]),
            "timed": torch.tensor([_timed(e) for e in events]),
            "pace": torch.tensor([p.pace for p in payloads]),
            "seen": torch.tensor([_seen(e) for e in events]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        k = len(REACTIONS)
        reward = (beta * values[:, 0]).unsqueeze(1)
        length, position, device = batch["seen"].to(reward.dtype).unsqueeze(2).unbind(1)
        u = (
            parameters["base"]
            + parameters["lean"]
            + parameters["slope"] * reward
            + parameters["by_length"] * length
            + parameters["by_position"] * position
            + parameters["by_device"] * device
        )
        reactions = torch.cat(
            [torch.zeros_like(reward), u[:, :k].masked_fill(~batch["offered"], -torch.inf)], dim=1
        )
        said = torch.log_softmax(reactions, dim=1).gather(1, batch["reaction"].unsqueeze(1)).squeeze(1)
        marks = u[:, k:-1]
        marked = F.logsigmoid(torch.where(batch["happened"], marks, -marks))
        steps = F.softplus(parameters["pace_steps"])
        edges = torch.cat([torch.zeros_like(steps[:, :1]), torch.cumsum(steps, dim=1)], dim=1)
        pace = cumulative_logit(u[:, -1], edges, batch["pace"])
        return (
            said
            + torch.where(batch["watched"], marked, 0.0).sum(dim=1)
            + torch.where(batch["timed"], pace, 0.0)
        )

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        options = torch.log1p(batch["offered"].sum(dim=1).double())
        options = options + torch.log(torch.tensor(2.0)).double() * batch["watched"].sum(dim=1)
        options = options + torch.log(torch.tensor(float(GRADES))).double() * batch["timed"]
        return -options.to(torch.get_default_dtype())

    def alternatives(self, event: Event) -> Sequence[Event]:
        """Every reaction with every combination of what may happen and every pace; the one that was keeps its details."""
        payload: SocialPayload = event.payload
        marks = _marks(event)
        grades = range(GRADES) if _timed(event) else [payload.pace]
        found = []
        for reaction, happened, grade in product(
            (None, *event.settings.reactions), product((False, True), repeat=len(marks)), grades
        ):
            signs = dict(zip(marks, happened, strict=True))
            found.append(replace(event, payload=_altered(payload, reaction, signs, grade)))
        return found


def _marks(event: Event) -> list[str]:
    """What was watched for at this exposure and either happened or not."""
    if event.payload.recorder != "page":
        return []
    return [*event.settings.counted, *(["reread"] if _timed(event) else [])]


def _timed(event: Event) -> bool:
    payload: SocialPayload = event.payload
    return payload.recorder == "page" and "visible_time" in event.settings.signals and payload.length > 0


def _has(payload: SocialPayload, name: str) -> bool:
    return payload.reread if name == "reread" else payload.happened(name)


def _seen(event: Event) -> tuple[float, float, float]:
    position = next(n for n, r in enumerate(event.screen.responses) if r.id == event.target)
    text = event.screen.responses[position].text
    return confounders(len(text), position, str(event.extra.get("device_class", "")))


def _altered(
    payload: SocialPayload, reaction: str | None, signs: Mapping[str, bool], grade: int
) -> SocialPayload:
    change: dict[str, Any] = {}
    if reaction != payload.reaction:
        change |= {"reaction": reaction, "reaction_ms": None}
    if grade != payload.pace:
        change["exposed_ms"] = slow(payload.length)[grade]
    if "reread" in signs and signs["reread"] != payload.reread:
        change["revisits"] = tuple(int(signs["reread"] and n == 0) for n in range(len(payload.segments)))
    counters: dict[str, Counter] = {c.event: c for c in payload.events}
    events = tuple(
        counters.get(name) or Counter(event=name, count=1, t_ms=0)  # type: ignore[arg-type]
        for name in signs
        if name != "reread" and signs[name]
    )
    if {c.event for c in events} != set(counters):
        change["events"] = events
    return payload.model_copy(update=change)


likelihood = SocialLikelihood()
