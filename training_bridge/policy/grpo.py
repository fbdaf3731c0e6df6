"""Refresh a policy against a reward, each answer measured by the answers to the same prompt (GRPO).

    python -m training_bridge.policy.grpo DIR

DIR/config.json: {"parent": {…}, "reward_model": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}}
(`config.GRPOParameters`). Prompts and rewards are those of `rewards.py`. An answer's advantage is its reward less the mean
of its prompt's answers, by their standard deviation (Shao et al. 2024, section 4.1.2) or, if asked, not divided (Liu et al.
2025); β times the divergence from the parent is part of the loss, and is never 0 here: a learned reward is exploited
without it.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from typing import Any

from trl import GRPOConfig, GRPOTrainer

from training_bridge.policy.chat import prompt_ids
from training_bridge.policy.config import GRPOParameters
from training_bridge.policy.online import train_online
from training_bridge.policy.trl_runs import InRunDirectory
from training_bridge.programs import RunDirectory, execute

RATES = (3e-4, 3e-6, 1e-6, 2e-5)  # below 50 M weights, below 2 G, above; adapters


class Trainer(InRunDirectory, GRPOTrainer):
    """GRPO whose prompts are tokenised so that their text holds no control tokens."""

    def __init__(self, run: RunDirectory, **kwargs: Any):
        self.run = run
        super().__init__(**kwargs)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [prompt_ids(self.processing_class, prompt) for prompt in prompts], None, {}


def grpo(run: RunDirectory) -> dict[str, Any]:
    def config(settings: GRPOParameters, **common: Any) -> GRPOConfig:
        return GRPOConfig(
            **common,
            loss_type="dapo",  # every token of a step weighs the same
            scale_rewards=settings.scale,
            num_iterations=settings.updates,
            epsilon=settings.clip,
        )

    return train_online(
        run, GRPOParameters, Trainer, config, RATES, "grpo", lambda settings: settings.updates
    )


if __name__ == "__main__":
    execute(grpo)
