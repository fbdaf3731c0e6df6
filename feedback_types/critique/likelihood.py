"""How probable a critique is under a reward: a product of ordered choices, each normalised by itself.

Ratings and verdicts are ordered logits, P(Y <= k) = s(c_k + s_i - beta v), with v the score of the head they are
about ("overall" and the
verdict: the reward; another criterion: its attribute head), s_i the severity of the labeler, and cutpoints learned for
each question: a middle and positive steps, so that scales of 2 to 10 grades share one form. Tags, and for each sentence
each category of mark, are yes or no: P(yes) = s(beta v - threshold - t_i), v the score of the tag at the end of the text or
of the category at the end of the sentence, t_i the labeler's reluctance to mark. Severity and the exact edges of a
mark are given no law. Tags and marks train heads of their own and say nothing about the reward.
Source: McCullagh (1980); for ratings of language, 1805.10627; for spans by category, 2306.01693.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.critique import offer
from feedback_types.critique.simulate import INITIAL
from feedback_types.likelihoods import Likelihood, Parameter, Point, log_between, pad

KINDS = {"rating": 0, "verdict": 1, "tag": 2, "span": 2}


class CritiqueLikelihood(Likelihood):
    parameters = (
        # Ratings: the middle of the cutpoints, and the distances between them before softplus.
        Parameter("grade_middle", "question", INITIAL["grade_middle"], 2.0),
        Parameter("grade_steps", "question", INITIAL["grade_steps"], 1.0),
        # Verdict: where bad turns good, and the width of "neutral" before softplus.
        Parameter("verdict_middle", "question", INITIAL["verdict_middle"], 2.0),
        Parameter("verdict_step", "question", INITIAL["verdict_step"], 1.0),
        Parameter("mark_threshold", "question", INITIAL["mark_threshold"], 2.0),
        # s_i: a severe labeler's is above 0. t_i: the same for tags and marks.
        Parameter("shift", "labeler", INITIAL["shift"], 1.0),
        Parameter("mark_shift", "labeler", INITIAL["mark_shift"], 1.0),
    )

    def usable(self, event: Event) -> bool:
        return bool(offer.parts(event))

    def points(self, event: Event) -> Sequence[Point]:
        text = event.screen.response(event.target).text
        return [Point(text, part.end, part.head) for part in offer.parts(event)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        rows = [offer.parts(event) for event in events]
        kind, present = pad([[KINDS[part.kind] for part in row] for row in rows])
        return {
            "kind": kind,
            "present": present,
            "levels": pad([[part.levels for part in row] for row in rows], value=2)[0],
            "chosen": pad([[part.chosen for part in row] for row in rows])[0],
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        kind, present, levels, chosen = batch["kind"], batch["present"], batch["levels"], batch["chosen"]
        score = beta.unsqueeze(1) * values[:, : kind.shape[1]]
        n, width = kind.shape

        steps = F.softplus(parameters["grade_steps"])
        rating = torch.cat(
            [torch.zeros_like(steps[:, :1]), torch.cumsum(steps, dim=1)], dim=1
        )  # (n, 9), first at 0
        rating = rating.unsqueeze(1).expand(n, width, -1)
        used = torch.arange(rating.shape[2], device=kind.device) < (levels - 1).unsqueeze(2)
        centre = (rating * used).sum(dim=2) / used.sum(dim=2).clamp_min(1)
        rating = (
            rating - centre.unsqueeze(2) + (parameters["grade_middle"] + parameters["shift"]).view(n, 1, 1)
        )

        half = F.softplus(parameters["verdict_step"]).unsqueeze(1) / 2 * (levels == 3)
        verdict = torch.stack([-half, half], dim=2) + (
            parameters["verdict_middle"] + parameters["shift"]
        ).view(n, 1, 1)
        mark = (parameters["mark_threshold"] + parameters["mark_shift"]).view(n, 1, 1).expand(n, width, 1)

        cuts = torch.where((kind == 0).unsqueeze(2), rating, F.pad(verdict, (0, rating.shape[2] - 2)))
        cuts = torch.where((kind == 2).unsqueeze(2), F.pad(mark, (0, rating.shape[2] - 1)), cuts)
        inf = torch.full_like(score, torch.inf)
        low = torch.where(
            chosen == 0, -inf, cuts.gather(2, (chosen - 1).clamp_min(0).unsqueeze(2)).squeeze(2) - score
        )
        last = chosen == levels - 1
        high = torch.where(
            last,
            inf,
            cuts.gather(2, torch.where(last, torch.zeros_like(chosen), chosen).unsqueeze(2)).squeeze(2)
            - score,
        )
        return torch.where(present, log_between(low, high), torch.zeros_like(score)).sum(dim=1)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -(torch.log(batch["levels"].double()) * batch["present"]).sum(dim=1)

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [replace(event, payload=payload) for payload in offer.answers(event)]


likelihood = CritiqueLikelihood()
