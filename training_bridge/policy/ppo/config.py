"""What PPO is told, each number with its sentence. Imports no torch: a page builds its form from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training_bridge.policy.config import RewardedParameters


class PPOParameters(RewardedParameters):
    adapter: Literal["full", "lora", "dora"] = Field(
        default="full",
        title="What is trained",
        description="All weights of the policy, or low-rank adapters that are merged when done. The value network is "
        "trained whole.",
    )
    steps: int = Field(
        default=30,
        ge=1,
        title="Steps",
        description="Rounds of fresh answers, each learned from in several updates.",
    )
    answers: int = Field(
        default=4, ge=1, title="Answers a prompt", description="Each is valued by itself; more vary less."
    )
    passes: int = Field(default=2, ge=1, le=20, title="Passes", description="Over the answers of a round.")
    minibatches: int = Field(
        default=2, ge=1, title="Parts of a pass", description="Optimiser steps that each pass is cut into."
    )
    clip: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        title="Clip",
        description="How far the probability of a token may move in one round, as a ratio.",
    )
    value_clip: float = Field(
        default=0.2,
        gt=0,
        title="Clip of values",
        description="How far the value of a prefix may move in one round, in units of the reward.",
    )
    value_rate: float = Field(
        default=0.0,
        ge=0,
        title="Learning rate of values",
        description="Of the value network; 0 means that of the policy when all of its weights are trained.",
    )
    discount: float = Field(
        default=1.0,
        gt=0,
        le=1,
        title="Discount",
        description="γ: what a reward one token later is worth. 1 where only the whole answer counts.",
    )
    trace: float = Field(
        default=0.95,
        ge=0,
        le=1,
        title="λ",
        description="Of the advantages: 1 waits for the reward itself (varies more), 0 believes the value network.",
    )
    whiten: bool = Field(
        default=True, title="Whiten advantages", description="Bring those of a round to mean 0 and sd 1."
    )
    control: Literal["fixed", "adaptive"] = Field(
        default="fixed",
        title="Control of the divergence",
        description="Beta stays, or moves so that the divergence of a whole answer comes near the target.",
    )
    target: float = Field(
        default=6.0,
        gt=0,
        title="Target divergence",
        description="In nats per answer, for the adaptive control.",
    )
    token_rewards: bool = Field(
        default=False,
        title="Reward every token",
        description="Give each token what the reward model's score changes by, instead of all to the last one. Both "
        "add up to the same reward of an answer. Needs a reward model.",
    )
