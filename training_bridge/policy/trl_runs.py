"""What the programs that refresh a policy through TRL share: a trainer that lives in a run directory.

TRL's checkpoint (weights, optimiser, schedule, random state, trainer state) becomes a checkpoint of the run: hashed,
renamed when whole, without the pickle of its arguments. Resumed from it, a run repeats the losses of one that was never
stopped. Prompts and answers reach TRL as token ids, so no text of theirs can pose as a control token.
"""

from __future__ import annotations

import logging
import math
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import (
    AutoConfig,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from training_bridge.policy.adapters import is_soft_prompt
from training_bridge.policy.chat import load_policy
from training_bridge.policy.config import LearningParameters, Rates, policy_source, rate_for
from training_bridge.policy.lineage import write_lineage
from training_bridge.policy.logprobs import Pair, sums
from training_bridge.policy.sharding import gathered, tell_accelerate
from training_bridge.policy.watch import Watch
from training_bridge.programs import Problem, RunDirectory, directory_sha256
from training_bridge.reward_model.sharding import is_asked_for, is_spread

log = logging.getLogger("whetstone")

# Files of a TRL checkpoint that are not kept: a pickle, and a card about a model that nobody has yet.
NOT_KEPT = ("training_args.bin", "README.md")

# Names under which TRL's numbers appear in status.jsonl and on the pages.
METRICS = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "entropy": "entropy",
    "kl": "kl",
    "reward": "reward",
    "reward_std": "reward_sd",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "logps/chosen": "logprob_chosen",
    "logps/rejected": "logprob_rejected",
    "completions/mean_length": "tokens",
    "completions/clipped_ratio": "cut_share",
    "mean_token_accuracy": "token_accuracy",
    "clip_ratio/region_mean": "clipped",
}


# What torch says where a token is to be drawn from such numbers.
NO_PROBABILITIES = "probability tensor contains either `inf`, `nan`"


class InRunDirectory:
    """Mixed into a TRL trainer: its checkpoints become those of the run."""

    run: RunDirectory

    def create_accelerator_and_postprocess(self) -> None:
        tell_accelerate()
        super().create_accelerator_and_postprocess()  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        self.accelerator.wait_for_everyone()  # type: ignore[attr-defined]
        if self.run.writes:
            step = self.state.global_step  # type: ignore[attr-defined]
            made = Path(self.args.output_dir) / f"checkpoint-{step}"  # type: ignore[attr-defined]
            with self.run.checkpoint(step) as folder:
                for path in made.iterdir():
                    if path.name not in NOT_KEPT:
                        path.rename(folder / path.name)
            shutil.rmtree(made)
        self.accelerator.wait_for_everyone()  # type: ignore[attr-defined]

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The policy's card is its lineage, written with the result."""


