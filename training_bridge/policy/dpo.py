"""Refresh a policy by direct preference optimisation: straight from the pairs of a snapshot, without a reward model.

    python -m training_bridge.policy.dpo DIR

DIR/config.json: {"parent": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}} (`config.DPOParameters`). Reads the
snapshot's `preference` view (train for learning, test to see whether it generalises), trains TRL's DPOTrainer, and
leaves `result/`, a plain causal LM directory. The loss is -log σ(β (Δ chosen - Δ rejected)), Δ being the log-ratio of
policy to parent: Rafailov et al. (2023), eq. 7. A share of supervised loss on the chosen answers keeps the text
readable: Pang et al. (2024).
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.chat import answer_ids, content_of, prompt_ids
from training_bridge.policy.config import DPOParameters, parameters, source
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rows import Row, read_rows
from training_bridge.policy.trl_runs import (
    Follow,
    InRunDirectory,
    arguments,
    batches,
    default_rate,
    load_parent,
    save_policy,
    shared_sums,
    train,
)
from training_bridge.policy.watch import watch_of
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.measures import share

RATES = (3e-4, 5e-6, 1e-6, 5e-5)  # below 50 M weights, below 2 G, above; LoRA


class Trainer(InRunDirectory, DPOTrainer):
    """DPO on rows that are tokens already, and hold the parent's log-probabilities."""

    def __init__(self, run: RunDirectory, **kwargs: Any):
        self.run = run
        super().__init__(**kwargs)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *args: Any) -> Dataset:
        return dataset


@dataclass(frozen=True)
class Pair:
    """A preference in tokens; answers end with the end token."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


def dpo(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(DPOParameters, run.config)
    snapshot, _ = source(run.config, "snapshot")
    model, tokenizer, dtype = load_parent(run, settings)
    pairs, dropped = read_pairs(snapshot, "train", tokenizer, settings.max_length)
    if len(pairs) < settings.min_pairs:
        raise Problem(
            f"Not enough data: need {settings.min_pairs} preference pairs, have {len(pairs)}.",
            "Collect more comparisons, or lower min_pairs if you know what you do.",
        )
    held_out_pairs, _ = read_pairs(snapshot, "test", tokenizer, settings.max_length)
    before = pair_logprobs(model, held_out_pairs)
    steps = max(1, round(len(pairs) * settings.epochs / settings.batch))
    config = DPOConfig(
        **arguments(run, settings, rate=default_rate(model, settings, RATES), max_steps=steps),
        beta=settings.beta,
        **batches(settings.batch, settings.micro_batch),
        loss_type=["sigmoid", "sft"] if settings.supervised else ["sigmoid"],
        loss_weights=[1.0, settings.supervised] if settings.supervised else None,
        label_smoothing=settings.label_smoothing,
        precompute_ref_log_probs=True,
        max_length=None,
    )
    follow = Follow(run, "dpo", watch=watch_of(run, settings, tokenizer, model))
    trainer = Trainer(
        run,
        model=model,
        args=config,
        train_dataset=Dataset.from_list(columns(pairs, shared_logprobs(model, pairs))),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )
    train(trainer, run)
    model = save_policy(trainer, tokenizer, run, settings, dtype)
    after = pair_logprobs(model, held_out_pairs)
    seed = int(run.config.get("seed") or 0)
    return {
        "pairs": len(pairs),
        "pairs_dropped": dropped,
        "steps": steps,
        "learning_rate": config.learning_rate,
        **follow.summary(),
        "held_out": {
            **generalisation(before, after, held_out_pairs, settings.beta),
            "chosen": chosen_likelihood(before, after, held_out_pairs, seed),
        },
    }


def read_pairs(
    snapshot: Path, split: str, tokenizer: Any, max_length: int
) -> tuple[list[Pair], dict[str, int]]:
    """Pairs of one split of the preference view, and how many rows were left out and why."""
    pairs, dropped = [], {"too_long": 0, "the_same": 0}
    for row in read_rows(snapshot / "preference" / f"{split}.jsonl"):
        chosen, rejected = content_of(row["chosen"]), content_of(row["rejected"])
        if chosen == rejected:
            dropped["the_same"] += 1
            continue
        pair = Pair(
            tuple(prompt_ids(tokenizer, row["prompt"])),
            tuple(answer_ids(tokenizer, chosen)),
            tuple(answer_ids(tokenizer, rejected)),
        )
        if len(pair) > max_length:
            dropped["too_long"] += 1
            continue
        pairs.append(pair)
    return pairs, dropped


def columns(pairs: list[Pair], logprobs: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """Rows as TRL's collator reads them."""
    return [
        {
            "prompt_ids": list(pair.prompt),
            "chosen_ids": list(pair.chosen),
            "rejected_ids": list(pair.rejected),
            "ref_chosen_logps": chosen,
            "ref_rejected_logps": rejected,
        }
        for pair, (chosen, rejected) in zip(pairs, logprobs, strict=True)
    ]


def shared_logprobs(model: Any, pairs: list[Pair]) -> list[tuple[float, float]]:
    """As `pair_logprobs`, each process running its share of the pairs."""
    values = shared_sums(model, [(p.prompt, answer) for p in pairs for answer in (p.chosen, p.rejected)])
    return list(zip(values[::2], values[1::2], strict=True))


def pair_logprobs(model: Any, pairs: Iterable[Pair]) -> list[tuple[float, float]]:
    """(chosen, rejected) log-probability of each pair's answers, in nats."""
    pairs = list(pairs)
    values = sums(model, [(p.prompt, answer) for p in pairs for answer in (p.chosen, p.rejected)])
    return list(zip(values[::2], values[1::2], strict=True))


def generalisation(
    before: list[tuple[float, float]], after: list[tuple[float, float]], pairs: list[Pair], beta: float
) -> dict[str, Any]:
    """Whether pairs not trained on moved the way people preferred; the reward is β (log policy - log parent)."""
    if not pairs:
        return {"pairs": 0}
    margins = [beta * ((new[0] - old[0]) - (new[1] - old[1])) for old, new in zip(before, after, strict=True)]
    right = [0.5 if m == 0 else float(m > 0) for m in margins]
    return {
        "pairs": len(pairs),
        "accuracy": share(right, [p.prompt for p in pairs]),
        "loss": sum(max(-m, 0.0) + math.log1p(math.exp(-abs(m))) for m in margins) / len(margins),
        "margin": sum(margins) / len(margins),
    }


def chosen_likelihood(
    before: list[tuple[float, float]], after: list[tuple[float, float]], pairs: list[Pair], seed: int
) -> dict[str, Any]:
    """Nats per token of the chosen answers before and after: DPO may make both answers of a pair less likely."""
    rows = [Row(pair.prompt, pair.chosen) for pair in pairs]
    old, new = ([chosen for chosen, _ in values] for values in (before, after))
    return held_out.likelihood(rows, old, new, seed)


if __name__ == "__main__":
    execute(dpo)
