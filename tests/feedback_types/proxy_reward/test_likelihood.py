"""The law of stated rewards by hand, and choice sets that are wrong: the score test has to see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from feedback_types import science
from feedback_types.base import Event
from feedback_types.proxy_reward import feedback_type as proxy
from feedback_types.proxy_reward import offer
from feedback_types.proxy_reward.examples import (
    FEATURES,
    FIVE,
    FIXED,
    LISTS,
    PROGRAM,
    RUBRIC,
    SCREEN,
    SHORTER,
    VALID,
    YES,
)
from feedback_types.proxy_reward.likelihood import ProxyLikelihood, likelihood
from feedback_types.proxy_reward.schema import Tried
from feedback_types.proxy_reward.simulate import INITIAL, _answer


def event(payload: Any, settings: Any, candidates: list[dict[str, Any]] | None = None) -> Event:
    asked, loaded = proxy.settings(settings), proxy.load(payload)
    offered = proxy.choice_set(SCREEN, asked, loaded)
    if candidates is not None:
        offered["candidates"] = candidates
    return Event("1", "proxy_reward", "l", "q", SCREEN, None, loaded, asked, offered)


def probability(happened: Event, values: list[float], beta: float = 1.0, **own: float) -> float:
    parameters = {
        name: torch.tensor([own.get(name, start)], dtype=torch.float64) for name, start in INITIAL.items()
    }
    found = likelihood.log_likelihood(
        torch.tensor([values], dtype=torch.float64),
        likelihood.collate([happened]),
        torch.tensor([beta], dtype=torch.float64),
        parameters,
    )
    return float(found.exp()[0])


def candidate(*weights: int) -> dict[str, Any]:
    table = offer.values(SCREEN, proxy.settings(FEATURES))
    scores = [sum(w * v for w, v in zip(weights, row, strict=True)) for row in table]
    first = [r.id for r, s in zip(SCREEN.responses, scores, strict=True) if s == max(scores)]
    return {"weights": list(weights), "top": first, "seen": True}


# --- By hand ---------------------------------------------------------------------------------------------------------


def test_settings_are_chosen_by_what_they_rank_first():
    # (-1,0,0) puts C first, (-1,0,2) puts B first, (1,0,0) too. R = 1, 2, 0: weights e^0, e^2, e^2.
    offered = [candidate(-1, 0, 0), candidate(-1, 0, 2), candidate(1, 0, 0)]
    assert [c["top"] for c in offered] == [[17], [15], [15]]
    total = 1 + 2 * math.exp(2)
    assert probability(event(SHORTER, FEATURES, offered), [1, 2, 0]) == pytest.approx(1 / total)
    assert probability(event(LISTS, FEATURES, offered), [1, 2, 0]) == pytest.approx(math.exp(2) / total)
    # Half as rational: e^0, e^1, e^1.
    half = probability(event(LISTS, FEATURES, offered), [1, 2, 0], beta=0.5)
    assert half == pytest.approx(math.e / (1 + 2 * math.e))
    uniform = likelihood.log_uniform(likelihood.collate([event(LISTS, FEATURES, offered)]))
    assert float(uniform[0]) == pytest.approx(-math.log(3))


def test_several_on_top_are_worth_their_mean():
    # Only lists: A and C tie at none below 0, so (0,0,-1) ranks both first: (1 + 0) / 2.
    offered = [candidate(0, 0, -1), candidate(-1, 0, 2)]
    assert offered[0]["top"] == [12, 17]
    found = probability(event(LISTS, FEATURES, offered), [1, 2, 0])
    assert found == pytest.approx(math.exp(2) / (math.exp(0.5) + math.exp(2)))


def test_settings_with_the_same_top_are_equally_probable():
    stored = event(LISTS, FEATURES)
    by_top: dict[tuple[int, ...], set[float]] = {}
    for alternative, first in zip(likelihood.alternatives(stored), offer.tops(stored), strict=True):
        by_top.setdefault(tuple(first), set()).add(
            round(probability(alternative, [0.3, -1.2, 0.9], beta=1.7), 12)
        )
    assert len(by_top) > 1 and all(len(found) == 1 for found in by_top.values())


def test_a_rubric_is_judged_first_and_weighed_then():
    fixed = next(e.payload for e in VALID if e.settings == FIXED)
    # Three levels, edges -step/2 and step/2 with step = softplus(1) = 1.3133; all heads 0: .3415, .3170, .3415.
    outer = 1 / (1 + math.exp(1.3132617 / 2))
    inner = 1 - 2 * outer
    # Correct 2 0 1, Well put 2 1 0: four outer levels and two inner ones.
    assert probability(event(fixed, FIXED), [0.0] * 6) == pytest.approx(outer**4 * inner**2)
    assert [p.head for p in likelihood.points(event(fixed, FIXED))] == ["attribute/correct"] * 3 + [
        "attribute/well put"
    ] * 3
    weighed = event(YES, RUBRIC)
    # Under its judgements A has Correct, B both, C none: what (1, 0) or (0, -1) rank first follows from them.
    tops = dict(
        zip([tuple(c["weights"]) for c in weighed.choice_set["candidates"]], offer.tops(weighed), strict=True)
    )
    assert tops[2, 1] == [1] and tops[1, 1] == [1]
    heads = [p.head for p in likelihood.points(weighed)]
    assert heads == ["attribute/correct"] * 3 + ["attribute/kind"] * 3 + ["reward"] * 3
    chance = [math.exp(np.mean([[1.0, 2.0, 0.0][i] for i in first])) for first in tops.values()]
    kept = math.exp(2) / sum(chance)
    assert probability(weighed, [0.0] * 6 + [1, 2, 0]) == pytest.approx(0.5**6 * kept)


def test_one_program_alone_is_no_choice():
    several, alone = (e.payload for e in VALID if e.settings == PROGRAM)
    assert likelihood.usable(event(several, PROGRAM))
    assert not likelihood.usable(event(alone, PROGRAM))
    assert [row for view, row in proxy.records([event(alone, PROGRAM)]) if view == "preference"]
    # Two programs with the same top tell nothing either.
    same = dict(several) | {"tried": [{"weights": {}, "program": "lists", "t_ms": 0}, several["tried"][-1]]}
    assert not likelihood.usable(event(same, PROGRAM))
    # -words puts C first, the one that was kept B; R = 1, 2, 0.
    found = probability(event(several, PROGRAM), [1, 2, 0])
    assert found == pytest.approx(math.exp(2) / (1 + math.exp(2)))


def test_no_sample_and_one_setting_is_no_choice():
    last = [t for t in LISTS["tried"] if any(t["weights"].values())]
    assert not likelihood.usable(event(LISTS | {"tried": last}, FEATURES | {"sample": 0}))


# --- Wrong choice sets -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searching() -> Callable[[Callable[[dict[str, Any], bool], bool]], science.Score]:
    """Labelers who want one setting of all there are (Boltzmann over the whole grid, 16,806 of them) and move to it one
    step at a time, all of which the page records. What comes back scores the law on a part of the choice set."""
    asked = proxy.settings(FIVE)
    case = science.Case(proxy, asked, 4)
    world, rng = science.World(0), np.random.default_rng([0, 2])
    crew = science.crew(world, likelihood, science.rationalities(rng, 10), rng)
    grid = np.array([w for w in product(range(-3, 4), repeat=5) if any(w)])
    events = []
    for number in range(2400):
        who, screen = crew[number % 10], world.screen(rng, 4)
        scores = grid @ np.array(offer.values(screen, asked)).T
        share = scores == scores.max(axis=1, keepdims=True)
        worth = np.array([who.value(screen.prompt, r.text, None, "reward") for r in screen.responses])
        utility = who.beta * (share / share.sum(axis=1, keepdims=True)) @ worth * (rng.random() >= who.lapse)
        chance = np.exp(utility - utility.max())
        kept = dict(
            zip(asked.names, map(int, grid[rng.choice(len(grid), p=chance / chance.sum())]), strict=True)
        )
        now, tried = offer.start(asked), [Tried(weights=offer.start(asked))]
        for name in rng.permutation(list(kept)):
            while now[name] != kept[name]:
                now = now | {name: now[name] + (1 if kept[name] > now[name] else -1)}
                tried.append(Tried(weights=now))
        payload = _answer(screen, asked, {}, tried, tried[-1])
        stored = proxy.choice_set(screen, asked, payload)
        events.append(
            Event(str(number), "proxy_reward", str(number % 10), "q", screen, None, payload, asked, stored)
        )

    def score(keep: Callable[[dict[str, Any], bool], bool]) -> science.Score:
        changed = [only(keep)(e) for e in events]
        return science.Trial(case, world, crew, [e for e in changed if likelihood.usable(e)]).score()

    return score


def only(keep: Callable[[dict[str, Any], bool], bool]) -> Callable[[Event], Event]:
    """The choice set with some of its candidates, by (candidate, whether it was drawn), and what was kept in any case."""

    def changed(happened: Event) -> Event:
        number, drawn = offer.kept(happened), set(offer.sampled(happened.screen, happened.settings))
        left = [
            c
            for i, c in enumerate(happened.choice_set["candidates"])
            if i == number or keep(c, tuple(c["weights"]) in drawn)
        ]
        return replace(happened, choice_set={**happened.choice_set, "candidates": left})

    return changed


@pytest.mark.slow
def test_a_sample_stands_for_all_settings(searching):
    """McFadden (1978): with candidates drawn without regard to the choice, the law of the whole grid is kept."""
    assert searching(lambda c, drawn: drawn).passes


@pytest.mark.slow
def test_what_was_tried_alone_is_a_wrong_choice_set(searching):
    """Whoever moves to a setting step by step passes settings that are like it: these alone make them look indifferent.

    Beside a sample of sixty they hardly matter.
    """
    assert not searching(lambda c, drawn: c["seen"]).passes
    assert searching(lambda c, drawn: True).passes


class Soft(ProxyLikelihood):
    """pi_w is a Boltzmann over the pool instead of the top: nearly a coin toss at this temperature."""

    def collate(self, events):
        batch = super().collate(events)
        batch["share"] = torch.softmax(batch["share"], dim=2)
        return batch


def test_a_soft_pool_is_caught():
    trial = science.Trial.run(science.Case(proxy, proxy.settings(FIVE), 4), 2000, seed=0)
    assert trial.score().passes
    assert not trial.score(Soft()).passes


def test_more_answers_by_each_way_of_asking_find_more():
    asked = science.Case(proxy, proxy.settings({"mode": "program"}), 4)
    few, many = science.recovery([asked], [60, 600], seed=1)
    assert many.spearman > few.spearman and many.spearman > 0.75
