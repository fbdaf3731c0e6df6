"""Reinforcement fine-tuning: a policy learns from answers that a rule checks, not from a model of what people like.

    python -m training_bridge.policy.rft DIR

DIR/config.json: {"parent": {…}, "snapshot": {…} or "input": "prompts.jsonl", "seed": 1, "parameters": {"kind": "regex",
"rule": "[?]$", …}} (`config.RFTParameters`). The rule is one of `verifiable.py`; the answers are learned from as RLOO or
GRPO do. Luong et al. (2024), ReFT; Lambert et al. (2024), RLVR.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from typing import Any

from trl import GRPOConfig, RLOOConfig

from training_bridge.policy import grpo, rloo
from training_bridge.policy.config import RFTParameters, parameters
from training_bridge.policy.online import train_online
from training_bridge.programs import RunDirectory, execute


def rft(run: RunDirectory) -> dict[str, Any]:
    if parameters(RFTParameters, run.config).optimiser == "grpo":
        return train_online(run, RFTParameters, grpo.Trainer, by_group, grpo.RATES, "rft")
    return train_online(run, RFTParameters, rloo.Trainer, leaving_one_out, rloo.RATES, "rft")


def leaving_one_out(settings: RFTParameters, **common: Any) -> RLOOConfig:
    return RLOOConfig(**common, normalize_advantages=False)


def by_group(settings: RFTParameters, **common: Any) -> GRPOConfig:
    return GRPOConfig(**common, loss_type="dapo", scale_rewards="group")


if __name__ == "__main__":
    execute(rft)
