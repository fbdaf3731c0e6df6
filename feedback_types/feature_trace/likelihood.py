"""How probable a feature trace is under the head `feature/<name>`, f. It says nothing about the reward.

- An order: Plackett-Luce from the top on u = beta f: whoever has the most is chosen first, then the most of the rest
  (Plackett 1975; Luce 1959). FERL (arXiv 2201.07082, eq. 5) adds up -log s(f_m - f_n) over all pairs of a trace. Under
  Plackett-Luce each of these terms is the right probability of that pair, but their product is none of the order: at equal
  features the six orders of three get 1/8 each, 3/4 in all. It counts one answer as n (n - 1) / 2.
- A rewrite: the labeler says, once it is written, whether it has more or less: P(more) = s(beta (f(new) - f(old))),
  Bradley-Terry between the two texts. Whatever was written, both answers were on offer.
- Levels at the ends: each is a grade of 0, 1/10, …, 1 by an ordered logit, P(level <= k/10) = s(c_k - beta f) with equal
  steps, c_k = middle + shift + step (k - 4.5), given that the least has the lower one:
  P(a, b) = p_least(a) p_most(b) / sum over a' < b' of p_least(a') p_most(b'). This is FERL's "starts are alike, ends are
  alike" as a law of each answer: equal levels say equal features. Where levels are not asked, 0 and 1 mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.feature_trace import offer
from feedback_types.feature_trace.schema import STEPS
from feedback_types.feature_trace.simulate import INITIAL
from feedback_types.likelihoods import Likelihood, Parameter, Point, cumulative_logit, pad


class TraceLikelihood(Likelihood):
    parameters = (
        # The feature at which a level of one half is as likely above as below.
        Parameter("level_middle", "question", INITIAL["level_middle"], 2.0),
        # What a tenth is worth, before softplus.
        Parameter("level_step", "question", INITIAL["level_step"], 1.0),
        # A labeler who says lower levels than others has a shift above 0.
        Parameter("level_shift", "labeler", INITIAL["level_shift"], 1.0),
    )

    def points(self, event: Event) -> Sequence[Point]:
        """From the least to the most."""
        payload, head = event.payload, f"feature/{event.payload.feature}"
        if payload.rewrite is None:
            texts = [event.screen.response(i).text for i in payload.ordered_ids]
        else:
            texts = [event.screen.response(payload.rewrite.source).text, payload.rewrite.text]
            if payload.rewrite.has == "less":
                texts.reverse()
        return [Point(text, None, head) for text in texts]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        offers = [_offered(event) for event in events]
        return {
            # The points carry the order; this says it too, so that the trainer sees whether answers differ at all.
            "places": pad([_places(event) for event in events])[0],
            "length": torch.tensor([len(event.payload.ordered_ids) or 2 for event in events]),
            "levels": torch.tensor([event.payload.levels for event in events]),
            "asked": torch.tensor([offered["levels"] is not None for offered in offers]),
            "log_size": torch.tensor([log(offered["size"]) for offered in offers]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        length = batch["length"]
        utility = beta.unsqueeze(1) * values[:, : int(length.max())]
        there = torch.arange(utility.shape[1], device=length.device) < length.unsqueeze(1)
        # log of the sum of exp(u) over the place and all that have less: the set from which the most was chosen.
        left = torch.logcumsumexp(utility.masked_fill(~there, -torch.inf), dim=1)
        order = torch.where(there, utility - left, torch.zeros_like(utility)).sum(dim=1)
        most = utility.gather(1, (length - 1).unsqueeze(1)).squeeze(1)
        return order + torch.where(
            batch["asked"],
            self._levels(utility[:, 0], most, batch["levels"], parameters),
            torch.zeros_like(order),
        )

    @staticmethod
    def _levels(least: Tensor, most: Tensor, levels: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Two ordered logits, given that the first grade is below the second."""
        middle = (parameters["level_middle"] + parameters["level_shift"]).unsqueeze(1)
        steps = torch.arange(STEPS, device=least.device, dtype=least.dtype) - (STEPS - 1) / 2
        cuts = middle + F.softplus(parameters["level_step"]).unsqueeze(1) * steps
        grades = range(STEPS + 1)
        low, high = (
            torch.stack(
                [cumulative_logit(score, cuts, torch.full_like(levels[:, 0], k)) for k in grades], dim=1
            )
            for score in (least, most)
        )
        both = low.unsqueeze(2) + high.unsqueeze(1)  # (n, start, end)
        rising = torch.ones(both.shape[1:], dtype=torch.bool, device=both.device).triu(diagonal=1)
        said = low.gather(1, levels[:, :1]) + high.gather(1, levels[:, 1:])
        return said.squeeze(1) - torch.logsumexp(both[:, rising], dim=1)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -batch["log_size"]

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [replace(event, payload=payload) for payload in offer.answers(event.payload, _offered(event))]


def _places(event: Event) -> list[int]:
    """Where the responses were shown, from the least to the most; of a rewrite 0 the response and 1 the new text."""
    if event.payload.rewrite is not None:
        return [0, 1] if event.payload.rewrite.has == "more" else [1, 0]
    shown = [r.id for r in event.screen.responses]
    return [shown.index(i) for i in event.payload.ordered_ids]


def _offered(event: Event) -> Mapping[str, Any]:
    """What was on offer: as stored, or by the settings for an event that carries no choice set."""
    return event.choice_set or offer.choice_set(event.screen, event.settings)


likelihood = TraceLikelihood()
