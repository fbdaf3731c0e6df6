"""What RLOO and GRPO share: prompts to answer, a reward of the answers, and a look at prompts that were held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from datasets import Dataset

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.chat import end_ids, load_policy
from training_bridge.policy.config import OnlineParameters, Rates, parameters
from training_bridge.policy.rewards import prompts_of, reward_function
from training_bridge.policy.trl_runs import (
    Follow,
    arguments,
    batches,
    default_rate,
    load_parent,
    save_policy,
    train,
)
from training_bridge.policy.watch import watch_of
from training_bridge.programs import RunDirectory

S = TypeVar("S", bound=OnlineParameters)


def train_online(
    run: RunDirectory,
    kind: type[S],
    trainer_class: Any,
    config_of: Callable[..., Any],
    rates: Rates,
    stage: str,
    updates_of: Callable[[S], int] = lambda settings: 1,
) -> dict[str, Any]:
    """Train with one of TRL's online trainers; `config_of(settings, **common)` makes its configuration.

    Answers that are learned from in several updates are kept in no checkpoint, so checkpoints are made between answers.
    """
    settings = parameters(kind, run.config)
    reward = reward_function(run, settings)
    model, tokenizer, dtype = load_parent(run, settings)
    # TRL answers the prompts of a step only where it has as many different ones, and would learn nothing without a word.
    prompts = prompts_of(run, settings, tokenizer, model, fewest=settings.prompts)
    seed = int(run.config.get("seed") or 0)
    ask = {"n": 2, "max_tokens": settings.max_tokens, "seed": seed}
    before = held_out.answers(model, tokenizer, prompts.held_out, **ask)
    updates = updates_of(settings)
    common = arguments(run, settings, rate=default_rate(model, settings, rates), max_steps=settings.steps)
    common["save_steps"] = -(-settings.checkpoint_steps // updates) * updates
    config = config_of(
        settings,
        **common,
        **batches(settings.prompts * settings.answers),
        beta=settings.beta,
        num_generations=settings.answers,
        max_completion_length=settings.max_tokens,
        temperature=settings.temperature,
        top_p=1.0,
    )
    model.generation_config.eos_token_id = end_ids(model, tokenizer)
    watch = watch_of(run, settings, tokenizer, model, reward, max_tokens=settings.max_tokens)
    follow = Follow(run, stage, every=updates, watch=watch)
    trainer = trainer_class(
        run,
        model=model,
        args=config,
        reward_funcs=reward,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts.learned_on]),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )
    train(trainer, run)
    model = save_policy(trainer, tokenizer, run, settings, dtype)
    if settings.adapter == "prompt":
        model, tokenizer = load_policy(run.path / "result", dtype=dtype)
    after = held_out.answers(model, tokenizer, prompts.held_out, **ask)
    return {
        "prompts": len(prompts.learned_on),
        "prompts_left_out": prompts.left_out,
        "steps": settings.steps,
        "answers": settings.steps * settings.prompts * settings.answers,
        "learning_rate": config.learning_rate,
        **follow.summary(),
        "held_out": held_out.rewards(reward, prompts.held_out, before, after, seed),
    }
