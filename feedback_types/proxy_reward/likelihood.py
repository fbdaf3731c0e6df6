"""How probable a stated reward is: the labeler keeps a setting for the sake of what it would rank first.

    sliders, program    P(w) = softmax over the candidates of beta E_{y ~ pi_w} R(y), at the setting that was kept
    rubric              the judgements first, each an ordered choice on the head of its criterion:
                        P(level <= k) = s(c_k + shift - beta v);  then the weights by the same softmax, given the judgements

pi_w is uniform over what w ranks first in the pool that was shown: an argmax, because that is what the page shows and the
labeler says yes to. A Boltzmann over the pool would need a temperature that nobody saw, and in the units of features.
Candidates are counted, not what they rank first: a response that many settings put first is kept by chance as often. All
settings with the same top have the same probability, so nothing is learned from which of them it was.
s is the logistic function; levels have equal steps, c_k = middle + softplus(step) (k - (K - 2)/2).
Source: inverse reward design, Hadfield-Menell et al. (2017), arXiv 1711.02827, with pi_w over a shown pool; reward-rational
choice, arXiv 2002.04833; McFadden (1978) for a sample of the alternatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.likelihoods import Likelihood, Parameter, Point, log_between, pad
from feedback_types.proxy_reward import offer
from feedback_types.proxy_reward.schema import ProxyPayload
from feedback_types.proxy_reward.simulate import INITIAL, head


class ProxyLikelihood(Likelihood):
    parameters = (
        Parameter("level_middle", "question", INITIAL["level_middle"], 2.0),
        Parameter("level_step", "question", INITIAL["level_step"], 1.0),  # before softplus
        Parameter("shift", "labeler", INITIAL["shift"], 1.0),  # a severe labeler's is above 0
    )

    def usable(self, event: Event) -> bool:
        """Judgements say something. Weights and programs do where the candidates rank different things first."""
        if event.payload.judgements:
            return offer.kept(event) is not None
        firsts = {tuple(sorted(first)) for first in offer.tops(event)}
        return len(firsts) > 1 and offer.kept(event) is not None

    def points(self, event: Event) -> Sequence[Point]:
        """The reward of each of the pool, then of each criterion the head at each response; no reward where nothing was
        chosen by it."""
        texts = [event.screen.response(i).text for i in event.payload.pool]
        judged = [
            Point(text, None, head(criterion))
            for criterion in offer.offered_to(event)["names"]
            if event.payload.judgements
            for text in texts
        ]
        return judged + ([Point(text) for text in texts] if _chooses(event) else [])

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        levels, rewards, shares, chosen = [], [], [], []
        for event in events:
            payload: ProxyPayload = event.payload
            offered, n = offer.offered_to(event), len(payload.pool)
            row = [level for name in offered["names"] for level in payload.judgements.get(name, ())]
            levels.append(row)
            rewards.append([len(row) + i for i in range(n)] if _chooses(event) else [])
            firsts = offer.tops(event)
            shares.append([[(i in first) / len(first) for i in range(n)] for first in firsts])
            chosen.append(offer.kept(event) or 0)
        most, widest = max(map(len, shares)), max(len(s[0]) for s in shares)
        share = torch.zeros(len(events), most, widest)
        for row_number, table in enumerate(shares):
            share[row_number, : len(table), : len(table[0])] = torch.tensor(table)
        level, judged = pad(levels)
        at, choosing = pad(rewards)
        at, choosing = _widened(at, widest), _widened(choosing, widest)
        sizes = torch.tensor([len(table) for table in shares])
        return {
            "level": level,
            "judged": judged,
            "levels": torch.tensor([offer.offered_to(event).get("levels", 2) for event in events]),
            "reward_at": at,  # (n, pool) columns of the values
            "choosing": choosing,
            "share": share,  # (n, candidates, pool): pi of each candidate
            "offered": torch.arange(most) < sizes.unsqueeze(1),
            "chosen": torch.tensor(chosen),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        reward = values.gather(1, batch["reward_at"].clamp_max(values.shape[1] - 1))
        reward = torch.where(batch["choosing"], reward, torch.zeros_like(reward))
        utility = beta.unsqueeze(1) * torch.einsum("ncp,np->nc", batch["share"].to(reward), reward)
        utility = utility.masked_fill(~batch["offered"], -torch.inf)
        kept = torch.log_softmax(utility, dim=1).gather(1, batch["chosen"].unsqueeze(1)).squeeze(1)

        level, last = batch["level"], (batch["levels"] - 1).unsqueeze(1)
        score = (
            beta.unsqueeze(1)
            * F.pad(values, (0, max(0, level.shape[1] - values.shape[1])))[:, : level.shape[1]]
        )
        middle = (parameters["level_middle"] + parameters["shift"]).unsqueeze(1)
        step = F.softplus(parameters["level_step"]).unsqueeze(1)
        inf = torch.full_like(score, torch.inf)
        edge = middle + step * (level - (last - 1) / 2) - score  # the upper edge of the level
        low = torch.where(level == 0, -inf, edge - step)
        high = torch.where(level == last, inf, edge)
        judged = torch.where(batch["judged"], log_between(low, high), torch.zeros_like(score)).sum(dim=1)
        return kept + judged

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        judged = torch.log(batch["levels"].double()) * batch["judged"].sum(dim=1)
        return -(judged + torch.log(batch["offered"].sum(dim=1).double()))

    def alternatives(self, event: Event) -> Sequence[Event]:
        """Every candidate kept; of a rubric, under all judgements."""
        offered, payload = offer.offered_to(event), event.payload
        numbers = range(len(offered["candidates"]))
        if offered["mode"] != "rubric":
            return [replace(event, payload=offer.keeping(event, number)) for number in numbers]
        names, n = offered["names"], len(payload.pool)
        found = []
        for said in product(range(offered["levels"]), repeat=len(names) * n):
            judgements = {name: said[i * n : (i + 1) * n] for i, name in enumerate(names)}
            found += [offer.keeping(event, number, judgements) for number in numbers]
        return [replace(event, payload=alternative) for alternative in found]


def _chooses(event: Event) -> bool:
    """Whether a setting was chosen, so that the reward matters: not of a rubric whose weights are given."""
    return bool(offer.offered_to(event).get("weigh", True))


def _widened(data: Tensor, width: int) -> Tensor:
    return F.pad(data, (0, max(0, width - data.shape[1])))


likelihood = ProxyLikelihood()