class Follow(TrainerCallback):
    """Tells how far the training is, shows answers on the way, stops when asked, and refuses numbers that are none.

    With `every` it stops after every so many steps alone: between them there is something that no checkpoint holds.
    """

    def __init__(self, run: RunDirectory, stage: str, every: int = 1, watch: Watch | None = None):
        self.run, self.stage, self.every, self.watch = run, stage, every, watch
        self.begun, self.steps = (
            0,
            0,
        )  # steps of earlier trainers of this run, and of all of them; 0: there is one
        self.history: list[dict[str, float]] = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        metrics = {METRICS[name]: value for name, value in (logs or {}).items() if name in METRICS}
        if "loss" not in metrics:
            return
        if not math.isfinite(metrics["loss"]) or not math.isfinite(metrics.get("gradient_norm", 0.0)):
            raise Problem(
                f"Training broke at step {self.begun + state.global_step}: the loss is {metrics['loss']}.",
                "Lower the learning rate, or raise beta; the last checkpoint is from before.",
            )
        step, steps = self.begun + state.global_step, self.steps or state.max_steps
        self.history.append({"step": step, **metrics})
        self.run.report(step=step, steps=steps, stage=self.stage, metrics=metrics)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())
        log.info("step %d of %d: %s", step, steps, shown)

    def summary(self) -> dict[str, Any]:
        """The first and the last tenth of the steps of this attempt, averaged, for metrics.json."""
        tenth = max(1, len(self.history) // 10)
        return {
            name: {key: mean([row[key] for row in rows if key in row]) for key in rows[0] if key != "step"}
            for name, rows in (("first", self.history[:tenth]), ("last", self.history[-tenth:]))
            if rows
        }

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if is_asked_for() and not any(map(is_spread, kwargs["model"].parameters())):
            raise Problem(
                "The weights are not spread over the processes, though the launcher asked for it.",
                "Start it with accelerate launch --use_fsdp --fsdp_version 2, or without --use_fsdp.",
            )
        if self.watch is not None and state.global_step == 0:
            self.watch.look(kwargs["model"], self.begun)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        step = self.begun + state.global_step
        if self.watch is not None:
            self.watch.look(kwargs["model"], step, is_last=step == (self.steps or state.max_steps))
        self.stop_if_asked(state.global_step, control)
        return control

    def stop_if_asked(self, step: int, control: TrainerControl) -> None:
        if self.run.stopping and step % self.every == 0:
            control.should_save = control.should_training_stop = True


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def load_parent(run: RunDirectory, settings: LearningParameters) -> tuple[Any, Any, torch.dtype]:
    """(model to train, tokenizer, number format of the parent's weights).

    Weights that are trained are float32, so that small steps are not rounded away; below an adapter on a GPU they are
    bfloat16.
    """
    place = policy_source(run.config)
    if is_soft_prompt(place):
        raise Problem(
            "The policy to start from is a soft prompt, which nothing can be trained on.",
            "Start from the policy that it belongs to.",
        )
    cuda = torch.cuda.is_available()
    dtype = torch.bfloat16 if cuda and settings.adapter != "full" else torch.float32
    model, tokenizer = load_policy(place, dtype=dtype)
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        log.info("The tokenizer pads with its end token; padding is masked, so this changes nothing.")
    stored = AutoConfig.from_pretrained(place, trust_remote_code=False).dtype
    return model, tokenizer, stored if isinstance(stored, torch.dtype) else torch.float32


def arguments(
    run: RunDirectory, settings: LearningParameters, *, rate: float, max_steps: int
) -> dict[str, Any]:
    """What every TRL config is told: offline, silent, checkpoints in the run directory, settings of the machine."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    datasets.disable_progress_bars()
    cuda = torch.cuda.is_available()
    seed = int(run.config.get("seed") or 0)
    return {
        "output_dir": str(run.path / "trl"),
        "seed": seed,
        "data_seed": seed,
        "learning_rate": rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(settings.warmup * max_steps),
        "max_steps": max_steps,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "use_cpu": not cuda,
        "bf16": cuda,
        "gradient_checkpointing": settings.activation_checkpointing,
        "dataloader_pin_memory": cuda,
        "disable_dropout": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": settings.checkpoint_steps,
        "report_to": "none",
        "disable_tqdm": True,
    }


def batches(size: int, at_once: int = 0) -> dict[str, Any]:
    """How one optimiser step of `size` examples is cut over processes and, `at_once` in each, over time.

    Raises: Problem when it cannot be cut evenly, since unequal parts would not weigh the same.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(size, processes)
    at_once = at_once or share
    if rest or not share or share % at_once:
        raise Problem(
            f"A step of {size} cannot be cut evenly over {processes} processes, {at_once} at once.",
            "Choose sizes that divide each other.",
        )
    return {"per_device_train_batch_size": at_once, "gradient_accumulation_steps": share // at_once}


def train(trainer: Any, run: RunDirectory, *, resume: bool = True) -> None:
    """Train, from the newest checkpoint if there is one and `resume`.

    Raises Stopped after saving when the program was asked to stop.
    """
    trainer.remove_callback(PrinterCallback)  # it prints what Follow tells already
    newest = run.newest_checkpoint() if resume else None
    if newest is not None:
        log.info("Going on from %s", newest.name)
    try:
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    except RuntimeError as error:
        if NO_PROBABILITIES not in str(error):
            raise
        raise Problem(
            f"Training broke at step {trainer.state.global_step + 1}: the policy gives numbers that are none, and cannot "
            "answer.",
            "Lower the learning rate, or start from a policy whose weights are whole.",
        ) from error
    run.stop_if_asked(lambda: None)  # the trainer has saved


def save_policy(
    trainer: Any, tokenizer: Any, run: RunDirectory, settings: LearningParameters, dtype: torch.dtype
) -> Any:
    """Write `result/`: adapters merged, in the number format of the parent; of a soft prompt its vectors alone.

    Returns the model as it is after training.
    """
    is_whole = settings.adapter == "full" and not is_asked_for()
    state = trainer.accelerator.get_state_dict(trainer.model) if is_whole else None
    return write_policy(merged(trainer, settings), state, tokenizer, run, settings, dtype)


def write_policy(
    model: Any,
    state: Mapping[str, torch.Tensor] | None,
    tokenizer: Any,
    run: RunDirectory,
    settings: LearningParameters,
    dtype: torch.dtype,
) -> Any:
    """As `save_policy`, of a model that no trainer holds; `state` are its weights where they are spread over processes."""
    for name, weights in model.named_parameters():
        if not torch.isfinite(weights).all():
            raise Problem(
                f"Training broke: {name} holds numbers that are none.",
                "Lower the learning rate, or raise beta.",
            )
    if settings.adapter == "prompt":
        save_soft_prompt(model, tokenizer, run, settings)
    else:
        need = sum(p.numel() for p in model.parameters()) * dtype.itemsize
        with run.result(need_bytes=need) as folder:
            if run.writes:
                kept = state if state is not None else model.state_dict()
                model.config.dtype = dtype
                model.save_pretrained(folder, state_dict={name: w.to(dtype) for name, w in kept.items()})
                tokenizer.save_pretrained(folder)
                write_lineage(folder, run, kind="policy", settings=settings)
    shutil.rmtree(run.path / "trl", ignore_errors=True)
    return model.eval()


def merged(trainer: Any, settings: LearningParameters) -> Any:
    """The trained model, low-rank adapters merged into it."""
    if is_asked_for():
        fresh, _, _ = load_parent(trainer.run, settings)
        model = gathered(trainer, fresh, settings)
    else:
        model = trainer.accelerator.unwrap_model(trainer.model)
    return model.merge_and_unload() if settings.adapter in ("lora", "dora") else model


def save_soft_prompt(model: Any, tokenizer: Any, run: RunDirectory, settings: LearningParameters) -> None:
    """`result/` of a soft prompt: its vectors as peft writes them, and the hash of the policy it belongs to."""
    place = policy_source(run.config)
    given = run.config["parent"]
    sha256 = given.get("sha256") if isinstance(given, Mapping) else ""
    if not sha256 and Path(place).is_dir():
        sha256 = directory_sha256(Path(place))
    with run.result() as folder:
        if run.writes:
            model.peft_config["default"].base_model_name_or_path = place
            model.save_pretrained(folder)
            (folder / "README.md").unlink(missing_ok=True)  # a card about a model that nobody has yet
            tokenizer.save_pretrained(folder)
            base = {"base": {"sha256": sha256}} if sha256 else {}
            write_lineage(folder, run, kind="policy", settings=settings, **base)


def shared_sums(model: Any, texts: list[Pair]) -> list[float]:
    """Log-probability of each answer given its prompt, in nats; each process runs its share."""
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    ours = sums(model, texts[rank::processes])
    if processes == 1:
        return ours
    everybody: list[Any] = [None] * processes
    torch.distributed.all_gather_object(everybody, ours)
    return [everybody[i % processes][i // processes] for i in range(len(texts))]


def default_rate(model: Any, settings: LearningParameters, rates: Rates) -> float:
    """The learning rate asked for, else the one for a policy of this size and for what is trained of it."""
    return rate_for(settings, weights_of(model), rates)


def weights_of(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def shuffled(rows: list[Any], seed: int) -> list[Any]:
    """A copy in an order that the seed decides."""
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows
