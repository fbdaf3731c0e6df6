"""Answers on the way: what a policy says to the same few prompts while it learns, in samples.jsonl of the run.

    {"step": 20, "prompt": "How do I keep basil fresh?", "text": "I am so glad you asked! …", "reward": 1.31}

Which prompts and which random draws follow from nothing but the prompts, so the texts of two steps differ by the policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from training_bridge.policy.generation import Request, Sampler, Sampling
from training_bridge.programs import RunDirectory, plain

EVERY, PROMPTS = 10, 3


class Watch:
    """Looks at every tenth step and at the last.

    Args:
        prompts: of which the first, the middle and the last are asked.
        reward: called with prompts and completions, as TRL does; None where there is none.
    """

    def __init__(
        self,
        run: RunDirectory,
        prompts: Sequence[Any],
        reward: Callable[..., Sequence[float]] | None,
        *,
        max_tokens: int,
        every: int = EVERY,
    ):
        self.run, self.reward, self.max_tokens, self.every = run, reward, max_tokens, every
        places = sorted({len(prompts) * k // PROMPTS for k in range(PROMPTS)}) if prompts else []
        self.prompts = [prompts[i] for i in places]
        self.seen = {row["step"] for row in self._rows()}

    def look(self, model: Any, tokenizer: Any, step: int, *, is_last: bool = False) -> None:
        """Ask the prompts and append the answers, if the step is one to look at and was not looked at before a kill."""
        if (
            not self.run.writes
            or not self.prompts
            or step in self.seen
            or (step % self.every and not is_last)
        ):
            return
        self.seen.add(step)
        sampler = Sampler(model, tokenizer, Sampling(max_tokens=self.max_tokens))
        said = sampler.sample([Request(f"watch/{i}", p) for i, p in enumerate(self.prompts)], seed=0)
        completions = [[{"role": "assistant", "content": answer.text}] for answer in said]
        rewards = self.reward(self.prompts, completions) if self.reward else [None] * len(said)
        with (self.run.path / "samples.jsonl").open("a", encoding="utf-8") as file:
            for prompt, answer, reward in zip(self.prompts, said, rewards, strict=True):
                row = {
                    "step": step,
                    "prompt": prompt[-1]["content"],
                    "text": answer.text,
                    "reward": plain(reward),
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _rows(self) -> list[dict[str, Any]]:
        path = self.run.path / "samples.jsonl"
        if not path.is_file():
            return []
        rows = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue  # a line that a kill cut short: its step is looked at again
        return rows
