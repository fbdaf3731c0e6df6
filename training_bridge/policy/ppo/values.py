"""The value network of PPO: what every prefix of an answer is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training_bridge.policy.logprobs import Pair


class ValueNetwork(nn.Module):
    """The worth of every prefix: a causal body with one number on top, 0 everywhere at first."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body: Any = body
        self.head = nn.Linear(body.config.get_text_config().hidden_size, 1)  # type: ignore[union-attr, operator]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, texts: Sequence[Pair]) -> Iterator[Tensor]:
        """(tokens of the answer,) for each text: the worth of what stands before each token."""
        longest = max(len(prompt) + len(answer) for prompt, answer in texts)
        device = self.head.weight.device
        ids = torch.zeros(len(texts), longest, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for row, (prompt, answer) in enumerate(texts):
            ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer], device=device)
            mask[row, : len(prompt) + len(answer)] = 1
        hidden = self.body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        values = self.head(hidden.to(self.head.weight.dtype))[..., 0].float()
        for row, (prompt, answer) in enumerate(texts):
            yield values[row, len(prompt) - 1 : len(prompt) - 1 + len(answer)]
