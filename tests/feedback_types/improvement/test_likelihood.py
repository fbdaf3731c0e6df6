"""The law of an edit: normalised, right at the truth where "edited beats original" is not, and better with more edits."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_types.base import Event
from feedback_types.improvement import feedback_type as improvement
from feedback_types.improvement.likelihood import ImprovementLikelihood, _log_subset, likelihood
from feedback_types.improvement.simulate import improve
from tests.feedback_types.e_stop.world import (
    PROMPT,
    World,
    event,
    fit,
    log_probabilities,
    score_test,
    screen,
    spearman,
    text,
)

CRITICAL = 22.46  # 99.9 % point of chi-square with 6 degrees of freedom


class EditedBeatsOriginal(ImprovementLikelihood):
    """The naive law: every edited text is worth more than the original, because somebody wrote it."""

    def collate(self, events):
        return super().collate(
            [
                replace(e, payload=e.payload.model_copy(update={"confirm_better": True, "refused": ()}))
                for e in events
            ]
        )

    def log_likelihood(self, values, batch, beta, parameters):
        gain = values.gather(1, batch["draft"][:, :1]) - values.gather(1, batch["end"].unsqueeze(1))
        return torch.nn.functional.logsigmoid(beta * gain.squeeze(1))


class OnlyConfirmed(EditedBeatsOriginal):
    """The same, over those edits that were confirmed: the "no" is left out of the choice set."""

    def usable(self, event):
        return event.payload.confirm_better


class WithoutWhere(ImprovementLikelihood):
    """Only the verdict and the suggestions: a law too, with less in it."""

    def collate(self, events):
        batch = super().collate(events)
        return batch | {"place": torch.zeros_like(batch["place"])}


def edits(world: World, n: int, seed: int, suggestions: str = "none", **law: object) -> list[Event]:
    rng = np.random.default_rng([world.seed, seed])
    labeler = world.labeler(**law)
    asked = improvement.settings({"suggestions": suggestions})
    found = []
    for _ in range(n):
        words = text(rng, int(rng.integers(3, 8)))
        found.append(event(improve(PROMPT, words, asked, labeler, rng), screen(words)))
    return found


def s(x):
    return 1 / (1 + math.exp(-x))


def log_probability(payload, values, beta=2.0, words="One. Two. Three."):
    batch = likelihood.collate([event(improvement.load(payload), screen(words))])
    return math.exp(likelihood.log_likelihood(torch.tensor([values]), batch, torch.tensor([beta]), {}))


def test_by_hand():
    # Scores of the original at 0 and its three ends, then the drafts, then the suggestions. Steps: 1, -1, 0.5; R(y) = 0.5.
    original = [0.0, 1.0, 0.0, 0.5]
    edit = {
        "edited_text": "One. 2. Three.", "ops": [{"op": "replace", "start": 5, "end": 8, "text": "2"}], "intervened_at": 5,
        "segments": [5, 10, 16], "confirm_better": True,
    }  # fmt: skip
    down = [math.exp(-2 * step) for step in (1, -1, 0.5)]
    where = down[1] / sum(down)
    assert log_probability(edit, [*original, 0.9]) == pytest.approx(where * s(0.8), rel=1e-5)
    assert log_probability(edit | {"confirm_better": False}, [*original, 0.9]) == pytest.approx(
        where * s(-0.8), rel=1e-5
    )

    # A suggestion taken out of two: where is read only if they were asked for at a place.
    shown = edit | {"suggestions_shown": ["Zero.", "One. 2. Three."], "picked": 1}
    what = math.exp(1.8) / (math.exp(1.8) + math.exp(0.6))
    assert log_probability(shown, [*original, 0.9, 0.3, 0.9]) == pytest.approx(what * s(0.8), rel=1e-5)
    asked = shown | {"suggested_for": [1]}
    assert log_probability(asked, [*original, 0.9, 0.3, 0.9]) == pytest.approx(
        where * what * s(0.8), rel=1e-5
    )

    # Own words beside a suggestion: what is not read, where is.
    own = edit | {"suggestions_shown": ["Zero."]}
    assert log_probability(own, [*original, 0.9, 0.3]) == pytest.approx(where * s(0.8), rel=1e-5)

    # A first draft in sentence 1 that was refused, then the second: the place is that of the first.
    first = {"edited_text": "1. Two. Three.", "ops": [{"op": "replace", "start": 0, "end": 3, "text": "1"}]}
    again = edit | {"refused": [first]}
    assert log_probability(again, [*original, 0.2, 0.9]) == pytest.approx(
        down[0] / sum(down) * s(0.6) * s(0.8), rel=1e-5
    )

    # Two sentences: softmax over the three pairs.
    both = edit | {
        "edited_text": "One. 2. 3.",
        "ops": [
            {"op": "replace", "start": 5, "end": 8, "text": "2"},
            {"op": "replace", "start": 10, "end": 15, "text": "3"},
        ],
    }
    pairs = down[0] * down[1] + down[0] * down[2] + down[1] * down[2]
    assert log_probability(both, [*original, 0.9]) == pytest.approx(
        down[1] * down[2] / pairs * s(0.8), rel=1e-5
    )


@settings(deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=7), st.data())
def test_subsets_against_enumeration(utilities, data):
    k = data.draw(st.integers(0, len(utilities)))
    weights = {c: sum(utilities[i] for i in c) for c in combinations(range(len(utilities)), k)}
    top = max(weights.values())
    total = top + math.log(sum(math.exp(w - top) for w in weights.values()))
    for chosen, weight in weights.items():
        place = torch.tensor([[i in chosen for i in range(len(utilities))] + [False]])
        offered = torch.tensor([[True] * len(utilities) + [False]])
        u = torch.tensor([[*utilities, 7.0]], dtype=torch.float64, requires_grad=True)
        found = _log_subset(u, place, offered)
        assert found.item() == pytest.approx(weight - total, abs=1e-6)
        found.sum().backward()
        assert torch.isfinite(u.grad).all()


def test_every_event_is_normalised():
    rng = np.random.default_rng(4)
    world = World(4)
    found = [
        event(improvement.load(example.payload), example.screen, example.target)
        for example in improvement.valid
    ]
    for steps in (1, 2, 5, 7):
        for suggestions in ("none", "cuts"):
            words = text(rng, steps)
            asked = improvement.settings({"suggestions": suggestions})
            found += [
                event(improve(PROMPT, words, asked, world.labeler(), rng), screen(words)) for _ in range(6)
            ]
    assert any(e.payload.refused for e in found) and any(len(e.payload.place) == 2 for e in found)
    for e in found:
        others = likelihood.alternatives(e)
        assert [other.payload for other in others].count(e.payload) == 1
        assert log_probabilities(
            likelihood, others, 3 * world.w, beta=1.7
        ).exp().sum().item() == pytest.approx(1, abs=1e-9)
        assert likelihood.log_uniform(likelihood.collate(others)).exp().sum().item() == pytest.approx(
            1, abs=1e-6
        )


@pytest.mark.parametrize("gap", [0.0, 50.0, 2000.0])
def test_finite_for_any_gap(gap):
    for example in improvement.valid:
        e = event(improvement.load(example.payload), example.screen, example.target)
        n = len(likelihood.points(e))
        values = (gap * torch.tensor([[(-1.0) ** i for i in range(n)]])).requires_grad_()
        found = likelihood.log_likelihood(values, likelihood.collate([e]), torch.ones(1), {})
        found.sum().backward()
        assert torch.isfinite(found).all()
        assert (found <= 1e-6).all()
        assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("suggestions", ["none", "cuts"])
def test_score_at_the_truth_where_the_naive_law_fails(suggestions):
    for seed in range(2):
        world = World(seed)
        found = edits(world, 900, 1, suggestions, beta=1.5)
        assert score_test(likelihood, found, world.w, beta=1.5) < CRITICAL
        assert score_test(WithoutWhere(), found, world.w, beta=1.5) < CRITICAL
        assert score_test(EditedBeatsOriginal(), found, world.w, beta=1.5) > CRITICAL
        assert score_test(OnlyConfirmed(), found, world.w, beta=1.5) > CRITICAL


def test_recovery_grows_and_the_choice_sets_carry_it():
    worlds = [World(seed) for seed in range(3)]
    mean = {
        n: np.mean([spearman(fit(likelihood, edits(w, n, 2)), w.w) for w in worlds]) for n in (20, 80, 240)
    }
    assert mean[20] < mean[80] < mean[240]
    assert mean[240] > 0.95
    naive = np.mean([spearman(fit(EditedBeatsOriginal(), edits(w, 80, 2)), w.w) for w in worlds])
    assert mean[80] > naive


def test_a_lapse_is_uniform():
    world = World(1)
    words = text(np.random.default_rng(1), 4)
    rng = np.random.default_rng(2)
    careless = [
        improve(PROMPT, words, improvement.settings(), world.labeler(lapse=1.0), rng) for _ in range(1200)
    ]
    single = [p for p in careless if len(p.place) == 1]
    counts = np.bincount([min(p.place) for p in single], minlength=4)
    assert ((counts - len(single) / 4) ** 2 / (len(single) / 4)).sum() < 16.3  # 3 degrees of freedom, 99.9 %
    first_yes = np.mean([p.confirm_better and not p.refused for p in careless])
    assert abs(first_yes - 0.5) < 4 * 0.5 / math.sqrt(1200)
