"""A policy and its soft prompt as one model (adapters.py says what is on disk).

The vectors become input embeddings of k further ids, which `chat.prompt_ids` puts before every prompt. The softmax over
words stays as it is, so they are never said; sampling, scoring and streaming need not know about them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training_bridge.policy.adapters import WEIGHTS
from training_bridge.programs import Problem


class SoftPromptEmbedding(nn.Module):
    """Embeddings of words, and of k further ids from `first` on."""

    def __init__(self, words: nn.Embedding, vectors: Tensor):
        super().__init__()
        self.words, self.first = words, words.weight.shape[0]
        self.vectors = nn.Parameter(vectors, requires_grad=False)

    @property
    def weight(self) -> Tensor:
        return self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        is_soft = ids >= self.first
        words = self.words(ids.masked_fill(is_soft, 0))
        return torch.where(is_soft[..., None], self.vectors[(ids - self.first).clamp(min=0)], words)


def attach(model: Any, tokenizer: Any, place: str | Path) -> None:
    """Make a loaded policy one with a soft prompt. Raises Problem when it does not fit."""
    from safetensors.torch import load_file

    vectors = load_file(Path(place) / WEIGHTS)["prompt_embeddings"]
    words = model.get_input_embeddings()
    if vectors.shape[1] != words.weight.shape[1]:
        raise Problem(
            f"The soft prompt has vectors of {vectors.shape[1]} numbers, the policy of {words.weight.shape[1]}.",
            "Use it with the policy it was trained on.",
        )
    embedding = SoftPromptEmbedding(words, vectors.to(words.weight))
    model.set_input_embeddings(embedding)
    tokenizer.soft_prompt = tuple(range(embedding.first, embedding.first + len(vectors)))
