"""Answers on the way: what a policy says to the same few prompts while it learns, in samples.jsonl of the run.

    {"step": 20, "prompt": "How do I keep basil fresh?", "text": "I am so glad you asked! …", "reward": 1.31}

The prompts are held out, and which random draws an answer takes follows from nothing but its prompt, so the texts of two
steps differ by the policy alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from training_bridge.policy.config import LearningParameters
from training_bridge.policy.generation import Request, Sampler, Sampling
from training_bridge.policy.rewards import Conversation, fitting, held_out_prompts, spread_over
from training_bridge.programs import Problem, RunDirectory, plain

log = logging.getLogger("whetstone")

EVERY, PROMPTS, MAX_TOKENS = 10, 3, 128

# Under these a process holds a part of the weights, and none can answer alone.
SHARDED = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")

Reward = Callable[[Sequence[Any], Sequence[Any]], Sequence[float]]


class Watch:
    """Looks at the beginning, at every tenth step and at the last.

    Args:
        reward: called with prompts and completions, as TRL does; None where there is none.
    """

    def __init__(
        self,
        run: RunDirectory,
        prompts: Sequence[Conversation],
        tokenizer: Any,
        reward: Reward | None = None,
        *,
        max_tokens: int = MAX_TOKENS,
    ):
        self.run, self.prompts, self.tokenizer = run, list(prompts), tokenizer
        self.reward, self.max_tokens = reward, max_tokens

    def look(self, model: Any, step: int, *, is_last: bool = False) -> None:
        """Ask the prompts and append the answers, if the step is one to look at.

        What a broken policy cannot answer is told in the log: the training itself says what broke, and ends.
        """
        if not self.run.writes or not self.prompts or (step % EVERY and not is_last):
            return
        training = model.training
        model.eval()
        sampler = Sampler(model, self.tokenizer, Sampling(max_tokens=self.max_tokens))
        try:
            said = sampler.sample([Request(f"watch/{i}", p) for i, p in enumerate(self.prompts)], seed=0)
        except Problem as problem:
            log.warning("No answers to show at step %d: %s", step, problem)
            return
        finally:
            model.train(training)
        completions = [[{"role": "assistant", "content": answer.text}] for answer in said]
        rewards = self.reward(self.prompts, completions) if self.reward else [None] * len(said)
        with (self.run.path / "samples.jsonl").open("a", encoding="utf-8") as file:
            for prompt, answer, reward in zip(self.prompts, said, rewards, strict=True):
                row = {"step": step, "prompt": prompt[-1]["content"], "text": answer.text, "reward": reward}
                file.write(json.dumps(plain(row), ensure_ascii=False) + "\n")


def watch_of(
    run: RunDirectory,
    settings: LearningParameters,
    tokenizer: Any,
    model: Any,
    reward: Reward | None = None,
    *,
    max_tokens: int = MAX_TOKENS,
) -> Watch:
    """On a few held-out prompts; on none where the weights are spread over processes, or a soft prompt is learned, which
    peft puts before a text in a way that our sampler does not know."""
    if settings.adapter == "prompt" or any(os.environ.get(name) == "true" for name in SHARDED):
        return Watch(run, [], tokenizer)
    prompts = spread_over(fitting(held_out_prompts(run), tokenizer, model, max_tokens), PROMPTS)
    return Watch(run, prompts, tokenizer, reward, max_tokens=max_tokens)
