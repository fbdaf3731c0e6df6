"""What the evaluation programs are told, each number with its sentence. Imports no torch: a page makes its form from it.

`config.json` of a run directory is as in `reward_model/config.py`:

    {"method": "distance", "seed": 1, "reward_model": {"path": …}, "compared_with": {"path": …}, "parent": {"path": …},
     "snapshot": {"path": …, "sha256": …}, "parameters": {"prompts": 100}}
"""

from __future__ import annotations

from pydantic import Field

from training_bridge.policy.config import SamplingParameters
from training_bridge.reward_model.config import Parameters


class AnswersParameters(SamplingParameters):
    """Prompts and a mixture of answers to each: from policies, and from the snapshot."""

    prompts: int = Field(
        default=100, ge=2, title="Prompts", description="At most so many, spread over what there is."
    )
    answers: int = Field(
        default=8,
        ge=0,
        le=256,
        title="Answers a prompt",
        description="Of each policy that is given, beside those of the snapshot. 8 at least in all is a good number.",
    )
    batch: int = Field(default=64, ge=1, title="Batch", description="Answers written at once; bounds memory.")


class DistanceParameters(AnswersParameters):
    tastes: list[str] = Field(
        default=[],
        title="Tastes",
        description="Rewards to compare with, by name, such as warm or short.",
    )
    stated_reward: int = Field(
        default=0,
        ge=0,
        title="Stated reward",
        description="Number of a feedback row in which somebody stated a reward (a proxy), to compare with; 0 for none.",
    )
    stepped: int = Field(
        default=2,
        ge=0,
        title="Answers in steps",
        description="So many answers to each prompt are also compared step by step (STARC-VAL, EPIC, DARD); 0 for none.",
    )
    steps: int = Field(
        default=3, ge=2, le=50, title="Steps", description="Each of these answers is cut into so many steps."
    )
    continuations: int = Field(
        default=4,
        ge=1,
        le=256,
        title="Continuations",
        description="Times that the policy goes on from the beginning of each step. More is less noise.",
    )


class RewardBenchParameters(Parameters):
    file: str = Field(
        default="rewardbench.jsonl",
        max_length=200,
        title="File",
        description="A file of the server's BENCHMARK_DIR with RewardBench's columns: prompt, chosen, rejected, subset.",
    )


class OveroptimisationParameters(AnswersParameters):
    answers: int = Field(
        default=64,
        ge=4,
        le=1024,
        title="Answers a prompt",
        description="N: best-of-n is told for every n = 1, 2, 4, … up to it, from these answers alone.",
    )
    gold: str = Field(
        default="",
        max_length=40,
        title="Gold taste",
        description="What answers are really worth, by the name of a taste; empty takes the second reward model or "
        "the stated reward.",
    )
    stated_reward: int = Field(
        default=0,
        ge=0,
        title="Stated reward",
        description="Number of a feedback row in which somebody stated a reward, as the gold reward; 0 for none.",
    )
    pessimism: float = Field(
        default=1.0,
        ge=0,
        le=10,
        title="Pessimism",
        description="Of an ensemble: an answer counts as its mean reward less so many sd over the members.",
    )


class ConsistencyParameters(Parameters):
    pairs: int = Field(
        default=300,
        ge=2,
        title="Pairs",
        description="At most so many held-out pairs, spread over what there is.",
    )
    fusion: bool = Field(
        default=False,
        title="Reward fusion",
        description="Also measure what the mean with the rewards of near texts (RewardFusion) changes.",
    )
    contrasts: str = Field(
        default="",
        max_length=500_000,
        title="Contrast pairs",
        description='Two near-identical prompts with different right answers, one pair a line: {"prompt_1", "answer_1", '
        '"prompt_2", "answer_2"}. Empty: each held-out prompt is paired with the most similar other one.',
        json_schema_extra={"multiline": True, "file": True},
    )


class InspectionParameters(Parameters):
    texts: int = Field(default=200, ge=2, title="Texts", description="At most so many responses.")
    steps: int = Field(
        default=300, ge=1, title="Steps", description="Of the optimiser that finds each potential."
    )
