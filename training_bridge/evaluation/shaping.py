"""The step rewards of a text after the shaping that makes them easiest to read.

Shaping moves reward along a text and changes no preference between whole texts: x_n = r_n + Phi_n - Phi_(n-1), with Phi = 0
at the end. Of all potentials Phi one is looked for that makes x sparse (few steps matter) or smooth (neighbours alike):

    sparse       mean |x|                log          mean log(1 + |x|)                smooth       mean |x_n - x_(n-1)|

Phi is a linear probe on the hidden states, because a free one moves everything into the last step, which explains nothing.
The reward itself is linear in the same states and would do just that, so the probe may not use the reward's own direction.
Source: Jenner & Gleave (2022), arXiv 2203.13553, preprocessing reward functions; the probe is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

OBJECTIVES = ("sparse", "log", "smooth")


def without(states: Tensor, direction: Tensor) -> Tensor:
    """States less their part along a direction."""
    unit = direction / direction.norm().clamp_min(1e-12)
    return states - (states @ unit)[..., None] * unit


def shaped(rewards: Tensor, states: Tensor, probe: Tensor) -> Tensor:
    """(n,) x of one text.

    Args:
        rewards: (n,) of its tokens, the last of which ends it; states: (n + 1, d), before and at each token.
    """
    potential = states @ probe
    potential = torch.cat([potential[:-1], potential.new_zeros(1)])
    return rewards + potential.diff()


def objective(name: str, steps: Sequence[Tensor]) -> Tensor:
    """What is made small, over all texts. Raises KeyError for another name."""
    if name == "smooth":
        return torch.cat([x.diff().abs() for x in steps]).mean()
    every = torch.cat(list(steps)).abs()
    return {"sparse": every, "log": torch.log1p(every)}[name].mean()


def find_probe(name: str, rewards: Sequence[Tensor], states: Sequence[Tensor], steps: int = 300) -> Tensor:
    """(d,) the probe of least objective, by Adam from 0; the best that was seen, so never worse than no shaping at all."""
    probe = torch.zeros(states[0].shape[1], requires_grad=True)
    scale = torch.cat(list(states)).std().item() or 1.0
    size = torch.cat(list(rewards)).abs().mean().item() or 1.0
    optimizer = torch.optim.Adam([probe], lr=0.05 * size / scale)
    best, least = probe.detach().clone(), float("inf")
    for _ in range(steps + 1):
        value = objective(name, [shaped(r, s, probe) for r, s in zip(rewards, states, strict=True)])
        if value.item() < least:
            best, least = probe.detach().clone(), value.item()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return best


def overlap(steps: Sequence[float], marked: Sequence[bool]) -> tuple[float, float]:
    """(share of the k largest |x| that are marked, chance of it), k the number of marked steps; ties take the earlier one.

    Raises: ValueError unless some steps are marked and some are not.
    """
    k = sum(marked)
    if not 0 < k < len(marked):
        raise ValueError("Some steps are marked and some are not.")
    top = sorted(range(len(steps)), key=lambda i: (-abs(steps[i]), i))[:k]
    return sum(marked[i] for i in top) / k, k / len(marked)
