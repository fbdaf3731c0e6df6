"""How probable marks are under a reward: sentences are chosen one after the other, without replacement, until it is enough.

u_n = beta r_n, r_n the step reward of sentence n (the score after it less the score before it), s the logistic function.

    marks, signed      at each step one of: "sentence n helped" with weight exp(u_n), "n hurt" with exp(-u_n), for every n
                       that is not marked yet, or "that is all" with exp(stop). Plackett-Luce with a place to stop, so
                       that how many were marked is part of the choice.
    marks, unsigned    the same with "n mattered", weight exp(|u_n|).
    weight             of each mark, ordered: P(W <= k) = s(c_k - t), t = sign u_n, or |u_n| when unsigned.
    best and worst     two sentences by Plackett-Luce on u_n, then two of the others on -u_n.

Nobody is asked in which order the marks were made, so the law is the sum over all orders. For "marks" it is computed by the
exponential race that Plackett-Luce is (each option arrives at a random time, the earliest first): given when "that is all"
arrives, sentences are marked independently,

    P(marked S) = integral over t of exp(-t) prod_{n in S} (1 - exp(-t w_n / w_stop)) prod_{n not in S} exp(-t w_n / w_stop),

w_n = exp(u_n) + exp(-u_n), and a marked one helped with s(2 u_n). The integral is a sum over a grid of log t, exact
to six digits; its weights are positive and sum to 1, so the law sums to 1 whatever the grid.

Marks in the prompt have no law: the reward of a response is no sum over the prompt. Unsigned marks alone leave the sign of R
free (R and -R explain them alike): they are auxiliary.
Source: Luce (1959), Plackett (1975); as a reward-rational choice "credit assignment" of 2002.04833; this form is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event
from feedback_types.importance import offer
from feedback_types.importance.schema import MOST_WEIGHT
from feedback_types.importance.simulate import INITIAL
from feedback_types.likelihoods import Likelihood, Parameter, Point, log1mexp, log_between, pad

# log t: below, less than 1e-7 of the time; above, less than 1e-23. A step of 1/2 is exact to six digits, as each
# factor is smooth.
GRID = np.linspace(-16.0, 4.0, 41)
STEEP = 30.0  # bound on log(t w_n / w_stop): beyond it a sentence is marked or not for certain


class ImportanceLikelihood(Likelihood):
    parameters = (
        Parameter("stop", "question", INITIAL["stop"], 1.0),  # the weight of "that is all", logarithm
        Parameter("thrift", "labeler", INITIAL["thrift"], 1.0),  # a labeler who marks little has more of it
        Parameter("weight_middle", "question", INITIAL["weight_middle"], 1.0),  # between weights 1 and 2 …
        Parameter("weight_step", "question", INITIAL["weight_step"], 1.0),  # … and 2 and 3: before softplus
    )

    def usable(self, event: Event) -> bool:
        offered = event.choice_set or offer.choice_set(event.screen, event.settings)
        n = len(event.payload.segments)
        return offered["where"] != "prompt" and n >= (2 if event.payload.mode == "best_worst" else 1)

    def points(self, event: Event) -> Sequence[Point]:
        text = event.screen.response(event.target).text
        return [Point(text, 0), *(Point(text, end) for end in event.payload.segments[:-1]), Point(text)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        offered = [e.choice_set or offer.choice_set(e.screen, e.settings) for e in events]
        said = [offer.levels(event.payload) for event in events]
        signs, present = pad([[level[0] if level else 0 for level in row] for row in said])
        return {
            "offered": present,
            "marked": pad([[level is not None for level in row] for row in said], dtype=torch.bool)[0],
            "sign": signs,
            "weight": pad([[level[1] - 1 if level else 0 for level in row] for row in said])[0],
            "signed": torch.tensor([len(o["signs"]) > 1 for o in offered]),
            "weighted": torch.tensor([len(o["weights"]) > 1 for o in offered]),
            "best_worst": torch.tensor([event.payload.mode == "best_worst" for event in events]),
        }

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        n = batch["offered"].shape[1]
        values = F.pad(values, (0, max(0, n + 1 - values.shape[1])))[:, : n + 1]
        step = beta.unsqueeze(1) * (values[:, 1:] - values[:, :-1])
        step = torch.where(batch["offered"], step, torch.zeros_like(step))
        stop = (parameters["stop"] + parameters["thrift"]).unsqueeze(1)
        signed = batch["signed"].unsqueeze(1)
        toward = torch.where(
            signed, batch["sign"] * step, step.abs()
        )  # how well the mark agrees with the step

        rate = torch.where(signed, torch.logaddexp(step, -step), step.abs()) - stop
        which = _log_race(rate, batch["marked"], batch["offered"])
        way = torch.where(batch["marked"] & signed, F.logsigmoid(2 * toward), 0.0).sum(1)
        first = parameters["weight_middle"].unsqueeze(1)
        second = first + F.softplus(parameters["weight_step"]).unsqueeze(1)
        grave = _log_weight(toward, batch["weight"], first, second)
        much = torch.where(batch["marked"] & batch["weighted"].unsqueeze(1), grave, 0.0).sum(1)

        best = batch["marked"] & (batch["sign"] > 0)
        worst = batch["marked"] & (batch["sign"] < 0)
        ends = _log_pair(step, best, batch["offered"]) + _log_pair(-step, worst, batch["offered"] & ~best)
        return torch.where(batch["best_worst"], ends, which + way + much)

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        n = batch["offered"].sum(1).double()
        options = 1 + (1 + batch["signed"].double()) * (1 + (MOST_WEIGHT - 1) * batch["weighted"].double())
        k = torch.minimum(torch.div(n, 2, rounding_mode="floor"), torch.full_like(n, 2))
        ends = _log_choose(n, k) + _log_choose(n - k, k)
        return -torch.where(batch["best_worst"], ends, n * torch.log(options)).to(torch.get_default_dtype())

    def alternatives(self, event: Event) -> Sequence[Event]:
        return offer.answers(event)


def _log_race(rate: Tensor, marked: Tensor, offered: Tensor) -> Tensor:
    """Log-probability that exactly these sentences come before "that is all".

    Args:
        rate: (n, s) float, log of w_n / w_stop; marked, offered: (n, s) bool.
    Returns: (n,) float, nats, never above 0.
    """
    time = torch.as_tensor(GRID, dtype=rate.dtype, device=rate.device)
    share = torch.log_softmax(time - torch.exp(time), dim=0)
    waits = -torch.exp(
        (rate.unsqueeze(2) + time).clamp(-2 * STEEP, STEEP)
    )  # (n, s, grid): log of "not marked by then"
    log_each = torch.where(marked.unsqueeze(2), log1mexp(waits), waits)
    log_all = torch.where(offered.unsqueeze(2), log_each, torch.zeros_like(log_each)).sum(1)
    return torch.logsumexp(log_all + share, dim=1)


def _log_weight(toward: Tensor, weight: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """(n, s) log-probability of an ordered weight 0, 1 or 2."""
    inf = torch.full_like(toward, torch.inf)
    low = torch.where(weight == 0, -inf, torch.where(weight == 1, first, second) - toward)
    high = torch.where(weight == 2, inf, torch.where(weight == 0, first, second) - toward)
    return log_between(low, high)


def _log_pair(utility: Tensor, chosen: Tensor, offered: Tensor) -> Tensor:
    """Log-probability that Plackett-Luce takes these sentences first, in any order; none, one or two of them.

    Args:
        utility: (n, s) float; chosen, offered: (n, s) bool, chosen within offered.
    Returns: (n,) float, nats, never above 0.
    """
    size = chosen.sum(1)
    places = torch.topk(chosen.to(utility.dtype), k=min(2, chosen.shape[1]), dim=1).indices
    one, two = places[:, :1], places[:, -1:]
    open_ = utility.masked_fill(~offered, -1e30)
    alone = torch.log_softmax(open_, dim=1)

    def after(first: Tensor, second: Tensor) -> Tensor:
        left = open_.scatter(1, first, -1e30)
        follow = torch.log_softmax(left, dim=1).gather(1, second)
        return (alone.gather(1, first) + follow).squeeze(1)

    single = alone.gather(1, one).squeeze(1)
    both = torch.logaddexp(after(one, two), after(two, one)) if places.shape[1] == 2 else single
    return torch.where(size == 0, torch.zeros_like(single), torch.where(size == 1, single, both)).clamp_max(0)


def _log_choose(n: Tensor, k: Tensor) -> Tensor:
    return torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)


likelihood = ImportanceLikelihood()
