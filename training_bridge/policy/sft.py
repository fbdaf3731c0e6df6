"""Teach a policy to write what people wrote: supervised fine-tuning on the answers of a snapshot.

    python -m training_bridge.policy.sft DIR

DIR/config.json: {"parent": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}} (`config.SFTParameters`). Reads the
snapshot's `prompt_completion` view: demonstrations, accepted edits, refinements; and, if asked, the preferred answers of
comparisons. Trains TRL's SFTTrainer on the tokens of the answers alone, the prompt giving no loss, and leaves `result/`.
Texts stand in rows of their own, padded: packing them into one row is exact only with a kernel for it. Held out are the
snapshot's test rows: nats per token before and after.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.config import SFTParameters, parameters, source
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rows import Row, to_imitate
from training_bridge.policy.trl_runs import (
    Follow,
    InRunDirectory,
    arguments,
    batches,
    default_rate,
    load_parent,
    save_policy,
    train,
)
from training_bridge.policy.watch import watch_of
from training_bridge.programs import Problem, RunDirectory, execute

RATES = (3e-4, 1e-5, 5e-6, 1e-4)  # below 50 M weights, below 2 G, above; adapters
NO_LOSS = -100


class Trainer(InRunDirectory, SFTTrainer):
    """SFT on rows that are tokens already."""

    def __init__(self, run: RunDirectory, **kwargs: Any):
        self.run = run
        super().__init__(**kwargs)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def sft(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(SFTParameters, run.config)
    snapshot, _ = source(run.config, "snapshot")
    model, tokenizer, dtype = load_parent(run, settings)
    how: dict[str, Any] = {"chosen": settings.chosen, "max_length": settings.max_length}
    found = to_imitate(snapshot, "train", tokenizer, **how)
    if len(found.rows) < settings.min_rows:
        raise Problem(
            f"Not enough data: need {settings.min_rows} answers to imitate, have {len(found.rows)}.",
            "Ask for demonstrations or edits, let preferred answers be imitated too, or lower min_rows.",
        )
    tests = to_imitate(snapshot, "test", tokenizer, **how).rows
    texts = [(row.prompt, row.answer) for row in tests]
    before = sums(model, texts)
    steps = max(1, round(len(found.rows) * settings.epochs / settings.batch))
    common = arguments(run, settings, rate=default_rate(model, settings, RATES), max_steps=steps)
    del common["disable_dropout"]  # here the policy is compared with nothing, and keeps what its config says
    config = SFTConfig(
        **common,
        **batches(settings.batch, settings.micro_batch),
        max_length=None,
        packing=False,
    )
    follow = Follow(run, "sft", watch=watch_of(run, settings, tokenizer, model))
    trainer = Trainer(
        run,
        model=model,
        args=config,
        train_dataset=Dataset.from_list([columns(row) for row in found.rows]),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )
    train(trainer, run)
    model = save_policy(trainer, tokenizer, run, settings, dtype)
    seed = int(run.config.get("seed") or 0)
    return {
        "rows": len(found.rows),
        "rows_from": found.views,
        "rows_left_out": found.left_out,
        "steps": steps,
        "learning_rate": config.learning_rate,
        **follow.summary(),
        "held_out": held_out.likelihood(tests, before, sums(model, texts), seed),
    }


def columns(row: Row) -> dict[str, list[int]]:
    """A row as TRL's collator reads it: the answer's tokens are learned, the prompt's are not."""
    return {
        "input_ids": [*row.prompt, *row.answer],
        "labels": [NO_LOSS] * len(row.prompt) + list(row.answer),
    }


if __name__ == "__main__":
    execute(sft)
