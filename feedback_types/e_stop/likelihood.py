"""How probable a stop is under a reward: law H for a live stream, law P in hindsight, and a baseline to beat.

v_n is the score of the prefix up to the end of sentence n, v_0 that of the empty prefix, r_n = v_n - v_{n-1}, s the logistic
function.

    H, causal hazard      m_n = rho m_{n-1} + r_n,  h_n = s(beta (tau - m_n)): the chance to stop after sentence n, if
                          those before were let pass. Finished: all passed. Left: right-censored at the last whole one.
    P, hindsight prefix   softmax_n beta v_n over all sentence ends; the last one says that it should not have been stopped.

Of a response that was written live, only the sentences that came count: what would have followed a stop was never there,
and H does not ask for it.

Only stops for "bad" and "unsafe" are used: the others are not choices about the reward. A stop inside a sentence counts for
the whole sentence before it, which is what the labeler had read when the reaction began; inside the first it counts for the
first.
Source: H is a discrete-time survival model (Cox 1972, in its logistic form); P is reward-rational choice (2002.04833).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.e_stop.schema import JUDGING, EStopPayload
from feedback_types.e_stop.simulate import RHO, TAU
from feedback_types.likelihoods import Likelihood, Parameter, Point, pad


class EStopLikelihood(Likelihood):
    """Law H for payloads of mode "stream", law P for those of mode "hindsight"."""

    parameters: Sequence[Parameter] = (
        Parameter("tau", "labeler", TAU, 1.0),  # how much badness a labeler bears, in units of the reward
        Parameter("rho", "global", RHO, 1.0),  # s(rho): how much of the mood stays from sentence to sentence
    )

    def usable(self, event: Event) -> bool:
        payload: EStopPayload = event.payload
        if not payload.segments:
            return False
        if payload.outcome == "stopped":
            return payload.reason in JUDGING or (payload.reason is None and payload.mode == "hindsight")
        return payload.outcome == "finished" or payload.rendered_segments > 0

    def points(self, event: Event) -> Sequence[Point]:
        text = event.payload.shown(event.screen.response(event.target).text)
        ends = event.payload.segments
        return [Point(text, 0), *(Point(text, end) for end in ends[:-1]), *([Point(text)] if ends else [])]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        payloads: list[EStopPayload] = [event.payload for event in events]
        sentences, offered = pad([range(len(p.segments)) for p in payloads])
        passed = torch.tensor([_passed(p) for p in payloads])
        stopped = torch.tensor([p.outcome == "stopped" for p in payloads])
        left = torch.tensor([p.outcome == "left" for p in payloads])
        return {
            "offered": offered,
            "passed": (sentences < passed.unsqueeze(1)) & offered,
            # Hindsight: "nowhere" is the last sentence. A finished or left stream reads no hazard here.
            "place": torch.where(stopped, passed, offered.sum(1) - 1).clamp_min(0),
            "stopped": stopped,
            "hindsight": torch.tensor([p.mode == "hindsight" for p in payloads]),
            # A lapse stops after any sentence or never, each alike; a run broken off after k of n leaves n + 1 - k of these.
            "chances": torch.where(left, offered.sum(1) + 1 - passed, torch.ones_like(passed)),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        n = batch["offered"].shape[1]
        values = F.pad(values, (0, max(0, n + 1 - values.shape[1])))[:, : n + 1]
        live = _hazard(values, batch, beta, parameters["tau"], torch.sigmoid(parameters["rho"]))
        prefix = (beta.unsqueeze(1) * values[:, 1:]).masked_fill(~batch["offered"], -torch.inf)
        prefix[:, 0] = torch.where(
            batch["offered"][:, 0], prefix[:, 0], 0.0
        )  # an empty text has one prefix, itself
        after = torch.log_softmax(prefix, dim=1).gather(1, batch["place"].unsqueeze(1)).squeeze(1)
        return torch.where(batch["hindsight"], after, live)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        sentences = batch["offered"].sum(1).clamp_min(1)
        live = torch.log(batch["chances"].double()) - torch.log1p(sentences.double())
        return torch.where(batch["hindsight"], -torch.log(sentences.double()), live).to(
            torch.get_default_dtype()
        )

    def alternatives(self, event: Event) -> Sequence[Event]:
        """A stop after each sentence, or none; of a run that was broken off, after each it reached, or leaving as it did."""
        payload: EStopPayload = event.payload
        ends = payload.segments
        reach = payload.rendered_segments if payload.outcome == "left" else len(ends)
        if payload.mode == "hindsight":
            stops = [_answer(payload, "stopped", end) for end in ends[:-1]]
        else:
            stops = [_answer(payload, "stopped", end) for end in ends[:reach]]
        other = payload if payload.outcome == "left" else _answer(payload, "finished", payload.length)
        return [replace(event, payload=p) for p in (*stops, other)]


class StoppedMeansBad(EStopLikelihood):
    """The baseline: a stop is a bad verdict on the whole response, s(beta (tau - R)); the place is thrown away."""

    parameters = (Parameter("tau", "labeler", 0.0, 1.0),)

    def usable(self, event: Event) -> bool:
        return super().usable(event) and event.payload.outcome != "left"

    def points(self, event: Event) -> Sequence[Point]:
        return [Point(event.payload.shown(event.screen.response(event.target).text))]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        return {"stopped": torch.tensor([event.payload.outcome == "stopped" for event in events])}

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        lean = beta * (parameters["tau"] - values[:, 0])
        return F.logsigmoid(torch.where(batch["stopped"], lean, -lean))

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return torch.full(batch["stopped"].shape, -math.log(2))

    def alternatives(self, event: Event) -> Sequence[Event]:
        payload: EStopPayload = event.payload
        stop = payload if payload.outcome == "stopped" else _answer(payload, "stopped", payload.segments[0])
        return [
            replace(event, payload=stop),
            replace(event, payload=_answer(payload, "finished", payload.length)),
        ]


def _passed(payload: EStopPayload) -> int:
    """How many sentences were let pass."""
    if payload.outcome == "stopped":
        return payload.stopped_at - 1
    return payload.rendered_segments if payload.outcome == "left" else len(payload.segments)


def _hazard(values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, tau: Tensor, rho: Tensor) -> Tensor:
    """Law H.

    Args:
        values: (n, s + 1) float, scores of the empty prefix and of each sentence end; beta, tau, rho: (n,) float.
    Returns: (n,) float: log h at the stop, if there was one, plus log(1 - h) of the sentences let pass.
    """
    steps = values[:, 1:] - values[:, :-1]
    mood = torch.zeros_like(values[:, 0])
    moods = []
    for step in steps.unbind(1):
        mood = rho * mood + step
        moods.append(mood)
    lean = beta.unsqueeze(1) * (tau.unsqueeze(1) - torch.stack(moods, dim=1))
    stop = F.logsigmoid(lean).gather(1, batch["place"].unsqueeze(1)).squeeze(1)
    survived = torch.where(batch["passed"], F.logsigmoid(-lean), 0.0).sum(1)
    return torch.where(batch["stopped"], stop, 0.0) + survived


def _answer(payload: EStopPayload, outcome: str, at: int) -> EStopPayload:
    """The same run with another outcome; the answer that was given keeps its details."""
    stopped = outcome == "stopped"
    if outcome == payload.outcome and (not stopped or payload.segments[payload.stopped_at - 1] == at):
        return payload
    return payload.model_copy(
        update={
            "outcome": outcome,
            "reason": (payload.reason or "bad") if stopped else None,
            "stop_char": at if stopped else None,
            "rendered_char": at if payload.mode == "stream" else payload.length,
        }
    )


likelihood = EStopLikelihood()
