"""How probable a demonstration is under a reward: maximum-entropy inverse reinforcement learning on samples.

A labeler who writes y with probability q(y) exp(beta R(y)) / Z chooses from everything that could be written. Z cannot be
summed, but the responses y_1 … y_K of the item are samples from q, the policy. Of these K + 1 texts, not knowing which is
which, the demonstration is y_0 with probability

    P(y_0 | {y_0, …, y_K}) = exp(beta R(y_0)) / sum over i = 0 … K of exp(beta R(y_i))

which is exact: the factors q(y_i) of the samples cancel against q of the demonstration (Ziebart et al. 2008; sampled Z:
Finn et al. 2016, arXiv 1603.00448; the identity is that of noise-contrastive estimation, Ma & Collins 2018). Samples of
another proposal p need the weight q / p: add log q(y_i) - log p(y_i) to beta R(y_i), for all K + 1 texts. With a given
beginning the samples are the responses that begin with it, and q is the policy's way of going on.

A text written from a draft is one edit of that draft, and no choice from everything: this law says nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from feedback_types.base import Event, Screen, ShownResponse
from feedback_types.demonstration import offer
from feedback_types.likelihoods import Likelihood, Point


class DemonstrationLikelihood(Likelihood):
    def usable(self, event: Event) -> bool:
        return event.payload.written_from != "draft" and bool(_offered(event)["samples"])

    def points(self, event: Event) -> Sequence[Point]:
        """The demonstration first, then the samples."""
        samples = [event.screen.response(i).text for i in _offered(event)["samples"]]
        return [Point(text) for text in (event.payload.text, *samples)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        return {
            "size": torch.tensor([1 + len(_offered(event)["samples"]) for event in events]),
            # The points carry the text; this lets the trainer see whether all that was written is the same.
            "characters": torch.tensor([len(event.payload.text) for event in events]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        there = torch.arange(values.shape[1], device=values.device) < batch["size"].unsqueeze(1)
        utility = (beta.unsqueeze(1) * values).masked_fill(~there, -torch.inf)
        return utility.log_softmax(dim=1)[:, 0]

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -torch.log(batch["size"].double())

    def alternatives(self, event: Event) -> Sequence[Event]:
        """The same texts, each of them once as the demonstration."""
        return [event, *(_swapped(event, sample) for sample in _offered(event)["samples"])]


def _swapped(event: Event, sample: int) -> Event:
    written, other = event.payload.text, event.screen.response(sample).text
    responses = tuple(ShownResponse(r.id, written) if r.id == sample else r for r in event.screen.responses)
    return replace(
        event,
        screen=Screen(event.screen.prompt, responses),
        payload=event.payload.model_copy(update={"text": other}),
        choice_set=_offered(event),
    )


def _offered(event: Event) -> Mapping[str, Any]:
    """What was on offer: as stored, or by the settings for an event that carries no choice set."""
    return event.choice_set or offer.choice_set(event.screen, event.settings)


likelihood = DemonstrationLikelihood()
