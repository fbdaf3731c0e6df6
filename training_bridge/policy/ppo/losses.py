"""The two losses of PPO, token by token. Source: Schulman et al. (2017), arXiv 1707.06347, eq. 7; values as in its code."""

from __future__ import annotations

import torch
from torch import Tensor


def policy_loss(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """-min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) of each token, ρ = π / π_old; and where the clipped one was the smaller.

    Args:
        logprobs: (tokens,) — under the policy that learns, in nats, with a gradient.
        old, advantages: (tokens,) — of the round in which the token was sampled.
        clip: ε in (0, 1).
    Returns: ((tokens,) losses, (tokens,) bool). At ρ = 1 the gradient is that of -A log π, the policy gradient.
    """
    ratio = torch.exp(logprobs - old)
    free, held = ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages
    return -torch.minimum(free, held), held < free


def value_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """½ max((V - R)², (V_clipped - R)²) of each prefix, V_clipped at most `clip` away from what it was in the round.

    Args:
        values: (tokens,) — with a gradient; old, returns: (tokens,).
    """
    held = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (held - returns) ** 2)
