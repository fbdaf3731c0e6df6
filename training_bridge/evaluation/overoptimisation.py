"""How far can a reward model be optimised before it gets worse? Best-of-n against a gold reward that it has not seen.

    python -m training_bridge.evaluation.overoptimisation DIR

DIR/config.json: {"parent": {a policy}, "reward_model": {the proxy}, "compared_with": {a gold reward model} or none,
"snapshot": {…} or none, "stated_reward": … or none, "seed": 1, "parameters": {…}} (`config.OveroptimisationParameters`). The
policy, or an endpoint in its place, answers each prompt N times; `best_of.py` says what the best of n of them is worth. Gold
is another reward model (larger, or of held-out people), a stated reward, or a taste. `metrics.json`:

    n, kl        1, 2, 4, … N and their bound in nats
    curves       by proxy: "proxy" and "gold" at each n with bands, in sd of the policy's own answers; "fit" of the gold
                 reward; "peak", the n where it is highest
    against      what choosing by each way of reading the ensemble gains in gold over a single member, at the largest n

Proxies are the reward model and, when it is an ensemble, one member alone, the mean less `pessimism` sd, and the minimum.
"""

from __future__ import annotations

import training_bridge.policy.environment  # noqa: F401  first: torch and the hub read it

# isort: split

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feedback_types.base import Message
from training_bridge.evaluation.answers import prompts_of, sample, samplers
from training_bridge.evaluation.best_of import bands, best_of, fit, kl_bound, peak, sizes
from training_bridge.evaluation.config import OveroptimisationParameters
from training_bridge.evaluation.distances import Floats
from training_bridge.evaluation.judges import FunctionJudge, Judge, Text, reward_model_judge
from training_bridge.policy.config import parameters
from training_bridge.policy.generation import Request
from training_bridge.policy.rewards import stated_in
from training_bridge.policy.tastes import TASTES
from training_bridge.programs import Problem, RunDirectory, execute

SINGLE = "member"


def overoptimisation(run: RunDirectory) -> dict[str, Any]:
    settings = parameters(OveroptimisationParameters, run.config)
    seed = int(run.config.get("seed") or 0)
    proxy = reward_model_judge(run)
    name, gold = gold_of(run, settings)
    rows = answers_of(run, settings, [proxy, gold], seed)
    ns = sizes(settings.answers)
    flat = [text for row in rows for text in row]
    members = np.array(proxy.scorer.score_members(flat)).reshape(len(rows), settings.answers, -1)
    truth = scaled(np.array(gold.rewards(flat)).reshape(len(rows), settings.answers))
    if not np.isfinite(truth).all():
        raise Problem(
            "The gold reward is the same for all answers.", "Choose another, or let the policy vary more."
        )
    curves, golds = {}, {}
    for way, scores in readings(members, settings.pessimism).items():
        proxies = scaled(scores)
        climbed = np.array([best_of(row, row, ns) for row in proxies])
        golds[way] = np.array([best_of(row, own, ns) for row, own in zip(proxies, truth, strict=True)])
        band, means = bands(golds[way], seed)
        curves[way] = {
            "proxy": bands(climbed, seed)[0],
            "gold": band,
            "fit": fit(ns, golds[way].mean(axis=0)),
            "peak": peak(ns, golds[way], means),
        }
    return {
        "gold": name,
        "prompts": len(rows),
        "answers_each": settings.answers,
        "members": members.shape[-1],
        "n": ns,
        "kl": [kl_bound(n) for n in ns],
        "curves": curves,
        "against": against(golds, seed),
    }


def gold_of(run: RunDirectory, settings: OveroptimisationParameters) -> tuple[str, Judge]:
    """The reward that is not optimised, by its name. Raises Problem unless there is exactly one."""
    found: dict[str, Judge] = {}
    if run.config.get("compared_with"):
        found["compared_with"] = reward_model_judge(run, "compared_with")
    if run.config.get("stated_reward"):
        found["stated_reward"] = FunctionJudge(stated_in(run))
    if settings.gold:
        if settings.gold not in TASTES:
            raise Problem(f"There is no taste {settings.gold!r}.", f"Choose among {', '.join(TASTES)}.")
        found[settings.gold] = FunctionJudge(TASTES[settings.gold].score)
    if len(found) != 1:
        raise Problem(
            f"There must be one gold reward; there are {len(found)}.",
            "Choose a second reward model, a stated reward or a taste.",
        )
    return next(iter(found.items()))


def answers_of(
    run: RunDirectory, settings: OveroptimisationParameters, judges: Sequence[Judge], seed: int
) -> list[list[Text]]:
    """N answers to each prompt, as drawn: a repeated one counts as often as it came. Prompts with one that a judge cannot
    read are left out. Raises Problem when none is left."""
    policies = samplers(run, settings)
    if "parent" not in policies:
        raise Problem("A policy has to answer.", "Choose one.")
    prompts = [
        p for p in prompts_of(run, settings, has_policy=True) if policies["parent"].room(p.messages) >= 1
    ]
    requests = [Request(f"best/{p.id}/{k}", p.messages) for p in prompts for k in range(settings.answers)]
    texts = iter(sample(policies["parent"], requests, settings, run, seed))
    rows = []
    for prompt in prompts:
        messages = tuple(Message(m["role"], m["content"]) for m in prompt.messages)
        row = [Text(messages, next(texts)) for _ in range(settings.answers)]
        if all(judge.fits(text) for judge in judges for text in row):
            rows.append(row)
    if len(rows) < 2:
        raise Problem(
            "Fewer than two prompts have answers that can be scored.", "Give more, or shorter ones."
        )
    return rows


def readings(members: Floats, pessimism: float) -> dict[str, Floats]:
    """Ways to read an ensemble, (prompts, answers, members) -> (prompts, answers).

    Source of the pessimistic ones: Coste et al. (2024), arXiv 2310.02743.
    """
    found: dict[str, Floats] = {"mean": members.mean(axis=-1)}
    if members.shape[-1] > 1:
        found[SINGLE] = members[..., 0]
        found["pessimistic"] = found["mean"] - pessimism * members.std(axis=-1, ddof=1)
        found["minimum"] = members.min(axis=-1)
    return found


def scaled(rewards: Floats) -> Floats:
    """Less the mean of each prompt, in sd over all answers; nan when all are the same."""
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    sd = centred.std()
    result: Floats = centred / sd if sd > 1e-9 else np.full_like(centred, np.nan)
    return result


def against(golds: Mapping[str, Floats], seed: int) -> dict[str, Any]:
    """Gold at the largest n, less that of a single member on the same prompts; nothing without an ensemble."""
    if SINGLE not in golds:
        return {}
    return {
        way: bands((curve - golds[SINGLE])[:, -1:], seed)[0][0]
        for way, curve in golds.items()
        if way != SINGLE
    }


if __name__ == "__main__":
    execute(overoptimisation)
