"""Compare a new policy with the one it came from, on prompts that neither was trained on.

    python -m training_bridge.policy.evaluate DIR

DIR/config.json: {"parent": {new policy}, "baseline": {old policy}, "reward_model": {…} or none, "snapshot": {…},
"seed": 1, "parameters": {…}} (`config.ComparisonParameters`); an "endpoint" may take the place of the parent. Prompts come
from `"input"` (lines {"id", "messages"}), else from the snapshot's test side; where that has few, the held-out prompts of
the embedded corpus are added.
`metrics.json`:

    win_rate      by judge (the reward model, tastes asked for): how often the new policy's answer is the better one
    rewards       by judge: mean of old and new, their difference, histograms over common bins
    tastes        for each taste: old, new, difference
    kl            KL(new || old) per response and per token, in nats; null where vocabularies differ, or the new policy is
                  served by an endpoint, which gives no weights
    diversity     distinct-1 and -2, words, share of cut answers, of both
    samples       answers to the same prompt side by side

Every number that is a mean has a 95 % interval, {"value", "low", "high"}, from a bootstrap over prompts: answers to one
prompt are not independent. All pairs of a prompt's answers are compared, ties count half.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from feedback_types.base import Message
from training_bridge.policy import corpus
from training_bridge.policy.chat import load_policy, prompt_ids
from training_bridge.policy.config import ComparisonParameters, parameters, policy_source, source
from training_bridge.policy.generation import Generated, Request, Sampler, Sampling
from training_bridge.policy.logprobs import divergences
from training_bridge.policy.prompts import Prompt, of_snapshot, read_prompts
from training_bridge.policy.served import ServedSampler, sampler_of
from training_bridge.policy.tastes import TASTES
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.measures import histogram

RESAMPLES = 2000
FEW_PROMPTS = 30  # below this the embedded corpus helps out
SIDE_BY_SIDE = 20

Judge = Callable[[Sequence[Prompt], Sequence[Sequence[str]]], list[list[float]]]  # a score for each answer


@dataclass(frozen=True)
class Answers:
    """What one policy said: for each prompt its answers, in the order of the prompts."""

    texts: list[list[str]]
    generated: list[list[Generated]]


def evaluate(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(ComparisonParameters, run.config)
    prompts = choose_prompts(run, settings.prompts)
    seed = int(run.config.get("seed") or 0)
    stages = 3
    as_asked = Sampling.of(settings)
    new = sampler_of(run, as_asked)
    old = Sampler(*load_policy(policy_source(run.config, "baseline")), as_asked)

    def tell(stage: str, step: int) -> None:
        run.report(step=step, steps=stages, stage=stage)
        run.stop_if_asked(lambda: None)

    after = ask(new, prompts, settings, seed, "new")
    tell("new policy answered", 1)
    before = ask(old, prompts, settings, seed, "old")
    tell("old policy answered", 2)
    kl: dict[str, Any] | None = None
    if isinstance(new, Sampler) and new.tokenizer.get_vocab() == old.tokenizer.get_vocab():
        # The divergence is of the policies themselves: nothing cut off, temperature 1.
        pure = replace(as_asked, temperature=1.0, top_p=1.0, top_k=0, min_p=0.0)
        drawn = ask(Sampler(new.model, new.tokenizer, pure), prompts, settings, seed, "kl")
        kl = divergence(new.model, old.model, new.tokenizer, prompts, drawn, seed, old.tokenizer)
    tell("divergence measured", 3)
    scores = {
        name: (judge(prompts, before.texts), judge(prompts, after.texts))
        for name, judge in judges(run, settings).items()
    }
    return {
        "prompts": len(prompts),
        "answers_each": settings.n,
        "sampling": as_asked.__dict__,
        "win_rate": {name: win_rate(new_, old_, seed) for name, (old_, new_) in scores.items()},
        "rewards": {
            name: compared(old_, new_, seed) | bins(old_, new_) for name, (old_, new_) in scores.items()
        },
        "tastes": {
            name: compared(score_texts(taste.score, before), score_texts(taste.score, after), seed)
            for name, taste in TASTES.items()
        },
        "kl": kl,
        "diversity": {"old": diversity(before), "new": diversity(after)},
        "samples": side_by_side(prompts, before, after, scores),
    }


# --- Asking ----------------------------------------------------------------------------------------------------------


def choose_prompts(run: RunDirectory, most: int) -> list[Prompt]:
    """Prompts to compare on, at most so many, spread over what there is. Raises Problem when there are none."""
    if run.config.get("input"):
        path = Path(run.config["input"])
        found = list(read_prompts(path if path.is_absolute() else run.path / path))
    else:
        found = []
        if run.config.get("snapshot"):
            found = list(of_snapshot(source(run.config, "snapshot")[0], "test"))
        if len(found) < FEW_PROMPTS:
            known = {content_key(p) for p in found}
            found += [p for p in embedded_prompts() if content_key(p) not in known]
    if not found:
        raise Problem(
            "There are no prompts to compare on.", 'Name a snapshot, or a file of prompts as "input".'
        )
    if len(found) <= most:
        return found
    return [found[i * len(found) // most] for i in range(most)]


def embedded_prompts() -> list[Prompt]:
    return [
        Prompt(f"held-out-{i}", ({"role": "user", "content": text},))
        for i, text in enumerate(corpus.prompts("held_out"))
    ]


def content_key(prompt: Prompt) -> tuple[str, ...]:
    return tuple(" ".join(m["content"].split()).casefold() for m in prompt.messages)


def ask(
    sampler: Sampler | ServedSampler,
    prompts: Sequence[Prompt],
    settings: ComparisonParameters,
    seed: int,
    name: str,
) -> Answers:
    """`n` answers of one policy to each prompt. Raises Problem for a prompt that leaves no room for an answer."""
    requests = [Request(f"{name}/{p.id}/{k}", p.messages) for p in prompts for k in range(settings.n)]
    flat: list[Generated] = []
    for start in range(0, len(requests), settings.batch):
        flat += sampler.sample(requests[start : start + settings.batch], seed=seed)
    rows = [flat[i : i + settings.n] for i in range(0, len(flat), settings.n)]
    return Answers([[answer.text for answer in row] for row in rows], rows)


# --- Judging ---------------------------------------------------------------------------------------------------------


def judges(run: RunDirectory, settings: ComparisonParameters) -> dict[str, Judge]:
    """Who says which answer is better: the reward model if there is one, and the tastes asked for."""
    found: dict[str, Judge] = {}
    if run.config.get("reward_model"):
        from training_bridge.reward_model.score import Scorer

        scorer = Scorer.load(source(run.config, "reward_model")[0])

        def by_reward(prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> list[list[float]]:
            pairs = [
                (tuple(Message(m["role"], m["content"]) for m in prompt.messages), text)
                for prompt, row in zip(prompts, texts, strict=True)
                for text in row
            ]
            flat = iter(scorer.score(pairs, normalise=True))
            return [[next(flat) for _ in row] for row in texts]

        found["reward_model"] = by_reward
    for name in settings.tastes:
        if name not in TASTES:
            raise Problem(f"There is no taste {name!r}.", f"Choose among {', '.join(TASTES)}.")
        found[name] = by_taste(name)
    return found


def by_taste(name: str) -> Judge:
    score = TASTES[name].score
    return lambda prompts, texts: [[score(text) for text in row] for row in texts]


def score_texts(score: Callable[[str], float], answers: Answers) -> list[list[float]]:
    return [[score(text) for text in row] for row in answers.texts]


def win_rate(new: Sequence[Sequence[float]], old: Sequence[Sequence[float]], seed: int = 0) -> dict[str, Any]:
    """Share of pairs (new answer, old answer) to one prompt that the new one wins; ties count half.

    Args:
        new, old: (prompts, answers) — scores.
    Returns: {"value", "low", "high", "ties"}; the interval is a bootstrap over prompts.
    """
    wins, ties = [], []
    for ours, theirs in zip(new, old, strict=True):
        a, b = np.asarray(ours)[:, None], np.asarray(theirs)[None, :]
        wins.append(float((a > b).mean() + 0.5 * (a == b).mean()))
        ties.append(float((a == b).mean()))
    return {**interval(wins, [1.0] * len(wins), seed), "ties": float(np.mean(ties))}


def compared(old: Sequence[Sequence[float]], new: Sequence[Sequence[float]], seed: int = 0) -> dict[str, Any]:
    """Mean scores of both policies and their difference, prompt by prompt."""
    before, after = [float(np.mean(row)) for row in old], [float(np.mean(row)) for row in new]
    ones = [1.0] * len(before)
    return {
        "old": interval(before, ones, seed),
        "new": interval(after, ones, seed),
        "difference": interval([b - a for a, b in zip(before, after, strict=True)], ones, seed),
    }


def bins(old: Sequence[Sequence[float]], new: Sequence[Sequence[float]]) -> dict[str, Any]:
    groups = {"old": [s for row in old for s in row], "new": [s for row in new for s in row]}
    return {
        "sd": {name: float(np.std(values)) for name, values in groups.items()},
        "histogram": histogram(groups),
    }


def interval(values: Sequence[float], weights: Sequence[float], seed: int = 0) -> dict[str, float]:
    """sum(values) / sum(weights) with a 95 % percentile interval: prompts are drawn again, values and weights together.

    With weights of 1 this is a mean; with nats and tokens of each prompt, nats per token.
    """
    a, b = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    drawn = np.random.default_rng(seed).integers(len(a), size=(RESAMPLES, len(a)))
    ratios = a[drawn].sum(axis=1) / b[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"value": float(a.sum() / b.sum()), "low": float(low), "high": float(high)}


# --- Divergence and diversity ----------------------------------------------------------------------------------------


def divergence(
    new: Any,
    old: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    drawn: Answers,
    seed: int = 0,
    old_tokenizer: Any = None,
) -> dict[str, Any]:
    """KL(new || old) by Monte Carlo on answers drawn from the new policy, per response and per token, in nats.

    Answers that were cut count as far as they went. Both policies have the same words; a soft prompt is one policy's own,
    and then each reads the prompts as its tokenizer gives them.
    """

    def texts(of: Any) -> list[tuple[list[int], list[int]]]:
        return [
            (prompt_ids(of, prompt.messages), answer.ids)
            for prompt, row in zip(prompts, drawn.generated, strict=True)
            for answer in row
        ]

    steps = iter(divergences(new, old, texts(tokenizer), texts(old_tokenizer or tokenizer)))
    nats, tokens, answers = [], [], []
    for row in drawn.generated:
        values = [next(steps) for _ in row]
        nats.append(sum(map(sum, values)))
        tokens.append(float(sum(map(len, values))))
        answers.append(float(len(row)))
    return {"per_response": interval(nats, answers, seed), "per_token": interval(nats, tokens, seed)}


def diversity(answers: Answers) -> dict[str, float]:
    """How varied the answers are, over all prompts: distinct n-grams as a share of all n-grams (Li et al. 2016)."""
    texts = [text for row in answers.texts for text in row]
    words = [text.casefold().split() for text in texts]
    generated = [answer for row in answers.generated for answer in row]
    repeated = sum(len(row) - len(set(row)) for row in answers.texts)
    return {
        "distinct_1": distinct(words, 1),
        "distinct_2": distinct(words, 2),
        "words": float(np.mean([len(w) for w in words])),
        "tokens": float(np.mean([len(answer.ids or answer.logprobs) for answer in generated])),
        "cut_share": float(np.mean([answer.finish == "length" for answer in generated])),
        "repeated_share": repeated / len(texts),
    }


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Distinct n-grams over all n-grams of the texts; 0 where there are none."""
    grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def side_by_side(
    prompts: Sequence[Prompt],
    before: Answers,
    after: Answers,
    scores: Mapping[str, tuple[list[list[float]], list[list[float]]]],
) -> list[dict[str, Any]]:
    """The first answer of each policy to some prompts, spread over what there is."""
    count = min(SIDE_BY_SIDE, len(prompts))
    places = [i * len(prompts) // count for i in range(count)]
    return [
        {
            "id": prompts[i].id,
            "prompt": [dict(m) for m in prompts[i].messages],
            "old": before.texts[i][0],
            "new": after.texts[i][0],
            "scores": {name: {"old": old[i][0], "new": new[i][0]} for name, (old, new) in scores.items()},
        }
        for i in places
    ]


if __name__ == "__main__":
    execute(evaluate)
