"""Several processes as one: each runs a share of a step's packs, and gradients are added up.

    torchrun --standalone --nproc_per_node 2 -m training_bridge.reward_model.train DIR

Every process knows the whole plan (it follows from the seed), so a loss is divided by the count of the whole step, and
shares may be as unequal as they like. Started without torchrun there is one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


class Processes:
    """This process among all of them."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")

    @contextmanager
    def together(self) -> Iterator[None]:
        if self.count == 1:
            yield
            return
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        try:
            yield
        finally:
            distributed.destroy_process_group()

    def shares(self, parts: Sequence[T], sizes: Sequence[int]) -> list[list[T]]:
        """What each process works on: the largest part goes to whoever has least so far."""
        if self.count == 1:
            return [list(parts)]
        load = [0] * self.count
        owner = [0] * len(parts)
        for i in sorted(range(len(parts)), key=lambda i: (-sizes[i], i)):
            owner[i] = min(range(self.count), key=lambda r: (load[r], r))
            load[owner[i]] += sizes[i]
        return [[p for p, of in zip(parts, owner, strict=True) if of == r] for r in range(self.count)]

    def every_nth(self, parts: Sequence[T]) -> list[T]:
        """This process's share of what weighs about the same."""
        return list(parts[self.rank :: self.count])

    def dealt_out(self, ours: Sequence[T]) -> list[T]:
        """The inverse of `every_nth`: what all processes made of their shares, in the order of the whole."""
        if self.count == 1:
            return list(ours)
        everybody: list[Any] = [None] * self.count
        distributed.all_gather_object(everybody, list(ours))
        total = sum(map(len, everybody))
        return [everybody[i % self.count][i // self.count] for i in range(total)]

    def anybody(self, said: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.add_up(torch.tensor(float(said), device=self.device)))

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def add_up_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        if self.count == 1:
            return
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_dtype.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_dtype.values():
            flat = torch.cat([g.flatten() for g in gradients])
            distributed.all_reduce(flat)
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
