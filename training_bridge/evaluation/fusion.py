"""RewardFusion: a reward as the mean of its own and of its neighbours', so that small changes of a text change it less.

    R_f(x) = (R(x) + sum_k c_k R(x_k)) / (1 + sum_k c_k),      c_k cosine of the k-th nearest text, at most 5, at least 0.9

Source: Shen et al. (2023), arXiv 2309.16155, with our reward model's mean hidden state in place of SimCSE.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training_bridge.evaluation.hidden import embeddings
from training_bridge.evaluation.judges import RewardModelJudge, Text

NEIGHBOURS, LEAST = 5, 0.9


def fuse(own: Tensor, similarity: Tensor, rewards: Tensor) -> Tensor:
    """(n,) fused rewards.

    Args:
        own: (n,) rewards; similarity: (n, pool) cosines; rewards: (pool,) of the pool.
    """
    nearest = similarity.topk(min(NEIGHBOURS, similarity.shape[1]), dim=1)
    weights = nearest.values * (nearest.values >= LEAST)
    return (own + (weights * rewards[nearest.indices]).sum(dim=1)) / (1 + weights.sum(dim=1))


class Fused:
    """A judge that asks a pool of texts beside the text itself."""

    def __init__(self, judge: RewardModelJudge, pool: Sequence[Text]):
        self.judge = judge
        self.pool = embeddings(judge.scorer, pool)
        self.pool_rewards = torch.tensor(judge.rewards(pool))

    def fits(self, text: Text) -> bool:
        return self.judge.fits(text)

    def rewards(self, texts: Sequence[Text]) -> list[float]:
        if not texts:
            return []
        own = torch.tensor(self.judge.rewards(texts))
        similarity = embeddings(self.judge.scorer, texts) @ self.pool.T
        found: list[float] = fuse(own, similarity, self.pool_rewards).tolist()
        return found

    def mean_neighbours(self, texts: Sequence[Text]) -> float:
        """How many texts of the pool are near enough, of at most five: with none, fusion does nothing."""
        similarity = embeddings(self.judge.scorer, texts) @ self.pool.T
        return (similarity >= LEAST).sum(dim=1).clamp(max=NEIGHBOURS).float().mean().item()
