"""Rewards, advantages and returns of the tokens of an answer, and the control of the divergence. Plain lists: no torch.

>>> advantages([0.0, 0.0, 1.0], values=[0.5, 0.5, 0.5], discount=1.0, trace=1.0)
[0.5, 0.5, 0.5]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

GAIN, MOST = 0.1, 0.2  # of the adaptive control, as in the paper


def token_rewards(
    logprobs: Sequence[float], reference: Sequence[float], scores: Sequence[float], beta: float
) -> list[float]:
    """r_t = s_t - β (log π(a_t) - log π_ref(a_t)).

    Args:
        logprobs, reference: (tokens,) — in nats, of the tokens that were sampled, under the policy that sampled them and
            under the one it is held to.
        scores: (tokens,) — what the reward gives to each token; all of it to the last one where it judges whole answers.
        beta: >= 0 — nats to units of the reward.
    Source: Ziegler et al. (2019), eq. 2; Ouyang et al. (2022), eq. 2.
    """
    return [s - beta * (p - q) for s, p, q in zip(scores, logprobs, reference, strict=True)]


def advantages(
    rewards: Sequence[float], values: Sequence[float], *, discount: float, trace: float
) -> list[float]:
    """Generalised advantage estimates: A_t = δ_t + γ λ A_{t+1}, δ_t = r_t + γ V_{t+1} - V_t.

    Args:
        rewards: (tokens,) — of each token.
        values: (tokens,) — of the prefix before each token; after the last one there is nothing, and V = 0.
        discount, trace: γ in (0, 1], λ in [0, 1]. λ = 0 gives δ_t, λ = γ = 1 the sum of what follows less V_t.
    Source: Schulman et al. (2016), arXiv 1506.02438, eq. 16.
    """
    found: list[float] = []
    following, next_value = 0.0, 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        following = reward + discount * next_value - value + discount * trace * following
        next_value = value
        found.append(following)
    return found[::-1]


def whitened(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """All numbers brought to mean 0 and sd 1 together; only to mean 0 where they are all the same."""
    flat = [value for row in rows for value in row]
    mean = sum(flat) / len(flat)
    sd = math.sqrt(sum((value - mean) ** 2 for value in flat) / len(flat))
    scale = sd if sd > 1e-8 else 1.0
    return [[(value - mean) / scale for value in row] for row in rows]


def controlled(beta: float, divergence: float, target: float) -> float:
    """β for the next round: a little more where the policy went too far, a little less where it stays too close.

    β (1 + 0.1 e), e = (divergence - target) / target, at most 0.2 either way. Source: Ziegler et al. (2019), section 2.2.
    """
    error = (divergence - target) / target
    return beta * (1 + GAIN * max(-MOST, min(MOST, error)))
