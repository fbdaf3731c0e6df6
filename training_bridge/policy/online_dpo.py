"""Refresh a policy against a reward by preferences among its own answers: online, iterated DPO.

    python -m training_bridge.policy.online_dpo DIR

DIR/config.json: {"parent": {…}, "reward_model": {…}, "snapshot": {…}, "seed": 1, "parameters": {…}}
(`config.OnlineDPOParameters`). Prompts and rewards are those of `rewards.py`. Each iteration

    1. the policy as it is now answers some prompts, k times each;
    2. the reward ranks the answers: the best against the worst, or two at random by Bradley-Terry;
    3. TRL's DPOTrainer learns from these pairs, with the log-probabilities of the policy before the iteration (or of the
       one the run starts from) as its reference.

Sources: Guo et al. (2024), direct alignment from online feedback; Xu et al. (2023) and Dong et al. (2024), iterated DPO.
Checkpoints are made between iterations and hold the weights; each iteration begins with a fresh optimiser and follows from
the seed and its number, so a run that was killed ends as one that was not.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

import copy
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from safetensors.torch import load_model, save_model
from transformers import TrainerControl
from trl import DPOConfig

from training_bridge.policy import held_out
from training_bridge.policy.adapters import peft_config
from training_bridge.policy.chat import prompt_ids
from training_bridge.policy.config import OnlineDPOParameters, parameters
from training_bridge.policy.dpo import RATES, Pair, Trainer, columns, shared_logprobs
from training_bridge.policy.generation import Generated, Request, Sampler, Sampling
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rewards import Conversation, in_turn, prompts_of, reward_function
from training_bridge.policy.trl_runs import (
    Follow,
    arguments,
    batches,
    default_rate,
    load_parent,
    merged,
    train,
    write_policy,
)
from training_bridge.policy.watch import watch_of
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.score import RewardFunction

log = logging.getLogger("whetstone")

ANSWERED_AT_ONCE = 64
WEIGHTS = "model.safetensors"


class Following(Follow):
    """Between iterations a run is saved by itself, so a trainer that is asked to stop saves nothing."""

    def stop_if_asked(self, step: int, control: TrainerControl) -> None:
        if self.run.stopping:
            control.should_training_stop = True


@dataclass
class Ranked:
    """The answers to one prompt, with their rewards."""

    prompt: tuple[int, ...]
    answers: list[Generated]
    rewards: list[float]


def online_dpo(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(OnlineDPOParameters, run.config)
    reward = reward_function(run, settings)
    model, tokenizer, dtype = load_parent(run, settings)
    asked = prompts_of(run, settings, tokenizer, model)
    prompts, tests = asked.learned_on, asked.held_out
    seed = int(run.config.get("seed") or 0)
    ask = {"n": 2, "max_tokens": settings.max_tokens, "seed": seed}
    before = held_out.answers(model, tokenizer, tests, **ask)
    parent = copy.deepcopy(model) if settings.reference == "parent" else None
    per_iteration = max(1, round(min(settings.prompts, len(prompts)) * settings.passes / settings.batch))
    watch = watch_of(run, settings, tokenizer, model, reward, max_tokens=settings.max_tokens)
    follow = Following(run, "online_dpo", watch=watch)
    follow.steps = settings.iterations * per_iteration
    rate = default_rate(model, settings, RATES)
    done, newest = 0, run.newest_checkpoint()
    if newest is not None:
        done = int(newest.name.removeprefix("step-"))
        load_model(model, newest / WEIGHTS)
        log.info("Going on after iteration %d", done)
    pairs_seen, saved = 0, done
    nats = reward.scorer.sd if isinstance(reward, RewardFunction) else 1.0
    for iteration in range(done, settings.iterations):
        ranked = answered(model, tokenizer, reward, prompts, settings, seed, iteration)
        run.stop_if_asked(lambda: None)
        pairs = paired(ranked, settings.pairing, random.Random(f"{seed}/{iteration}"), nats)
        pairs_seen += len(pairs)
        tell(run, settings, ranked, pairs, parent, iteration)
        follow.begun = iteration * per_iteration
        if pairs:
            trainer = iterate(run, settings, model, tokenizer, pairs, parent, rate, iteration, follow)
            train(trainer, run, resume=False)
            model = merged(trainer, settings).eval()
            vars(model).pop("forward", None)  # TRL's, which the next iteration's would be laid on
        elif not iteration:
            raise Problem(
                "No two answers to a prompt had different rewards, so there was nothing to learn.",
                "Raise the temperature or the answers a prompt, or look at the reward.",
            )
        if (iteration + 1 - saved) * per_iteration >= settings.checkpoint_steps:
            saved = iteration + 1
            with run.checkpoint(saved) as folder:
                if run.writes:
                    save_model(model, str(folder / WEIGHTS))
        run.stop_if_asked(lambda: None)
    write_policy(model, None, tokenizer, run, settings, dtype)
    after = held_out.answers(model, tokenizer, tests, **ask)
    return {
        "prompts": len(prompts),
        "prompts_left_out": asked.left_out,
        "iterations": settings.iterations,
        "pairs": pairs_seen,
        "learning_rate": rate,
        **follow.summary(),
        "held_out": held_out.rewards(reward, tests, before, after, seed),
    }


def answered(
    model: Any,
    tokenizer: Any,
    reward: Callable[..., list[float]],
    prompts: Sequence[Conversation],
    settings: OnlineDPOParameters,
    seed: int,
    iteration: int,
) -> list[Ranked]:
    """What the policy answers in one iteration, with rewards. Which prompts follows from the seed and the iteration."""
    chosen = in_turn(len(prompts), settings.prompts, seed, iteration)
    sampler = Sampler(
        model, tokenizer, Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
    )
    requests = [Request(f"{iteration}/{i}/{k}", prompts[i]) for i in chosen for k in range(settings.answers)]
    said: list[Generated] = []
    for start in range(0, len(requests), ANSWERED_AT_ONCE):
        said += sampler.sample(requests[start : start + ANSWERED_AT_ONCE], seed=seed)
    asked = [prompts[i] for i in chosen for _ in range(settings.answers)]
    scores = reward(asked, [[{"role": "assistant", "content": answer.text}] for answer in said])
    k = settings.answers
    return [
        Ranked(
            tuple(prompt_ids(tokenizer, prompts[i])),
            said[n * k : (n + 1) * k],
            scores[n * k : (n + 1) * k],
        )
        for n, i in enumerate(chosen)
    ]


def paired(ranked: Sequence[Ranked], how: str, rng: random.Random, nats: float = 1.0) -> list[Pair]:
    """A better and a worse answer to each prompt; none where no two have different texts and rewards.

    `nats` of log-odds are a difference of 1 between rewards: what they were divided by.
    """
    pairs = []
    for row in ranked:
        found = best_and_worst(row) if how == "best_worst" else drawn(row, rng, nats)
        if found is not None:
            better, worse = found
            pairs.append(Pair(row.prompt, tuple(row.answers[better].ids), tuple(row.answers[worse].ids)))
    return pairs


def best_and_worst(row: Ranked) -> tuple[int, int] | None:
    order = sorted(range(len(row.rewards)), key=lambda i: row.rewards[i])
    worst, best = order[0], order[-1]
    return None if row.rewards[best] == row.rewards[worst] else (best, worst)


def drawn(row: Ranked, rng: random.Random, nats: float = 1.0) -> tuple[int, int] | None:
    """Two different answers at random, the better one by the law of Bradley and Terry: P(a > b) = σ(r_a - r_b)."""
    different = {answer.text: i for i, answer in enumerate(row.answers)}
    if len(different) < 2:
        return None
    a, b = rng.sample(sorted(different.values()), 2)
    gap = nats * (row.rewards[a] - row.rewards[b])
    wins = 1 / (1 + math.exp(-gap)) if gap > -700 else 0.0
    return (a, b) if rng.random() < wins else (b, a)


def tell(
    run: RunDirectory,
    settings: OnlineDPOParameters,
    ranked: Sequence[Ranked],
    pairs: Sequence[Pair],
    parent: Any,
    iteration: int,
) -> None:
    """How the answers of an iteration scored, before anything was learned from them."""
    rewards = [r for row in ranked for r in row.rewards]
    mean = sum(rewards) / len(rewards)
    metrics = {
        "reward": mean,
        "reward_sd": math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards)),
        "pairs": float(len(pairs)),
        "tokens": sum(len(a.ids) for row in ranked for a in row.answers) / len(rewards),
    }
    if parent is not None:  # at temperature 1 a mean log-ratio of what was drawn is the divergence
        texts = [(row.prompt, tuple(a.ids)) for row in ranked for a in row.answers]
        old = sums(parent, texts)
        metrics["kl"] = (sum(a.logprob for row in ranked for a in row.answers) - sum(old)) / len(old)
    run.report(step=iteration, steps=settings.iterations, stage="answers", metrics=metrics)


def iterate(
    run: RunDirectory,
    settings: OnlineDPOParameters,
    model: Any,
    tokenizer: Any,
    pairs: list[Pair],
    parent: Any,
    rate: float,
    iteration: int,
    follow: Follow,
) -> Trainer:
    """The trainer of one iteration. The rate rises over the first iterations and falls to nothing over all of them."""
    rising = min(1.0, (iteration + 1) / max(1.0, settings.warmup * settings.iterations))
    common = arguments(
        run,
        settings,
        rate=rate * rising * (1 - iteration / settings.iterations),
        max_steps=max(1, round(len(pairs) * settings.passes / settings.batch)),
    )
    common |= {"lr_scheduler_type": "constant", "warmup_steps": 0, "save_strategy": "no"}
    common |= {"seed": common["seed"] + iteration, "data_seed": common["data_seed"] + iteration}
    config = DPOConfig(
        **common,
        **batches(settings.batch),
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if settings.supervised else ["sigmoid"],
        loss_weights=[1.0, settings.supervised] if settings.supervised else None,
        precompute_ref_log_probs=True,
        max_length=None,
    )
    reference = shared_logprobs(parent if parent is not None else model, pairs)
    return Trainer(
        run,
        model=model,
        args=config,
        train_dataset=Dataset.from_list(columns(pairs, reference)),
        processing_class=tokenizer,
        peft_config=peft_config(settings),
        callbacks=[follow],
    )


if __name__ == "__main__":
    execute(online_dpo)
