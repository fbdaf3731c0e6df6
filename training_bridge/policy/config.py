"""What the policy programs are told, each number with its sentence. Imports no torch: a page may build its form from it.

`config.json` of a run directory is as in `reward_model/config.py`:

    {"method": "dpo", "seed": 1, "snapshot": {"path": …, "sha256": …}, "parent": {"path": …, "sha256": …},
     "parameters": {"epochs": 4}}

A policy is a directory or a hub id; `policy_source` reads either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from training_bridge.programs import Problem
from training_bridge.reward_model.config import Parameters
from training_bridge.reward_model.config import parameters as parameters
from training_bridge.reward_model.config import source as source


class PretrainParameters(Parameters):
    vocabulary: int = Field(
        default=3072, ge=300, title="Vocabulary", description="Tokens of the byte-level BPE."
    )
    width: int = Field(default=256, ge=16, title="Width", description="Hidden size.")
    layers: int = Field(default=2, ge=1, title="Layers", description="Transformer blocks.")
    heads: int = Field(
        default=4, ge=1, title="Heads", description="Attention heads; half as many for keys and values."
    )
    inner: int = Field(default=768, ge=16, title="Inner width", description="Of the feed-forward blocks.")
    steps: int = Field(default=430, ge=1, title="Steps", description="Optimiser steps.")
    batch: int = Field(default=48, ge=1, title="Batch", description="Question-answer pairs a step.")
    matrix_rate: float = Field(
        default=0.02,
        gt=0,
        title="Learning rate of matrices",
        description="Of Muon, on the matrices of the blocks.",
    )
    other_rate: float = Field(
        default=0.01, gt=0, title="Learning rate of the rest", description="Of Adam, on embeddings and norms."
    )
    checkpoint_steps: int = Field(
        default=200, ge=1, title="Checkpoint every", description="Steps between checkpoints."
    )


class SamplingParameters(Parameters):
    temperature: float = Field(
        default=1.0,
        ge=0,
        le=10,
        title="Temperature",
        description="1 as the policy is; lower is more alike; 0 always the most probable word.",
    )
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        title="Top p",
        description="The least probable tokens beyond this share of the probability are never chosen.",
    )
    min_p: float = Field(
        default=0.04,
        ge=0,
        lt=1,
        title="Min p",
        description="Tokens less probable than this share of the most probable one are never chosen: it cuts off slips "
        "and keeps the variety that top p would cut where many words are possible.",
    )
    top_k: int = Field(
        default=0, ge=0, title="Top k", description="So many most probable tokens may be chosen; 0 means all."
    )
    max_tokens: int = Field(
        default=256, ge=1, le=32_768, title="Longest answer", description="In tokens; a longer one is cut."
    )


class SampleParameters(SamplingParameters):
    n: int = Field(
        default=2, ge=1, le=64, title="Candidates", description="Different answers to each prompt."
    )
    batch: int = Field(default=64, ge=1, title="Batch", description="Answers written at once; bounds memory.")
    retries: int = Field(
        default=4,
        ge=0,
        le=100,
        title="Asked again",
        description="Times a repeated or empty answer is asked for again.",
    )


Adapter = Literal["full", "lora", "dora", "prompt"]


class LearningParameters(Parameters):
    """What every program is told that trains a policy."""

    adapter: Adapter = Field(
        default="full",
        title="What is trained",
        description="All weights; low-rank adapters (LoRA, or DoRA, which also learns how long each weight vector is) that "
        "are merged when done; or a soft prompt of a few vectors before every text, kept beside the policy it belongs to.",
    )
    lora_rank: int = Field(
        default=16,
        ge=1,
        title="Rank",
        description="Rank of LoRA's and DoRA's adapters on all linear layers; alpha is twice the rank.",
    )
    prompt_tokens: int = Field(
        default=16, ge=1, le=1024, title="Soft prompt", description="Vectors of a soft prompt."
    )
    learning_rate: float = Field(
        default=0.0, ge=0, title="Learning rate", description="0 chooses by size and by what is trained."
    )
    warmup: float = Field(
        default=0.1,
        ge=0,
        le=1,
        title="Warm-up",
        description="Share of the steps over which the rate rises; then straight down to 0.",
    )
    checkpoint_steps: int = Field(
        default=50, ge=1, title="Checkpoint every", description="Optimiser steps between checkpoints."
    )
    activation_checkpointing: bool = Field(
        default=False, title="Recompute activations", description="A third more time for much less memory."
    )


# Of a method: below SMALL weights, below LARGE, above; and of low-rank adapters from SMALL on.
Rates = tuple[float, float, float, float]

SMALL, LARGE = 50e6, 2e9  # weights
# Below SMALL, times the method's rate of all weights. Measured: docs/policy.md, "The learning rate".
SMALL_TIMES = {"full": 1.0, "lora": 3.0, "dora": 3.0}
SOFT_PROMPT_RATE = 0.03  # of every method, for every size


def rate_for(settings: LearningParameters, weights: int, rates: Rates) -> float:
    """The learning rate that was asked for, else one for a policy of so many weights and for what is trained of it."""
    if settings.learning_rate:
        return settings.learning_rate
    if settings.adapter == "prompt":
        return SOFT_PROMPT_RATE
    small, middle, large, low_rank = rates
    if weights < SMALL:
        return small * SMALL_TIMES[settings.adapter]
    if settings.adapter != "full":
        return low_rank
    return middle if weights < LARGE else large


class RefreshParameters(LearningParameters):
    beta: float = Field(
        default=0.1,
        gt=0,
        title="Beta",
        description="How strongly the policy is held to the one it starts from. Higher stays closer.",
    )


class OfflineParameters(LearningParameters):
    """Of the methods that learn from the rows of a snapshot."""

    epochs: float = Field(default=3.0, gt=0, le=100, title="Epochs", description="Passes over the rows.")
    batch: int = Field(default=8, ge=1, title="Rows a step", description="Rows per optimiser step.")
    micro_batch: int = Field(
        default=0,
        ge=0,
        title="Rows at once",
        description="Rows run at the same time; bounds memory, changes nothing learned. 0 runs a whole step.",
    )
    max_length: int = Field(
        default=2048,
        ge=16,
        title="Longest text",
        description="In tokens, prompt included. Longer rows are left out, counted and reported.",
    )


class SFTParameters(OfflineParameters):
    chosen: Literal["never", "without_others", "always"] = Field(
        default="without_others",
        title="Imitate preferred answers",
        description="Whether the preferred answers of comparisons are imitated too: only where nobody wrote or edited "
        "one, always, or never.",
    )
    min_rows: int = Field(
        default=20, ge=1, title="Fewest rows", description="With fewer rows training is refused."
    )


class KTOParameters(OfflineParameters, RefreshParameters):
    batch: int = Field(default=16, ge=2, title="Rows a step", description="Rows per optimiser step.")
    pairs: Literal["never", "without_others", "always"] = Field(
        default="without_others",
        title="Use preferences",
        description="Whether a preference counts as one good and one bad answer: only where no answer was judged by "
        "itself, always, or never.",
    )
    balance: bool = Field(
        default=True,
        title="Balance good and bad",
        description="Weighs the rarer of good and bad answers up, so that both count the same in total.",
    )
    min_rows: int = Field(
        default=20, ge=2, title="Fewest rows", description="With fewer rows training is refused."
    )


class DPOParameters(RefreshParameters):
    epochs: float = Field(default=3.0, gt=0, le=100, title="Epochs", description="Passes over the pairs.")
    batch: int = Field(default=8, ge=1, title="Pairs a step", description="Pairs per optimiser step.")
    micro_batch: int = Field(
        default=0,
        ge=0,
        title="Pairs at once",
        description="Pairs run at the same time; bounds memory, changes nothing learned. 0 runs a whole step.",
    )
    supervised: float = Field(
        default=0.3,
        ge=0,
        title="Supervised share",
        description="Weight of the likelihood of the chosen answers beside the preference loss; keeps the text readable.",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=0.5,
        title="Label smoothing",
        description="Share of the preferences believed to be mistaken.",
    )
    max_length: int = Field(
        default=2048,
        ge=16,
        title="Longest text",
        description="In tokens, prompt included. Longer pairs are left out, counted and reported.",
    )
    min_pairs: int = Field(
        default=20, ge=1, title="Fewest pairs", description="With fewer pairs training is refused."
    )


class RewardedParameters(RefreshParameters):
    """Of the methods in which the policy answers and a reward scores."""

    reward: str = Field(
        default="",
        title="Reward function",
        description="Empty uses the reward model; or a verifiable taste by its name, such as warm or short.",
    )
    stated_reward: int = Field(
        default=0,
        ge=0,
        title="Stated reward",
        description="Number of a feedback row in which somebody stated a reward (a proxy), which then stands in for the "
        "reward model; 0 for none.",
    )
    prompts: int = Field(
        default=8, ge=1, title="Prompts a step", description="Prompts that are answered in each step."
    )
    answers: int = Field(
        default=8, ge=2, title="Answers a prompt", description="Each is compared with the mean of the others."
    )
    temperature: float = Field(
        default=1.0, gt=0, le=10, title="Temperature", description="Of the answers that are learned from."
    )
    max_tokens: int = Field(
        default=128, ge=1, le=32_768, title="Longest answer", description="In tokens; a longer one is cut."
    )
    held_out: int = Field(
        default=40,
        ge=0,
        title="Held-out prompts",
        description="Prompts not learned on that are answered before and after, to see what the reward says; 0 for none.",
    )


class OnlineParameters(RewardedParameters):
    steps: int = Field(default=40, ge=1, title="Steps", description="Optimiser steps, each on fresh answers.")


class RLOOParameters(OnlineParameters):
    pass


class GRPOParameters(OnlineParameters):
    scale: Literal["group", "batch", "none"] = Field(
        default="group",
        title="Scale of rewards",
        description="An answer's reward less the mean of its prompt's answers is divided by the standard deviation of these "
        "answers (as in the paper), of the whole step, or by nothing, which gives easy and hard prompts no extra weight.",
    )
    updates: int = Field(
        default=1,
        ge=1,
        le=16,
        title="Updates an answer",
        description="Optimiser steps on the same answers, with clipped ratios.",
    )
    clip: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        title="Clip",
        description="How far the probability of a token may move in one round of answers, as a ratio.",
    )


class RFTParameters(OnlineParameters):
    kind: Literal["expression", "regex", "tests"] = Field(
        default="regex",
        title="Kind of rule",
        description="An expression over features of a text, in the language of proxy rewards; a regular expression to be "
        "found in it; or Python tests that the code of an answer is to pass.",
    )
    rule: str = Field(
        default="",
        max_length=20_000,
        title="Rule",
        description="The expression, the regular expression, or the tests: assert lines, or functions named test_….",
        json_schema_extra={"multiline": True},
    )
    optimiser: Literal["rloo", "grpo"] = Field(
        default="rloo",
        title="Learned from by",
        description="How answers are weighed: each against the mean of the others, or by its place in its group.",
    )


class OnlineDPOParameters(RewardedParameters):
    adapter: Literal["full", "lora", "dora"] = Field(
        default="full",
        title="What is trained",
        description="All weights, or low-rank adapters that are merged after each iteration.",
    )
    iterations: int = Field(
        default=6,
        ge=1,
        le=1000,
        title="Iterations",
        description="Times the policy answers, the reward ranks its answers, and the policy learns from the pairs.",
    )
    prompts: int = Field(
        default=64,
        ge=1,
        title="Prompts an iteration",
        description="Prompts that are answered in each iteration.",
    )
    answers: int = Field(
        default=4,
        ge=2,
        le=64,
        title="Answers a prompt",
        description="Of which a better and a worse one are taken.",
    )
    pairing: Literal["best_worst", "bradley_terry"] = Field(
        default="best_worst",
        title="Pairs",
        description="The best answer to a prompt against the worst; or two at random, the better one drawn with the "
        "probability that the reward gives it (Bradley-Terry), which keeps close calls close.",
    )
    reference: Literal["parent", "previous"] = Field(
        default="previous",
        title="Held to",
        description="The policy of the iteration before, so that it may go on moving; or the one that the run starts from.",
    )
    batch: int = Field(default=8, ge=1, title="Pairs a step", description="Pairs per optimiser step.")
    passes: int = Field(default=1, ge=1, le=20, title="Passes", description="Over the pairs of an iteration.")
    supervised: float = Field(
        default=0.1,
        ge=0,
        title="Supervised share",
        description="Weight of the likelihood of the better answers beside the preference loss.",
    )
    checkpoint_steps: int = Field(
        default=1,
        ge=1,
        title="Checkpoint every",
        description="Optimiser steps between checkpoints, which are made between iterations.",
    )


class ComparisonParameters(SamplingParameters):
    prompts: int = Field(
        default=150, ge=2, title="Prompts", description="At most so many, spread over what there is."
    )
    n: int = Field(default=2, ge=1, le=64, title="Answers a prompt", description="Of each policy.")
    batch: int = Field(default=64, ge=1, title="Batch", description="Answers written at once; bounds memory.")
    tastes: list[str] = Field(
        default=[],
        title="Tastes",
        description="Further judges beside the reward model, by name, such as warm.",
    )


def policy_source(config: Mapping[str, Any], name: str = "parent") -> str:
    """Where a policy is: a directory as an absolute path, or a hub id as it stands. Raises Problem when it is neither."""
    value = config.get(name)
    place = value.get("path") if isinstance(value, Mapping) else value
    if not place or not isinstance(place, str):
        raise Problem(f"The config names no {name}.", f'Give "{name}": {{"path": a directory or a hub id}}.')
    if Path(place).is_dir():
        return str(Path(place).resolve())
    if place.startswith(("/", ".", "~")) or place.count("/") > 1:
        raise Problem(f"There is no policy at {place}.", "Check the path, or make it again.")
    return place
