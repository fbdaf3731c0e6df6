"""How probable a choice of the most alike pair is under an embedding.

A response has the vector z of the heads `similarity/0` … `similarity/7` at its end, two responses the distance
D = mean over k of (z_k - z'_k)². Of the pairs on offer (three, or the two that hold the reference)

    P(pair) = exp(-beta D_pair) / sum over the pairs on offer of exp(-beta D)

which is a choice among pairs by their similarity -D (Luce 1959; the triplet law of SIRL, arXiv 2301.00810, and of stochastic
triplet embedding, van der Maaten & Weinberger 2012, made one choice of three). Two logistic terms "both ways round" are no
law: where all distances are equal, the three answers get 1/4 each. Heavier tails, the crowd kernel (arXiv 1105.1033) and
t-STE, told held-out answers of people less well; docs/types/similarity_query.md has the figures.

It says nothing about the reward. Vectors are known up to rotation, reflection and shift; what is recovered is distances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood, Point
from feedback_types.similarity_query import offer
from feedback_types.similarity_query.schema import DIMENSIONS
from feedback_types.similarity_query.simulate import HEADS

PAIRS = list(combinations(range(3), 2))


class SimilarityLikelihood(Likelihood):
    def recovered(self, scores: Tensor) -> Tensor:
        """Distances between all m (m - 1) / 2 pairs."""
        first, second = torch.triu_indices(len(scores), len(scores), offset=1)
        return ((scores[first] - scores[second]) ** 2).mean(dim=1)

    def points(self, event: Event) -> Sequence[Point]:
        texts = [event.screen.response(item).text for item in event.payload.items]
        return [Point(text, None, head) for text in texts for head in HEADS]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        offered, chosen = [], []
        for event in events:
            items, open_to = event.payload.items, {tuple(sorted(p)) for p in offer.pairs(_offered(event))}
            named = [tuple(sorted((items[i], items[j]))) for i, j in PAIRS]
            offered.append([pair in open_to for pair in named])
            chosen.append(named.index(tuple(event.payload.pair)))
        return {"offered": torch.tensor(offered), "chosen": torch.tensor(chosen)}

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        z = values[:, : 3 * DIMENSIONS].unflatten(1, (3, DIMENSIONS))
        distance = torch.stack([((z[:, i] - z[:, j]) ** 2).mean(dim=1) for i, j in PAIRS], dim=1)
        utility = (-beta.unsqueeze(1) * distance).masked_fill(~batch["offered"], -torch.inf)
        return utility.log_softmax(dim=1).gather(1, batch["chosen"].unsqueeze(1)).squeeze(1)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -torch.log(batch["offered"].sum(dim=1).double())

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [
            replace(event, payload=event.payload.model_copy(update={"pair": tuple(pair)}))
            for pair in offer.pairs(_offered(event))
        ]


def _offered(event: Event) -> Mapping[str, Any]:
    """What was on offer: as stored, or by the settings for an event that carries no choice set."""
    return event.choice_set or offer.choice_set(event.screen, event.settings)


likelihood = SimilarityLikelihood()
