"""How probable the choices beside a comment are under a reward: a product, each factor normalised by itself.

With s the logistic function, beta the labeler's rationality:

    verdict      P(Y <= k) = s(c_k + s_i - beta v): v is R of the whole response; v_end - v_start, the step reward, of a
                 marked span; the score of an earlier turn at its end. Criterion "overall" reads the reward, another one
                 its own head.
    refinement   {refined, original}: P(accept) = (1 - eps) s(beta (R' - R)) + eps / 2, P(reject) the rest. eps is the chance
                 that the two are not told apart: learned, one for what a model wrote and one for what a person wrote.
    aspect       not said, bad, good: P(said) = s(l g - m - t_i), g = 1 if the page suggested it; P(good | said) = s(beta
                 a_j), a_j the head `aspect/<name>` at the end of what the comment is about.

Only the verdict ("overall") and refinements are about the reward; aspects train heads of their own. The words have no law:
they are chosen from a set nobody can list. A verdict and a refinement of one comment are taken as independent given R.
Source: McCullagh (1980) for the verdict; 2303.16755 (ILF) for refinements, as a reward-rational choice (2002.04833) with
a lapse of its own; aspects 2009.14715. The combination is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood, Parameter, Point, log_between, pad
from feedback_types.natural_language import offer
from feedback_types.natural_language.schema import NaturalLanguagePayload
from feedback_types.natural_language.simulate import INITIAL

KINDS = {"verdict": 0, "aspect": 1, "refinement": 2}


class NaturalLanguageLikelihood(Likelihood):
    parameters = (
        # Verdict: where bad turns good, and the width of "neutral" before softplus; s_i: a severe labeler's is above 0.
        Parameter("verdict_middle", "question", INITIAL["verdict_middle"], 2.0),
        Parameter("verdict_step", "question", INITIAL["verdict_step"], 1.0),
        Parameter("shift", "labeler", INITIAL["shift"], 1.0),
        # How unlikely an aspect is said at all, how much a suggestion adds, and the labeler's own reluctance.
        Parameter("silence", "question", INITIAL["silence"], 1.0),
        Parameter("suggestion", "question", INITIAL["suggestion"], 1.0),
        Parameter("reluctance", "labeler", INITIAL["reluctance"], 1.0),
        # eps on the logistic scale: two versions are not told apart, when a model or a person wrote the second.
        Parameter("blur_model", "global", INITIAL["blur_model"], 0.5),
        Parameter("blur_person", "global", INITIAL["blur_person"], 0.5),
    )

    def usable(self, event: Event) -> bool:
        return bool(offer.parts(event))

    def points(self, event: Event) -> Sequence[Point]:
        """For each part two points: its score is the first minus the second (a refinement: revised minus original;
        a span: end minus start; else the second is the first again and is not read)."""
        return [point for part in offer.parts(event) for point in _pair(event, part)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        rows = [offer.parts(event) for event in events]
        kind, present = pad([[KINDS[part.kind] for part in row] for row in rows])
        is_gap = [
            [p.kind == "refinement" or e.payload.start is not None for p in row]
            for e, row in zip(events, rows, strict=True)
        ]
        return {
            "kind": kind,
            "present": present,
            "gap": pad(is_gap, dtype=torch.bool)[0],
            "levels": pad([[part.levels for part in row] for row in rows], value=2)[0],
            "chosen": pad([[part.chosen for part in row] for row in rows])[0],
            "suggested": pad([[part.suggested for part in row] for row in rows], dtype=torch.bool)[0],
            "by_model": pad([[part.by_model for part in row] for row in rows], dtype=torch.bool)[0],
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        kind, chosen, present = batch["kind"], batch["chosen"], batch["present"]
        values = F.pad(values, (0, max(0, 2 * kind.shape[1] - values.shape[1])))[:, : 2 * kind.shape[1]]
        first, second = values[:, 0::2], values[:, 1::2]
        score = beta.unsqueeze(1) * (first - torch.where(batch["gap"], second, torch.zeros_like(second)))
        verdict = _verdict(score, batch, parameters)
        aspect = _aspect(score, batch, parameters)
        blur = torch.where(
            batch["by_model"], parameters["blur_model"].unsqueeze(1), parameters["blur_person"].unsqueeze(1)
        )
        refined = _blurred(torch.where(chosen == 1, score, -score), blur)
        found = torch.where(kind == 0, verdict, torch.where(kind == 1, aspect, refined))
        return torch.where(present, found, torch.zeros_like(found)).sum(dim=1)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -(torch.log(batch["levels"].double()) * batch["present"]).sum(dim=1)

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [replace(event, payload=payload) for payload in offer.answers(event)]


def _pair(event: Event, part: offer.Part) -> tuple[Point, Point]:
    payload: NaturalLanguagePayload = event.payload
    if part.kind == "refinement":
        return Point(part.text), Point(event.screen.response(event.target).text)
    if payload.turn is not None:
        place = Point(event.screen.prompt[payload.turn].content, None, part.head, turn=payload.turn)
        return place, place
    text = event.screen.response(event.target).text
    if payload.start is not None:
        end = None if payload.end == len(text) else payload.end
        return Point(text, end, part.head), Point(text, payload.start, part.head)
    return Point(text, None, part.head), Point(text, None, part.head)


def _verdict(score: Tensor, batch: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> Tensor:
    """Ordered choice of 2 or 3 levels; (n, p) log-probabilities, of no meaning where the part is none."""
    half = F.softplus(parameters["verdict_step"]).unsqueeze(1) / 2 * (batch["levels"] == 3)
    middle = (parameters["verdict_middle"] + parameters["shift"]).unsqueeze(1)
    cuts = torch.stack([middle - half, middle + half], dim=2)
    chosen, last = batch["chosen"], batch["chosen"] == batch["levels"] - 1
    inf = torch.full_like(score, torch.inf)
    low = cuts.gather(2, (chosen - 1).clamp(0, 1).unsqueeze(2)).squeeze(2) - score
    high = cuts.gather(2, chosen.clamp(0, 1).unsqueeze(2)).squeeze(2) - score
    return log_between(torch.where(chosen == 0, -inf, low), torch.where(last, inf, high))


def _aspect(score: Tensor, batch: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> Tensor:
    """Not said (0), bad (1) or good (2); (n, p) log-probabilities."""
    lift = parameters["suggestion"].unsqueeze(1) * batch["suggested"]
    lean = lift - (parameters["silence"] + parameters["reluctance"]).unsqueeze(1)
    said = F.logsigmoid(lean) + F.logsigmoid(torch.where(batch["chosen"] == 2, score, -score))
    return torch.where(batch["chosen"] == 0, F.logsigmoid(-lean), said)


def _blurred(gain: Tensor, blur: Tensor) -> Tensor:
    """log((1 - eps) s(gain) + eps / 2), eps = s(blur); finite for any gain."""
    half = F.logsigmoid(blur) - math.log(2)
    return torch.logaddexp(F.logsigmoid(-blur) + F.logsigmoid(gain), half)


likelihood = NaturalLanguageLikelihood()
