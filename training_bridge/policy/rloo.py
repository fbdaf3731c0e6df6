"""Refresh a policy against a reward: it answers prompts, and learns from how its answers score (REINFORCE leave-one-out).

    python -m training_bridge.policy.rloo DIR

DIR/config.json: {"parent": {…}, "reward_model": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}}
(`config.RLOOParameters`). Prompts are those of the snapshot's training side, or of `"input"`, a file of lines {"id",
"messages"}. The reward is a model's, a verifiable function's, or one that somebody stated (`rewards.py`).

Every answer's advantage is its reward less the mean of the other answers to the same prompt: Ahmadian et al. (2024), eq. 8.
A penalty of β per nat that the policy moves from its parent is part of the reward; without it a learned or stated reward is
exploited.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from typing import Any

from trl import RLOOConfig, RLOOTrainer

from training_bridge.policy.chat import prompt_ids
from training_bridge.policy.config import RLOOParameters
from training_bridge.policy.online import train_online
from training_bridge.policy.trl_runs import InRunDirectory
from training_bridge.programs import RunDirectory, execute

RATES = (3e-4, 3e-6, 1e-6, 2e-5)  # below 50 M weights, below 2 G, above; LoRA


class Trainer(InRunDirectory, RLOOTrainer):
    """RLOO whose prompts are tokenised so that their text holds no control tokens."""

    def __init__(self, run: RunDirectory, **kwargs: Any):
        self.run = run
        super().__init__(**kwargs)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [prompt_ids(self.processing_class, prompt) for prompt in prompts], None, {}


def rloo(run: RunDirectory) -> dict[str, Any]:
    def config(settings: RLOOParameters, **common: Any) -> RLOOConfig:
        return RLOOConfig(**common, normalize_advantages=False)

    return train_online(run, RLOOParameters, Trainer, config, RATES, "rloo")


if __name__ == "__main__":
    execute(rloo)
