"""A synthetic labeler who compares by the law of `likelihood.py`, in plain numbers (no torch).

The draws are made from the story behind the law (a noisy difference against cutpoints, one group after another),
not from its
formula: that both agree is a test.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

from feedback_types.base import Screen, SyntheticLabeler
from feedback_types.comparison import offer
from feedback_types.comparison.schema import ComparisonPayload, ComparisonSettings, pair_ranks

# Starting values of what is learned beside the reward; see likelihood.py for what each means.
INITIAL: dict[str, Any] = {
    "cutpoints": (-0.5, 0.5, 0.5),
    "tied": -1.0,
    "position": 0.0,
    "bad": -1.0,
    "shift": 0.0,
}


def simulate(
    screen: Screen, settings: ComparisonSettings, labeler: SyntheticLabeler, rng: np.random.Generator
) -> ComparisonPayload:
    offered = offer.choice_set(screen, settings)
    items, which, aspect = offered["responses"], offered["kind"], offered["aspect"]
    n = len(items)
    if labeler.beta == 0 or rng.random() < labeler.lapse:
        return _anything(offered, rng)
    law = {name: labeler.parameters.get(name, value) for name, value in INITIAL.items()}
    scores = labeler.beta * np.array(
        [labeler.value(screen.prompt, r.text, None, head(aspect)) for r in screen.responses]
    )
    all_bad = offered["both_bad"] and bool(np.all(rng.logistic(size=n) + scores < law["bad"] + law["shift"]))
    if all_bad and not offered["ties"]:
        return offer.none_good(items, which, aspect)
    utility = scores + law["position"] * (np.arange(n) == 0)
    strength: int | None = None
    ranks: list[int | None]
    if which == "pair":
        strength = _strength(utility[0] - utility[1] + rng.logistic(), settings, law["cutpoints"])
        ranks = pair_ranks(strength)
    elif which == "best":
        best = int(np.argmax(utility + rng.gumbel(size=n)))
        ranks = [1 if i == best else None for i in range(n)]
    else:
        ranks = _ranks(utility, float(law["tied"]) if offered["ties"] else -np.inf, rng)
    if all_bad and set(ranks) == {1}:
        return offer.none_good(items, which, aspect)
    return ComparisonPayload(items=tuple(items), ranks=tuple(ranks), strength=strength, aspect=aspect)


def head(aspect: str | None) -> str:
    """Which score a comparison is about."""
    return f"attribute/{aspect}" if aspect else "reward"


def _strength(difference: float, settings: ComparisonSettings, raw: Any) -> int:
    """Where a noisy difference falls between the cutpoints that are on offer."""
    edges = np.cumsum(np.logaddexp(0, raw))
    offered = (
        edges[: settings.strengths]
        if settings.ties
        else np.concatenate([[0.0], edges[: settings.strengths - 1]])
    )
    degree = int(np.sum(abs(difference) > offered))
    return degree if difference > 0 else -degree


def _ranks(utility: np.ndarray, tied: float, rng: np.random.Generator) -> list[int | None]:
    """Davidson-Luce: pick the best group of what is left, then the next."""
    n = len(utility)
    ranks: list[int | None] = [None] * n
    left, place = list(range(n)), 1
    while left:
        groups = [[left[i] for i in range(len(left)) if mask >> i & 1] for mask in range(1, 2 ** len(left))]
        if tied == -np.inf:
            groups = [group for group in groups if len(group) == 1]
        weight = np.array(
            [utility[group].mean() + ((len(group) - 1) * tied if len(group) > 1 else 0) for group in groups]
        )
        chance = np.exp(weight - weight.max())
        group = groups[rng.choice(len(groups), p=chance / chance.sum())]
        for i in group:
            ranks[i] = place
        left, place = [i for i in left if i not in group], place + 1
    return ranks


def _anything(offered: dict[str, Any], rng: np.random.Generator) -> ComparisonPayload:
    """Uniform over the choice set, without writing out the millions of orders of nine responses."""
    items, which, n = offered["responses"], offered["kind"], len(offered["responses"])
    if offered["both_bad"] and rng.integers(offered["size"]) == 0:
        return offer.none_good(items, which, offered["aspect"])
    if which == "ranking":
        ranks: list[int | None] = [None] * n
        left, place = list(rng.permutation(n)), 1
        while left:
            m = len(left)
            sizes = np.arange(1, m + 1) if offered["ties"] else np.array([1])
            ways = np.array([comb(m, int(k)) * offer.weak_orders(m - int(k)) for k in sizes], dtype=float)
            k = int(rng.choice(sizes, p=ways / ways.sum()))
            for i in left[:k]:
                ranks[int(i)] = place
            left, place = left[k:], place + 1
        return ComparisonPayload(items=tuple(items), ranks=tuple(ranks), aspect=offered["aspect"])
    options = offer.answers(
        {**offered, "both_bad": False, "options": [o for o in offered["options"] if o["value"] != offer.NONE]}
    )
    return options[rng.integers(len(options))]
