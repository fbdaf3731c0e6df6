"""What the reward gives to each token of an answer: all to the last one, or the steps of the reward model's score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feedback_types.base import Message
from training_bridge.policy.chat import text_of
from training_bridge.policy.generation import Generated
from training_bridge.programs import Problem
from training_bridge.reward_model.score import RewardFunction, TokenReward


class Scores:
    """Rewards of answers, spread over their tokens. Raises Problem when steps are asked of a reward that has none."""

    def __init__(self, reward: Any, by_token: bool, tokenizer: Any = None):
        if by_token and not isinstance(reward, RewardFunction):
            raise Problem(
                "Only a reward model rewards every token.",
                "Choose a reward model, or turn token_rewards off.",
            )
        self.reward, self.by_token, self.tokenizer = reward, by_token, tokenizer

    def of(self, prompts: Sequence[Any], said: Sequence[Generated]) -> list[list[float]]:
        """(tokens,) for each answer; they add up to the reward of the answer."""
        whole = self.reward(prompts, [[{"role": "assistant", "content": answer.text}] for answer in said])
        if not self.by_token:
            return [[0.0] * (len(a.ids) - 1) + [float(r)] for a, r in zip(said, whole, strict=True)]
        scorer = self.reward.scorer
        rows = []
        for prompt, answer, reward in zip(prompts, said, whole, strict=True):
            messages = tuple(Message(m["role"], m["content"]) for m in prompt)
            steps = scorer.token_rewards(messages, answer.text)
            ends = [len(text_of(self.tokenizer, answer.ids[: k + 1])) for k in range(len(answer.ids))]
            rows.append(spread_steps(steps, ends, float(reward), scorer.sd))
        return rows


def spread_steps(steps: Sequence[TokenReward], ends: Sequence[int], reward: float, sd: float) -> list[float]:
    """Steps of the reward model's tokens, given to the policy's tokens that end at or after them.

    Args:
        steps: by end, in code points of the text; in the reward model's own units.
        ends: (tokens,) — where each of the policy's tokens ends, never falling.
        reward: of the whole answer, normalised; what the steps do not explain (the score of an empty answer, the mean)
            goes to the last token.
        sd: of the reward model's rewards, by which the steps are divided.
    """
    given = [0.0] * len(ends)
    token = 0
    for step in steps:
        while token < len(ends) - 1 and ends[token] < step.end:
            token += 1
        given[token] += step.reward / sd
    given[-1] += reward - sum(given)
    return given
