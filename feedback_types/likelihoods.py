"""What the likelihoods of all types share. One reward, many observation models (arXiv 2002.04833).

The reward model gives one score to every prefix of a text; final reward R = score at the end, step reward = difference of
two prefix scores. A type says at which points it looks (`points`), and how probable the answer is given the scores there.
The trainer asks for all points of a batch at once, each distinct text run through the model once.

Only this module and `*/likelihood.py` in this package import torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types.base import Event, Message, Screen


@dataclass(frozen=True)
class Point:
    """One score a likelihood wants: of `text[:offset]` (code points) after the event's prompt; offset None is the
    end (EOS), 0 the empty prefix.

    turn: the text is message number `turn` of the prompt, an earlier turn of the assistant, after what comes before it.
    """

    text: str
    offset: int | None = None
    head: str = "reward"
    turn: int | None = None

    def prompt(self, screen: Screen) -> tuple[Message, ...]:
        """What the text is an answer to."""
        return screen.prompt if self.turn is None else screen.prompt[: self.turn]


@dataclass(frozen=True)
class Parameter:
    """A nuisance parameter that is learned beside the reward, with its own learning rate.

    scope: one value for everybody ("global"), for each labeler, or for each question key of a protocol.
    initial: starting value, a number or a tuple (the shape is taken from it); on the unconstrained scale the
    likelihood reads.
    prior_sd: standard deviation of the Gaussian prior around `initial`.
    """

    name: str
    scope: Literal["global", "labeler", "question"]
    initial: float | tuple[float, ...]
    prior_sd: float


class Likelihood(ABC):
    """The observation model of one feedback type."""

    parameters: Sequence[Parameter] = ()

    def usable(self, event: Event) -> bool:
        """Whether the event says anything under this law (a slip of the key does not)."""
        return True

    def recovered(self, scores: Tensor) -> Tensor:
        """What can be learned about responses of one prompt, to be compared with the truth in its order.

        Args:
            scores: (m, heads) float; of m responses at their end, heads in the order of their names, "reward" first.
        Returns: (k,) float, the same k for the same m. The scores of the first head, unless the law leaves them open (an
            embedding is known up to a rotation, so that only distances can be).
        """
        return scores[:, 0]

    @abstractmethod
    def points(self, event: Event) -> Sequence[Point]:
        """The scores this event needs, in the order in which `log_likelihood` reads them; at least one."""

    @abstractmethod
    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        """Tensors describing the choices of n events (not their scores), first dimension n; ragged parts padded
        with a mask."""

    @abstractmethod
    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        """Log-probability of each choice, before the lapse.

        Args:
            values: (n, p) float; scores at each event's points, padded on the right with 0 to the largest p.
            batch: from `collate`.
            beta: (n,) float > 0; rationality of the labeler for this type.
            parameters: name -> (n, *shape), the value that applies to each event.
        Returns: (n,) float, in nats, never above 0.
        """

    @abstractmethod
    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(n,) float: minus the log of the number of options on offer; what a lapse draws from."""

    @abstractmethod
    def alternatives(self, event: Event) -> Sequence[Event]:
        """Every answer the labeler could have given on this screen, as events (the chosen one among them); for the
        normalisation test."""


def mix_lapse(log_likelihood: Tensor, log_uniform: Tensor, lapse: Tensor) -> Tensor:
    """log((1 - lapse) P + lapse U): a labeler who sometimes answers without looking.

    Args:
        log_likelihood, log_uniform: (n,) float, nats.
        lapse: (n,) float in [0, 1).
    Returns: (n,) float; finite whenever lapse > 0.
    """
    tiny = torch.finfo(log_likelihood.dtype).tiny
    return torch.logaddexp(
        torch.log1p(-lapse) + log_likelihood, torch.log(lapse.clamp_min(tiny)) + log_uniform
    )


def cumulative_logit(score: Tensor, cutpoints: Tensor, grade: Tensor) -> Tensor:
    """Log-probability of an ordered grade: P(Y <= k) = s(c_k - score).

    Args:
        score: (n,) float, any gap; already multiplied by the rationality.
        cutpoints: (n, K-1) or (K-1,) float, strictly increasing along the last dimension.
        grade: (n,) int in 0..K-1.
    Returns: (n,) float, nats, never above 0; finite for any finite score.
    Source: McCullagh (1980), proportional odds.
    """
    cutpoints = cutpoints.expand(score.shape[0], -1)
    inf = torch.full_like(score, torch.inf).unsqueeze(1)
    edges = torch.cat([-inf, cutpoints, inf], dim=1)
    low = edges.gather(1, grade.unsqueeze(1)).squeeze(1) - score
    high = edges.gather(1, grade.unsqueeze(1) + 1).squeeze(1) - score
    return log_between(low, high)


def log_between(low: Tensor, high: Tensor) -> Tensor:
    """log(s(high) - s(low)): the log-probability that a standard logistic number falls between two edges.

    Args:
        low, high: same shape, low < high; low may be -inf and high +inf.
    Returns: nats, never above 0; finite while high - low > 0, stable in both tails.
    """
    # log(s(high) - s(low)) = log s(high) + log s(-low) + log(1 - exp(low - high)).
    open_ended = torch.isinf(low) | torch.isinf(high)
    width = torch.where(open_ended, torch.ones_like(low), high - low).clamp_min(1e-6)
    return F.logsigmoid(high) + F.logsigmoid(-low) + log1mexp(-width).masked_fill(open_ended, 0)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0, without cancellation near 0 and far from it (Mächler 2012).

    An x of 0, where the answer is minus infinity, is read as -1e-30 so that gradients stay finite.
    """
    x = x.clamp_max(-1e-30)
    near = x > -0.6931
    other = torch.full_like(x, -0.6931)  # keeps the branch that is not taken finite, and its gradient too
    close = torch.log(-torch.expm1(torch.where(near, x, other)))
    far = torch.log1p(-torch.exp(torch.where(near, other, x)))
    return torch.where(near, close, far)


def increasing(raw: Tensor) -> Tensor:
    """Strictly increasing cutpoints from free numbers: the first as it is, then steps of softplus(raw) > 0; last
    dimension."""
    return torch.cat([raw[..., :1], raw[..., :1] + torch.cumsum(F.softplus(raw[..., 1:]), dim=-1)], dim=-1)


def pad(
    rows: Sequence[Sequence[Any]], value: float = 0, dtype: torch.dtype = torch.long
) -> tuple[Tensor, Tensor]:
    """(n, longest) tensor and its bool mask from ragged rows."""
    longest = max((len(r) for r in rows), default=0) or 1
    data = torch.full((len(rows), longest), value, dtype=dtype)
    mask = torch.zeros((len(rows), longest), dtype=torch.bool)
    for i, row in enumerate(rows):
        if len(row):
            data[i, : len(row)] = torch.as_tensor(row, dtype=dtype)
            mask[i, : len(row)] = True
    return data, mask
