"""What RLOO and GRPO share: prompts to answer, a reward of the answers, and a look at prompts that were held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from datasets import Dataset

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.chat import content_of, end_ids, load_policy
from training_bridge.policy.config import OnlineParameters, parameters, source
from training_bridge.policy.prompts import of_snapshot
from training_bridge.policy.rewards import Conversation, fitting, reward_function, training_prompts
from training_bridge.policy.trl_runs import (
    Follow,
    arguments,
    batches,
    default_rate,
    load_parent,
    save_policy,
    show,
    train,
)
from training_bridge.programs import Problem, RunDirectory

SHOWN_STEPS, SHOWN_PROMPTS = 10, 3  # how often a run shows answers, and to how many prompts

S = TypeVar("S", bound=OnlineParameters)


def train_online(
    run: RunDirectory,
    kind: type[S],
    trainer_class: Any,
    config_of: Callable[..., Any],
    rates: tuple[float, float, float, float],
    stage: str,
    updates_of: Callable[[S], int] = lambda settings: 1,
) -> dict[str, Any]:
    """Train with one of TRL's online trainers; `config_of(settings, **common)` makes its configuration.

    Answers that are learned from in several updates are kept in no checkpoint, so checkpoints are made between answers.
    """
    settings = parameters(kind, run.config)
    reward = reward_function(run, settings)
    model, tokenizer, dtype = load_parent(run, settings)
    found = training_prompts(run)
    prompts = fitting(found, tokenizer, model, settings.max_tokens)
    if not prompts:
        raise Problem(
            "There are no prompts to learn on.", 'Name a snapshot, or a file of prompts as "input".'
        )
    tests = spread_over(
        fitting(held_out_prompts(run), tokenizer, model, settings.max_tokens), settings.held_out
    )
    seed = int(run.config.get("seed") or 0)
    ask = {"n": 2, "max_tokens": settings.max_tokens, "seed": seed}
    before = held_out.answers(model, tokenizer, tests, **ask)
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
    follow = Follow(run, stage, every=updates)
    trainer = trainer_class(
        run,
        model=model,
        args=config,
        reward_funcs=Shown(reward, run, settings),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )
    train(trainer, run)
    model = save_policy(trainer, tokenizer, run, settings, dtype)
    if settings.adapter == "prompt":
        model, tokenizer = load_policy(run.path / "result", dtype=dtype)
    after = held_out.answers(model, tokenizer, tests, **ask)
    return {
        "prompts": len(prompts),
        "prompts_left_out": len(found) - len(prompts),
        "steps": settings.steps,
        "answers": settings.steps * settings.prompts * settings.answers,
        "learning_rate": config.learning_rate,
        **follow.summary(),
        "held_out": held_out.rewards(reward, tests, before, after, seed),
    }


class Shown:
    """A reward that tells the run's page, now and then, what it scored: the first answer to a few prompts."""

    def __init__(self, reward: Any, run: RunDirectory, settings: OnlineParameters):
        self.reward, self.run = reward, run
        self.every, self.answers = max(1, settings.steps // SHOWN_STEPS), settings.answers
        self.__name__ = reward.__name__  # TRL logs rewards under it

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        rewards: list[float] = self.reward(prompts, completions, **columns)
        step = columns["trainer_state"].global_step + 1  # TRL's, which a resumed run goes on with
        if step % self.every == 0 or step == 1:
            for i in range(0, len(prompts), self.answers)[:SHOWN_PROMPTS]:
                show(self.run, step, prompts[i][-1]["content"], content_of(completions[i]), rewards[i])
        return rewards


def held_out_prompts(run: RunDirectory) -> list[Conversation]:
    """Prompts of the snapshot's test side; none where the run names no snapshot."""
    if not run.config.get("snapshot"):
        return []
    snapshot, _ = source(run.config, "snapshot")
    if not (snapshot / "native" / "prompts.jsonl").is_file():
        return []
    return [[dict(m) for m in prompt.messages] for prompt in of_snapshot(snapshot, "test")]


def spread_over(prompts: Sequence[Conversation], most: int) -> list[Conversation]:
    """At most so many, from all over."""
    if len(prompts) <= most:
        return list(prompts)
    return [prompts[i * len(prompts) // most] for i in range(most)]
