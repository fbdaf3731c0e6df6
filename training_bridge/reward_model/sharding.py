"""A network whose weights are spread over processes (FSDP2): each holds a part of every weight, gradient and moment.

    accelerate launch --use_fsdp --fsdp_version 2 --num_processes 2 -m training_bridge.reward_model.train DIR

The blocks of the body and the body itself are units: a unit's weights are gathered when it is run and let go of again. The
heads are small and stay whole in every process. What is written is whole, too, so a checkpoint of two processes is gone on
from by one, or by eight. Every process runs as many forward passes as every other, or they would wait for each other for
good.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def is_asked_for() -> bool:
    """Whether the launcher said so, and there is somebody to share with."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" and processes > 1


def shard(body: nn.Module) -> None:
    """Spread a transformer's body over all processes; gradients are added up, not averaged."""
    kinds = set(getattr(body, "_no_split_modules", None) or ())
    blocks = [module for module in body.modules() if type(module).__name__ in kinds]
    for module in (*blocks, body):
        fully_shard(module)
    for module in body.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def is_spread(parameter: Tensor) -> bool:
    return isinstance(parameter, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on the CPU. Of one that is spread every process has to ask."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu()


def part(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor that every process holds, cut as `like` is; all of it where that is whole."""
    if not isinstance(like, DTensor) or not tensor.ndim:
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def clip(parameters: Iterable[Tensor], most: float) -> Tensor:
    """As torch's `clip_grad_norm_`, where some gradients are spread and others whole; returns the norm before."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    spread = [g.to_local() for g in gradients if isinstance(g, DTensor)]
    squares = torch.stack([g.float().square().sum() for g in spread]).sum()
    torch.distributed.all_reduce(squares)
    plain = [g for g in gradients if not isinstance(g, DTensor)]
    if plain:
        squares = squares + torch.stack([g.float().square().sum() for g in plain]).sum()
    norm = squares.sqrt()
    factor = (most / (norm + 1e-6)).clamp(max=1.0)
    for gradient in (*spread, *plain):
        gradient.mul_(factor)
    return norm


def whole_states(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimiser's `state_dict` with whole tensors."""
    states = {
        number: {name: whole(v) if isinstance(v, Tensor) else v for name, v in moments.items()}
        for number, moments in state["state"].items()
    }
    return {**state, "state": states}


def own_states(state: Mapping[str, Any], parameters: Iterable[Tensor]) -> dict[str, Any]:
    """The inverse of `whole_states`: of each parameter's moments this process's part."""
    states = {
        number: {
            name: part(v, parameter) if isinstance(v, Tensor) else v
            for name, v in state["state"][number].items()
        }
        for number, parameter in enumerate(parameters)
        if number in state["state"]
    }
    return {**state, "state": states}
