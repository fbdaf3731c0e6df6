"""Rewards of answers, for the programs in which a policy answers and learns from how it scores; and the prompts it answers.

A reward is called with prompts and completions, as TRL does, and returns a number for each. It is one of four:

- a reward model directory, normalised to mean 0 and sd 1 over its training data;
- a verifiable function by its name (`tastes.py`);
- a rule that a machine checks (`verifiable.py`), of reinforcement fine-tuning;
- a reward that somebody stated (a proxy): "stated_reward" names a file with {"type", "version", "payload"}, such as a line
  of native/feedback.jsonl; it is brought to sd 1 over the snapshot's responses.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import pstdev
from typing import Any

from feedback_types import registry
from training_bridge.policy.chat import content_of, prompt_ids
from training_bridge.policy.config import RewardedParameters, RFTParameters, source
from training_bridge.policy.prompts import Prompt, of_snapshot, read_prompts
from training_bridge.policy.tastes import TASTES
from training_bridge.policy.verifiable import reward_of_rule
from training_bridge.programs import Problem, RunDirectory

Conversation = list[dict[str, str]]


def reward_function(run: RunDirectory, settings: RewardedParameters) -> Any:
    """What scores the answers: called with prompts and completions, returns a number for each. Raises Problem."""
    if isinstance(settings, RFTParameters):
        return reward_of_rule(settings.kind, settings.rule)
    if run.config.get("stated_reward"):
        return stated_reward(run)
    if not settings.reward:
        from training_bridge.reward_model.score import RewardFunction, Scorer

        path, _ = source(run.config, "reward_model")
        return RewardFunction(Scorer.load(path))
    if settings.reward not in TASTES:
        raise Problem(
            f"There is no reward function {settings.reward!r}.",
            f"Choose one of {', '.join(TASTES)}, or none for the reward model.",
        )
    score = TASTES[settings.reward].score

    def verifiable(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        return [4.0 * (score(content_of(completion)) - 0.5) for completion in completions]

    verifiable.__name__ = settings.reward
    return verifiable


def stated_in(run: RunDirectory) -> Callable[[str], float]:
    """The reward that a stored answer states (`FeedbackType.reward`), as a function of text. Raises Problem."""
    path = Path(run.config["stated_reward"])
    path = path if path.is_absolute() else run.path / path
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        feedback_type = registry.get(row["type"])
        reward = feedback_type.reward(feedback_type.load(row["payload"], row.get("version")))
    except (OSError, ValueError, KeyError, TypeError, registry.UnknownType) as error:
        raise Problem(
            f"{path.name} states no reward that can be read: {error}.",
            'Write {"type", "version", "payload"}.',
        ) from error
    if reward is None:
        raise Problem(
            f"The answer in {path.name} states no reward of texts.", "Choose one with weights or a program."
        )
    return reward


def stated_reward(run: RunDirectory) -> Any:
    """A stated reward as TRL calls it: with completions, brought to sd 1. Raises Problem."""
    reward = stated_in(run)
    scale = spread(run, reward)

    def stated(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        try:
            return [reward(content_of(completion)) / scale for completion in completions]
        except ValueError as error:  # a program that has no value for this text
            raise Problem(
                f"The stated reward cannot score an answer: {error}", "State it for every text."
            ) from error

    return stated


def spread(run: RunDirectory, reward: Callable[[str], float]) -> float:
    """Standard deviation of a stated reward over the snapshot's responses, so that β means the same for every reward; 1
    where there are none or all score alike."""
    if not run.config.get("snapshot"):
        return 1.0
    snapshot, _ = source(run.config, "snapshot")
    texts = snapshot / "native" / "responses.jsonl"
    if not texts.is_file():
        return 1.0
    with texts.open(encoding="utf-8") as file:
        try:
            scores = [reward(json.loads(line)["text"]) for line in file]
        except ValueError as error:
            raise Problem(
                f"The stated reward cannot score a response: {error}", "State it for every text."
            ) from error
    return (pstdev(scores) if len(scores) > 1 else 0.0) or 1.0


# --- The prompts that are answered -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prompts:
    """Conversations that leave room for a whole answer in the policy's context."""

    learned_on: list[Conversation]
    held_out: list[Conversation]  # at most as many as were asked for, from all over; not learned on
    left_out: int  # of those to learn on: too long


def prompts_of(
    run: RunDirectory, settings: RewardedParameters, tokenizer: Any, model: Any, *, fewest: int = 1
) -> Prompts:
    """What a policy answers to learn, and what to be looked at. Raises Problem when there are fewer than `fewest` to learn
    on."""
    found = training_prompts(run)
    fit = fitting(found, tokenizer, model, settings.max_tokens)
    if len(fit) < fewest:
        too_long = len(found) - len(fit)
        raise Problem(
            f"Not enough data: need {fewest} prompts to learn on, have {len(fit)}."
            + (f" Left out: {too_long} that leave no room for an answer." if too_long else ""),
            'Name a snapshot of more prompts, or a file of prompts as "input"; or answer fewer prompts a step.',
        )
    tests = fitting(held_out_prompts(run), tokenizer, model, settings.max_tokens)
    return Prompts(fit, spread_over(tests, settings.held_out), len(found) - len(fit))


def training_prompts(run: RunDirectory) -> list[Conversation]:
    """Conversations to answer, each once."""
    if run.config.get("input"):
        path = Path(run.config["input"])
        return [messages_of(p) for p in read_prompts(path if path.is_absolute() else run.path / path)]
    snapshot, _ = source(run.config, "snapshot")
    return [messages_of(p) for p in of_snapshot(snapshot, "train")]


def messages_of(prompt: Prompt) -> list[dict[str, str]]:
    return [dict(message) for message in prompt.messages]


def fitting(
    prompts: Sequence[Conversation], tokenizer: Any, model: Any, max_tokens: int
) -> list[Conversation]:
    """The prompts that leave room for a whole answer in the policy's context."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
    return [prompt for prompt in prompts if len(prompt_ids(tokenizer, prompt)) + max_tokens <= context]


def held_out_prompts(run: RunDirectory) -> list[Conversation]:
    """Prompts of the snapshot's test side; none where the run names no snapshot."""
    if not run.config.get("snapshot"):
        return []
    snapshot, _ = source(run.config, "snapshot")
    if not (snapshot / "native" / "prompts.jsonl").is_file():
        return []
    return [messages_of(p) for p in of_snapshot(snapshot, "test")]


def spread_over(prompts: Sequence[Conversation], most: int) -> list[Conversation]:
    """At most so many, from all over."""
    if len(prompts) <= most:
        return list(prompts)
    return [prompts[i * len(prompts) // most] for i in range(most)]


def in_turn(n: int, wanted: int, seed: int, turn: int) -> list[int]:
    """Which of n prompts a turn answers: all one after the other, in an order that the seed decides, pass after pass."""
    found: list[int] = []
    place = turn * min(wanted, n)
    while len(found) < min(wanted, n):
        order = list(range(n))
        random.Random(f"{seed}/{place // n}").shuffle(order)
        fresh = order[place % n :][: min(wanted, n) - len(found)]
        found += fresh
        place += len(fresh)
    return found
