"""How probable a comparison is under a reward. One normalised law for each choice set.

Every response has a utility u_j = beta R_j + kappa [j shown first], with kappa the labeler's position bias.

- A pair with strengths: ordered logit of d = u_1 - u_2 with symmetric cutpoints, P(Y <= k) = s(c_k - d), c_-k =
  -c_k. What is on offer decides the cutpoints: with ties the edges are c_1 < c_2 < c_3 and their mirror images
  (one strength: Rao-Kupper); without ties 0, c_1, c_2 (one strength: Bradley-Terry). Source: McCullagh (1980); Rao
  & Kupper (1967).
- The best of n: softmax of u. Source: Luce (1959).
- A ranking: the best group of what is left is chosen, then the next. A group T of tied responses has weight
  exp(mean of u over T + (|T| - 1) tied), summed over every group that could have been chosen (only single ones when ties
  are not on offer, which is Plackett-Luce). Source: Davidson-Luce, Firth, Kosmidis & Turner (2019), with one tie
  parameter for each further member of a group.
- "None is good" stands for two things at once: all are equal, and each one is bad by itself, which has probability
  q = product of s(bad + shift - beta R_j). Of the mass of "all equal", a share q goes to "none is good" and 1 - q
  stays. Where ties are not on offer, q is taken first and 1 - q is left for the other answers. Both ways the
  choice set sums to 1, and the absolute level of the reward enters only here.
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
from feedback_types.comparison import offer
from feedback_types.comparison.simulate import INITIAL, head
from feedback_types.likelihoods import Likelihood, Parameter, Point, log1mexp, log_between

KINDS = {"pair": 0, "best": 1, "ranking": 2}


class ComparisonLikelihood(Likelihood):
    parameters = (
        # Steps between the edges of a pair, before softplus.
        Parameter("cutpoints", "question", INITIAL["cutpoints"], 1.0),
        # Log weight of each further member of a tied group in a ranking.
        Parameter("tied", "question", INITIAL["tied"], 1.0),
        # kappa: what the place shown first is worth, in log-odds.
        Parameter("position", "labeler", INITIAL["position"], 0.3),
        # Below this a response is bad; a severe labeler's shift is above 0.
        Parameter("bad", "question", INITIAL["bad"], 2.0),
        Parameter("shift", "labeler", INITIAL["shift"], 1.0),
    )

    def points(self, event: Event) -> Sequence[Point]:
        return [
            Point(event.screen.response(i).text, None, head(event.payload.aspect))
            for i in event.payload.items
        ]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        offers = [_offered(event) for event in events]
        widest = max(len(event.payload.items) for event in events)
        ranks = torch.zeros((len(events), widest), dtype=torch.long)  # 0 where there is no response
        for row, event in enumerate(events):
            # The best of several is the first step of a ranking that stops there.
            ranks[row, : len(event.payload.items)] = torch.tensor(
                [2 if r is None else r for r in event.payload.ranks]
            )
        return {
            "kind": torch.tensor([KINDS[offered["kind"]] for offered in offers]),
            "ranks": ranks,
            "strength": torch.tensor([event.payload.strength or 0 for event in events]),
            "strengths": torch.tensor([offered["strengths"] for offered in offers]),
            "ties": torch.tensor([offered["ties"] for offered in offers]),
            "both_bad": torch.tensor([event.payload.both_bad for event in events]),
            "bad_on_offer": torch.tensor([offered["both_bad"] for offered in offers]),
            "log_size": torch.tensor([log(offered["size"]) for offered in offers]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        ranks = batch["ranks"]
        shown = ranks > 0
        scores = beta.unsqueeze(1) * values[:, : ranks.shape[1]]
        first = torch.arange(ranks.shape[1], device=ranks.device) == 0
        utility = scores + parameters["position"].unsqueeze(1) * first
        choice = torch.zeros_like(beta)
        pairs, orders = batch["kind"] == 0, batch["kind"] > 0
        if pairs.any():
            choice = choice.masked_scatter(
                pairs, self._pair(utility[pairs], _rows(batch, pairs), parameters["cutpoints"][pairs])
            )
        if orders.any():
            choice = choice.masked_scatter(
                orders, self._order(utility[orders], _rows(batch, orders), parameters["tied"][orders])
            )

        bad = (parameters["bad"] + parameters["shift"]).unsqueeze(1)
        log_q = torch.where(shown, F.logsigmoid(bad - scores), torch.zeros_like(scores)).sum(dim=1)
        all_equal = (ranks <= 1).all(dim=1)  # "none is good" among them
        open_to_bad = batch["bad_on_offer"] & (all_equal | ~batch["ties"])
        choice = torch.where(batch["both_bad"] & ~batch["ties"], torch.zeros_like(choice), choice)
        verdict = torch.where(batch["both_bad"], log_q, log1mexp(log_q))
        return choice + torch.where(open_to_bad, verdict, torch.zeros_like(choice))

    @staticmethod
    def _pair(utility: Tensor, batch: Mapping[str, Tensor], raw: Tensor) -> Tensor:
        """Ordered logit, read from the side of the better response: P(-k | d) = P(k | -d)."""
        strength, degrees, ties = batch["strength"], batch["strengths"], batch["ties"]
        d = utility[:, 0] - utility[:, 1]
        d = torch.where(strength < 0, -d, d)
        cuts = torch.cumsum(F.softplus(raw), dim=1)
        zero, inf = torch.zeros_like(d).unsqueeze(1), torch.full_like(d, torch.inf).unsqueeze(1)
        edges = torch.cat([zero, cuts, inf], dim=1)  # 0, c_1, c_2, c_3, infinity
        degree = strength.abs()
        at = torch.where(ties, degree, degree - 1).clamp_min(0)
        low = edges.gather(1, at.unsqueeze(1)).squeeze(1)
        high = edges.gather(
            1, torch.where(degree == degrees, torch.full_like(at, 4), at + 1).unsqueeze(1)
        ).squeeze(1)
        tied = degree == 0  # between -c_1 and c_1
        low, high = torch.where(tied, -cuts[:, 0], low), torch.where(tied, cuts[:, 0], high)
        return log_between(low - d, high - d)

    @staticmethod
    def _order(utility: Tensor, batch: Mapping[str, Tensor], tied: Tensor) -> Tensor:
        """Davidson-Luce: the log-probability of one group after another; only of the first for the best of several."""
        ranks = batch["ranks"]
        n, width = utility.shape
        masks = (
            torch.arange(1, 2**width, device=ranks.device).unsqueeze(1)
            >> torch.arange(width, device=ranks.device)
        ) & 1
        groups = masks.to(utility)  # (s, width), every group there can be
        size = groups.sum(dim=1)
        weight = utility @ groups.T / size + (size - 1) * tied.unsqueeze(1)
        single = (size == 1) | batch["ties"].unsqueeze(1)
        total = torch.zeros(n, dtype=utility.dtype, device=utility.device)
        only_first = batch["kind"] == KINDS["best"]
        for place in range(1, int(ranks.max()) + 1):
            left, chosen = (ranks >= place), (ranks == place).to(utility)
            members = chosen.sum(dim=1)
            possible = single & ((~left).to(utility) @ groups.T == 0)
            played = (members > 0) & (left.sum(dim=1) > 1) & ~(only_first & (place > 1))
            possible = possible | ~played.unsqueeze(1)  # keeps the unused rows finite
            mean = (utility * chosen).sum(dim=1) / members.clamp_min(1)
            picked = mean + (members - 1).clamp_min(0) * tied
            norm = torch.logsumexp(weight.masked_fill(~possible, -torch.inf), dim=1)
            total = total + torch.where(played, picked - norm, torch.zeros_like(total))
        return total

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return -batch["log_size"]

    def alternatives(self, event: Event) -> Sequence[Event]:
        return [replace(event, payload=payload) for payload in offer.answers(_offered(event))]


def _offered(event: Event) -> Mapping[str, Any]:
    """What was on offer: as stored, or by the settings for an event that carries no choice set."""
    return event.choice_set or offer.choice_set(event.screen, event.settings)


def _rows(batch: Mapping[str, Tensor], mask: Tensor) -> dict[str, Tensor]:
    return {name: tensor[mask] for name, tensor in batch.items()}


likelihood = ComparisonLikelihood()
