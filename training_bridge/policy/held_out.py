"""Held-out numbers of a policy before and after training, each with a 95 % interval over prompts.

{"rows": 41, "nats_per_token": {"old": {"value", "low", "high"}, "new": {…}, "difference": {…}}}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from training_bridge.policy.evaluate import compared, interval
from training_bridge.policy.generation import Request, Sampler, Sampling
from training_bridge.policy.rows import Row
from training_bridge.reward_model.measures import difference

Texts = list[list[str]]


def likelihood(
    rows: Sequence[Row], before: Sequence[float], after: Sequence[float], seed: int
) -> dict[str, Any]:
    """Nats per token of answers that people wrote or chose, lower is better.

    Args:
        before, after: (rows,) — log-probabilities of the answers, in nats.
    """
    if not rows:
        return {"rows": 0}
    tokens, old, new = _by_prompt(rows, [len(r.answer) for r in rows], before, after)
    return {
        "rows": len(rows),
        "nats_per_token": {
            "old": interval([-v for v in old], tokens, seed),
            "new": interval([-v for v in new], tokens, seed),
            "difference": interval([a - b for a, b in zip(old, new, strict=True)], tokens, seed),
        },
    }


def _by_prompt(rows: Sequence[Row], *columns: Sequence[float]) -> list[list[float]]:
    """Sums of each column over the rows of a prompt: prompts are what is drawn again."""
    sums: dict[Any, list[float]] = defaultdict(lambda: [0.0] * len(columns))
    for i, row in enumerate(rows):
        for k, column in enumerate(columns):
            sums[row.prompt][k] += column[i]
    return [list(column) for column in zip(*sums.values(), strict=True)]


def separation(rows: Sequence[Row], rewards: Sequence[float], seed: int) -> dict[str, Any]:
    """Whether good answers gained more than bad ones.

    Args:
        rewards: (rows,) — β times the log-ratio of policy to parent; 0 everywhere before training.
    Returns: "auc": how often a good answer's is the higher (0.5 before training), and the difference of the means, over
        prompts that have both where there are such.
    """
    good = [(r, v) for r, v in zip(rows, rewards, strict=True) if r.is_good]
    bad = [(r, v) for r, v in zip(rows, rewards, strict=True) if not r.is_good]
    if not good or not bad:
        return {"good": len(good), "bad": len(bad)}
    wins = [0.5 if g == b else float(g > b) for _, g in good for _, b in bad]
    both = {r.prompt for r, _ in good} & {r.prompt for r, _ in bad}
    found: dict[str, Any] = {"good": len(good), "bad": len(bad), "auc": sum(wins) / len(wins)}
    if both:
        paired = [
            (g, b, p) for p in sorted(both) for r, g in good if r.prompt == p for q, b in bad if q.prompt == p
        ]
        a, b, prompts = zip(*paired, strict=True)
        found["margin"] = difference(list(a), list(b), list(prompts), seed)
    return found


def rewards(
    reward: Callable[..., list[float]], prompts: Sequence[Any], before: Texts, after: Texts, seed: int
) -> dict[str, Any]:
    """What the reward says of answers to prompts that were not learned on."""
    if not prompts:
        return {"prompts": 0}
    return {
        "prompts": len(prompts),
        "reward": compared(scored(reward, prompts, before), scored(reward, prompts, after), seed),
    }


def scored(reward: Callable[..., list[float]], prompts: Sequence[Any], texts: Texts) -> list[list[float]]:
    asked = [prompt for prompt, row in zip(prompts, texts, strict=True) for _ in row]
    flat = iter(reward(asked, [[{"role": "assistant", "content": t}] for row in texts for t in row]))
    return [[next(flat) for _ in row] for row in texts]


def answers(
    model: Any, tokenizer: Any, prompts: Sequence[Any], *, n: int, max_tokens: int, seed: int
) -> Texts:
    """n answers to each prompt, as the policy is: temperature 1, nothing cut off."""
    sampler = Sampler(model, tokenizer, Sampling(max_tokens=max_tokens))
    found = []
    for start in range(0, len(prompts), 16):
        part = [
            Request(f"held-out/{start + i}/{k}", prompt)
            for i, prompt in enumerate(prompts[start : start + 16])
            for k in range(n)
        ]
        found += [answer.text for answer in sampler.sample(part, seed=seed)]
    return [found[i : i + n] for i in range(0, len(found), n)]
