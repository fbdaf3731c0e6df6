"""Refresh a policy from answers that were judged by themselves, good or bad: Kahneman-Tversky optimisation.

    python -m training_bridge.policy.kto DIR

DIR/config.json: {"parent": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}} (`config.KTOParameters`). Reads the
snapshot's `unpaired` view; a preference counts as one good and one bad answer where there is nothing else, or if asked.
Trains TRL's KTOTrainer and leaves `result/`. With r the log-ratio of policy to parent of an answer, and z that of the other
answers of its batch to prompts they do not belong to, the loss of a good answer is 1 - σ(β (r - z)), of a bad one
1 - σ(β (z - r)): Ethayarajh et al. (2024), eq. 7 and 8.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import KTOConfig, KTOTrainer

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.config import KTOParameters, parameters, source
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rows import Row, judged
from training_bridge.policy.trl_runs import (
    Follow,
    InRunDirectory,
    arguments,
    batches,
    default_rate,
    load_parent,
    save_policy,
    shared_sums,
    shuffled,
    train,
)
from training_bridge.policy.watch import watch_of
from training_bridge.programs import Problem, RunDirectory, execute

RATES = (3e-4, 5e-6, 1e-6, 5e-5)  # below 50 M weights, below 2 G, above; adapters


class Trainer(InRunDirectory, KTOTrainer):
    """KTO on rows that are tokens already, and hold the parent's log-probabilities."""

    def __init__(self, run: RunDirectory, **kwargs: Any):
        self.run = run
        super().__init__(**kwargs)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *args: Any) -> Dataset:
        return dataset


def kto(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(KTOParameters, run.config)
    snapshot, _ = source(run.config, "snapshot")
    model, tokenizer, dtype = load_parent(run, settings)
    how: dict[str, Any] = {"pairs": settings.pairs, "max_length": settings.max_length}
    found = judged(snapshot, "train", tokenizer, **how)
    good = sum(row.is_good for row in found.rows)
    bad = len(found.rows) - good
    if len(found.rows) < settings.min_rows or not good or not bad:
        raise Problem(
            f"Not enough data: need {settings.min_rows} judged answers, some good and some bad, have {good} good and "
            f"{bad} bad ones.",
            "Ask for ratings or for stops, let preferences count, or lower min_rows.",
        )
    sizes = batches(settings.batch, settings.micro_batch)
    at_once = sizes["per_device_train_batch_size"]
    if at_once < 2:
        raise Problem(
            "KTO compares the answers that are run at once, so there must be two.", "Raise micro_batch."
        )
    tests = judged(snapshot, "test", tokenizer, **how).rows
    texts = [(row.prompt, row.answer) for row in tests]
    before = sums(model, texts)
    seed = int(run.config.get("seed") or 0)
    steps = max(1, round(len(found.rows) * settings.epochs / settings.batch))
    rows = in_order(found.rows, steps * settings.batch, seed)
    config = KTOConfig(
        **arguments(run, settings, rate=default_rate(model, settings, RATES), max_steps=steps),
        **sizes,
        **(weights(good, bad) if settings.balance else {}),
        beta=settings.beta,
        precompute_ref_log_probs=True,
        max_length=None,
    )
    follow = Follow(run, "kto", watch=watch_of(run, settings, tokenizer, model))
    trainer = Trainer(
        run,
        model=model,
        args=config,
        train_dataset=Dataset.from_list(columns(model, rows, at_once)),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )
    train(trainer, run)
    model = save_policy(trainer, tokenizer, run, settings, dtype)
    rewards = [settings.beta * (b - a) for a, b in zip(before, sums(model, texts), strict=True)]
    return {
        "rows": len(found.rows),
        "good": good,
        "bad": bad,
        "rows_from": found.views,
        "rows_left_out": found.left_out,
        "steps": steps,
        "learning_rate": config.learning_rate,
        **follow.summary(),
        "held_out": held_out.separation(tests, rewards, seed),
    }


def in_order(rows: Sequence[Row], n: int, seed: int) -> list[Row]:
    """n rows, pass after pass, each in an order of its own: TRL runs them as they stand, since neighbours share a z."""
    found: list[Row] = []
    while len(found) < n:
        found += shuffled(list(rows), seed + len(found))
    return found[:n]


def weights(good: int, bad: int) -> dict[str, Any]:
    """Weights of good and bad answers that make both count the same in total; the more frequent kind has 1."""
    return {"desirable_weight": max(1.0, bad / good), "undesirable_weight": max(1.0, good / bad)}


def columns(model: Any, rows: Sequence[Row], at_once: int) -> list[dict[str, Any]]:
    """Rows as TRL's collator reads them; those run at once pass their answers on in a circle, for z."""
    others = [
        rows[start + (i - 1) % len(part)].answer
        for start in range(0, len(rows), at_once)
        for part in [rows[start : start + at_once]]
        for i in range(len(part))
    ]
    texts = [(row.prompt, row.answer) for row in rows]
    texts += [(row.prompt, other) for row, other in zip(rows, others, strict=True)]
    unique = list(dict.fromkeys(texts))
    known = dict(zip(unique, shared_sums(model, unique), strict=True))  # type: ignore[arg-type]
    return [
        {
            "prompt_ids": list(row.prompt),
            "completion_ids": list(row.answer),
            "KL_completion_ids": list(other),
            "label": row.is_good,
            "ref_logps": known[row.prompt, row.answer],
            "ref_KL_logps": known[row.prompt, other],
        }
        for row, other in zip(rows, others, strict=True)
    ]


if __name__ == "__main__":
    execute(kto)
