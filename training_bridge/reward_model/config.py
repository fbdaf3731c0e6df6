"""What a reward training run is told, each number with its sentence. Imports no torch: a page may build its form from it.

`config.json` of a run directory:

    {"method": "reward_model", "seed": 1, "code_revision": "3f9a0c2",
     "snapshot": {"path": "/data/snapshots/9b1c...", "sha256": "9b1c..."},
     "parent": {"path": "/data/checkpoints/policy-1", "sha256": "77aa..."},
     "parameters": {"objective": "joint", "epochs": 2},
     "resume_from": "/data/runs/17/attempt-1"}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training_bridge.programs import Problem


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainParameters(Parameters):
    objective: Literal["joint", "bradley_terry"] = Field(
        default="joint",
        title="Objective",
        description="Joint: the likelihood of every type, with a rationality and a lapse for each labeler. "
        "Bradley-Terry: preference pairs alone, everybody equally reliable; the baseline.",
    )
    adapter: Literal["full", "lora"] = Field(
        default="full",
        title="What is trained",
        description="All weights, or low-rank adapters that are merged when done (less memory).",
    )
    epochs: float = Field(
        default=3.0, gt=0, le=100, title="Epochs", description="Passes over the training data."
    )
    batch_items: int = Field(
        default=16,
        ge=1,
        title="Items a step",
        description="Screens per optimiser step, each with all of its feedback.",
    )
    pack_tokens: int = Field(
        default=16_384,
        ge=64,
        title="Tokens a pack",
        description="Most tokens run at once; bounds memory, changes nothing learned.",
    )
    max_length: int = Field(
        default=2048,
        ge=16,
        title="Longest text",
        description="In tokens, prompt included. Feedback on longer ones is left out, counted and reported.",
    )
    learning_rate: float = Field(
        default=0.0,
        ge=0,
        title="Learning rate",
        description="0 chooses by size: 2e-3 below 10 M weights, 5e-4 below 50 M, 5e-5 below 500 M, 1e-5 above; LoRA 2e-4.",
    )
    nuisance_rate: float = Field(
        default=0.0,
        ge=0,
        title="Learning rate of reliabilities",
        description="For rationalities, lapses and cutpoints; 0 means ten times the learning rate, and 0.05 at least. "
        "At the network's own rate they would not move (science: half of the gain is lost).",
    )
    warmup: float = Field(
        default=0.1,
        ge=0,
        le=1,
        title="Warm-up",
        description="Share of the steps over which the rate rises; then a cosine to 0.",
    )
    weight_decay: float = Field(
        default=0.01, ge=0, title="Weight decay", description="On matrices of the network only."
    )
    clip: float = Field(
        default=1.0, gt=0, title="Gradient norm", description="Gradients of the network are clipped to it."
    )
    center: float = Field(
        default=0.01,
        ge=0,
        title="Centring",
        description="Weight of (mean reward) squared, which fixes the origin of the reward.",
    )
    correlation: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Correlation within a screen",
        description="Labels from one read repeat each other: n of them count as n / (1 + (n - 1) x this).",
    )
    anchor: str = Field(
        default="",
        title="Anchor type",
        description="The type whose rationality is 1 by definition; empty takes one that compares.",
    )
    rationality_sd: float = Field(
        default=1.0, gt=0, title="Spread of labelers", description="Prior sd of a labeler's log-rationality."
    )
    type_sd: float = Field(
        default=1.0, gt=0, title="Spread of types", description="Prior sd of a type's log-rationality."
    )
    lapse: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        title="Lapse",
        description="Prior median of the share of answers given without looking.",
    )
    lapse_sd: float = Field(
        default=1.0, gt=0, title="Spread of lapses", description="Prior sd of a labeler's lapse, in logits."
    )
    use_margin: bool = Field(
        default=False,
        title="Use margins",
        description="Bradley-Terry only: the stated strength is a margin the rewards must clear.",
    )
    ensemble: int = Field(
        default=1,
        ge=1,
        le=64,
        title="Ensemble",
        description="Reward heads on one network, each seeing the answers with weights of its own (a Bayesian bootstrap). "
        "The reward is their mean; how much they differ says how sure it is. 1 is a single head.",
    )
    augment: bool = Field(
        default=False,
        title="Learn slips too",
        description="ConvexDA: what was said of an answer is also learned of copies of it with slips of the pen, so that "
        "the reward looks less at how a text is spelt. Several times the texts, and the time.",
    )
    lora_rank: int = Field(
        default=16,
        ge=1,
        title="LoRA rank",
        description="Rank of the adapters on all linear layers; alpha is twice the rank.",
    )
    activation_checkpointing: bool = Field(
        default=False, title="Recompute activations", description="A third more time for much less memory."
    )
    share_prompts: bool = Field(
        default=True,
        title="Share prompts",
        description="Run a prompt once for all of its responses in a pack. Exact.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        title="Number format",
        description="Of the weights; auto is float32, or bfloat16 below LoRA on a GPU. A GPU computes in bfloat16.",
    )
    checkpoint_steps: int = Field(
        default=50, ge=1, title="Checkpoint every", description="Optimiser steps between checkpoints."
    )
    min_events: int = Field(
        default=20, ge=1, title="Fewest answers", description="With fewer usable answers training is refused."
    )
    evaluate_epochs: bool = Field(
        default=True, title="Watch held-out data", description="Score the held-out answers after each epoch."
    )


class EvaluateParameters(Parameters):
    split: str = Field(default="test", title="Split", description="The side of the snapshot that is scored.")
    pack_tokens: int = Field(
        default=16_384, ge=64, title="Tokens a pack", description="Most tokens run at once."
    )


class ScoreParameters(Parameters):
    tokens: bool = Field(
        default=False,
        title="Token rewards",
        description="Also write the reward of each token, for a heat map.",
    )
    fusion: bool = Field(
        default=False,
        title="Reward fusion",
        description="Each reward is the mean of its own and of the nearest of the snapshot's texts, weighed by their "
        "likeness: small changes of a text change it less. Needs a snapshot. Rewards of tokens stay as they are.",
    )
    pack_tokens: int = Field(
        default=16_384, ge=64, title="Tokens a pack", description="Most tokens run at once."
    )


class UncertaintyParameters(Parameters):
    pack_tokens: int = Field(
        default=16_384, ge=64, title="Tokens a pack", description="Most tokens run at once."
    )


P = TypeVar("P", bound=Parameters)


def parameters(kind: type[P], config: Mapping[str, Any]) -> P:
    """Hyper-parameters of a run. Raises Problem naming each that is wrong."""
    try:
        return kind.model_validate(dict(config.get("parameters") or {}))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Problem(
            f"The parameters are wrong. {faults}.", "Correct them and start the run again."
        ) from error


def source(config: Mapping[str, Any], name: str) -> tuple[Path, str]:
    """(path, sha256 or "") of what the config calls `name`, which is a path or {"path", "sha256"}.

    Raises Problem when it is not there.
    """
    value = config.get(name)
    path, sha256 = (
        (value.get("path"), value.get("sha256") or "") if isinstance(value, Mapping) else (value, "")
    )
    if not path:
        raise Problem(
            f"The config names no {name.replace('_', ' ')}.", f'Give "{name}": {{"path": …, "sha256": …}}.'
        )
    if not Path(path).is_dir():
        raise Problem(f"There is no {name.replace('_', ' ')} at {path}.", "Check the path, or make it again.")
    return Path(path), sha256
