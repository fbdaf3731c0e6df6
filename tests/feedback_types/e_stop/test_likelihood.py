"""The laws of a stop: normalised, right at the truth, and better than the wrong ones."""

import math

import numpy as np
import pytest
import torch

from feedback_types.base import Screen
from feedback_types.e_stop import feedback_type as e_stop
from feedback_types.e_stop.likelihood import StoppedMeansBad, likelihood
from feedback_types.e_stop.schema import EStopPayload
from feedback_types.e_stop.simulate import RHO, TAU, hindsight, stream
from tests.feedback_types.e_stop import compare
from tests.feedback_types.e_stop.world import (
    PROMPT,
    D,
    World,
    event,
    fit,
    log_probabilities,
    nuisance,
    score_test,
    screen,
    spearman,
    text,
)

CRITICAL = 22.46  # 99.9 % point of chi-square with D = 6 degrees of freedom
SETTINGS = e_stop.settings()


def payload(outcome, shown, ends=(10, 20, 30), reason=None, mode="stream"):
    stopped = outcome == "stopped"
    return EStopPayload(
        mode=mode,
        outcome=outcome,
        reason=reason or ("bad" if stopped else None),
        stop_char=shown if stopped else None,
        rendered_char=shown if mode == "stream" else ends[-1],
        stream_cps=40 if mode == "stream" else None,
        t_ms=1 if mode == "stream" else None,
        full_text_available=mode == "hindsight",
        segments=ends,
    )


def log_probability(run, values, beta=2.0, tau=-0.5, rho=0.0):
    on = Screen(PROMPT, screen("x" * 9 + "." + "y" * 9 + "." + "z" * 9 + ".").responses)
    batch = likelihood.collate([event(run, on)])
    parameters = {
        "tau": torch.tensor([tau]),
        "rho": torch.tensor([rho]),
    }  # rho 0 on the logistic scale is 1/2
    return float(likelihood.log_likelihood(torch.tensor([values]), batch, torch.tensor([beta]), parameters))


def s(x):
    return 1 / (1 + math.exp(-x))


def test_hazard_by_hand():
    # Scores 0, 1, 0, -2: steps 1, -1, -2; mood 1, -0.5, -2.25; h_n = s(2 (-0.5 - mood)).
    values = [0.0, 1.0, 0.0, -2.0]
    h = [s(2 * (-0.5 - 1)), s(2 * (-0.5 + 0.5)), s(2 * (-0.5 + 2.25))]
    expected = {
        ("stopped", 10): h[0],
        ("stopped", 4): h[0],  # inside the first sentence
        ("stopped", 19): h[0],  # inside the second: the first is what had been read
        ("stopped", 20): (1 - h[0]) * h[1],
        ("stopped", 30): (1 - h[0]) * (1 - h[1]) * h[2],
        ("finished", 30): (1 - h[0]) * (1 - h[1]) * (1 - h[2]),
        ("left", 25): (1 - h[0]) * (1 - h[1]),
        ("left", 10): 1 - h[0],
    }
    for (outcome, shown), probability in expected.items():
        assert math.exp(log_probability(payload(outcome, shown), values)) == pytest.approx(
            probability, rel=1e-5
        )


def test_hindsight_by_hand():
    weights = [math.exp(2 * v) for v in (1.0, 0.0, -2.0)]
    for outcome, shown, place in (("stopped", 10, 0), ("stopped", 20, 1), ("finished", 30, 2)):
        found = log_probability(payload(outcome, shown, mode="hindsight"), [0.0, 1.0, 0.0, -2.0])
        assert math.exp(found) == pytest.approx(weights[place] / sum(weights), rel=1e-5)


@pytest.mark.parametrize("gap", [0.0, 50.0, 2000.0])
def test_finite_for_any_gap(gap):
    for run in (payload("stopped", 20), payload("finished", 30), payload("stopped", 20, mode="hindsight")):
        values = torch.tensor([[0.0, gap, -gap, gap]], requires_grad=True)
        batch = likelihood.collate([event(run, screen("x"))])
        found = likelihood.log_likelihood(
            values, batch, torch.ones(1), {k: v.float() for k, v in nuisance(likelihood, 1).items()}
        )
        found.sum().backward()
        assert torch.isfinite(found).all()
        assert (found <= 0).all()
        assert torch.isfinite(values.grad).all()


def examples():
    for example in e_stop.valid:
        run = event(e_stop.load(example.payload), example.screen, example.target)
        if likelihood.usable(run):
            yield run


@pytest.mark.parametrize("law", [likelihood, StoppedMeansBad()], ids=["H and P", "baseline"])
def test_every_law_is_normalised(law):
    rng = np.random.default_rng(3)
    world = World(3)
    labeler = world.labeler()
    runs = list(examples())
    for steps in (1, 2, 5, 9):
        words = text(rng, steps)
        runs += [
            event(stream(PROMPT, words, SETTINGS, labeler, rng, leaving=0.3), screen(words)) for _ in range(4)
        ]
        runs.append(event(hindsight(PROMPT, words, labeler, rng), screen(words)))
    for run in filter(law.usable, runs):
        others = law.alternatives(run)
        assert run.payload in [other.payload for other in others] or isinstance(law, StoppedMeansBad)
        assert log_probabilities(law, others, 3 * world.w, beta=1.7).exp().sum().item() == pytest.approx(
            1, abs=1e-9
        )
        assert law.log_uniform(law.collate(others)).exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_what_says_nothing():
    assert not likelihood.usable(event(payload("stopped", 15, reason="slip"), screen("x")))
    assert not likelihood.usable(event(payload("stopped", 15, reason="enough"), screen("x")))
    assert not likelihood.usable(event(payload("stopped", 15, reason="already_know"), screen("x")))
    assert not likelihood.usable(event(payload("left", 9), screen("x")))
    assert likelihood.usable(event(payload("stopped", 15, reason="unsafe"), screen("x")))


def live(world, n, seed, leaving=0.05, **law):
    rng = np.random.default_rng([world.seed, seed])
    labeler = world.labeler(**law)
    found = []
    for _ in range(n):
        words = text(rng, int(rng.integers(3, 8)))
        found.append(event(stream(PROMPT, words, SETTINGS, labeler, rng, leaving), screen(words)))
    return found


def test_score_at_the_truth():
    for seed in range(2):
        world = World(seed)
        runs = live(world, 1000, 1, beta=1.5, parameters={"tau": -1.5, "rho": 0.5})
        assert score_test(likelihood, runs, world.w, beta=1.5, tau=-1.5, rho=0.5) < CRITICAL
        # Planted wrong law: the other choice set.
        assert (
            score_test(likelihood, [compare.misread(run) for run in runs], world.w, beta=1.5) > 2 * CRITICAL
        )
        named = compare.runs(world, 1000, 1, "P")
        assert score_test(likelihood, named, world.w) < CRITICAL
        assert score_test(likelihood, [compare.misread(run) for run in named], world.w) > 2 * CRITICAL


def test_dropping_the_runs_to_the_end_is_the_wrong_choice_set():
    world = World(0)
    stops_only = [run for run in live(world, 1500, 2) if run.payload.outcome == "stopped"]
    assert score_test(likelihood, stops_only, world.w) > CRITICAL


def test_recovery_grows():
    worlds = [World(seed) for seed in range(4)]
    found = [
        np.mean([spearman(fit(likelihood, live(world, n, 4)), world.w) for world in worlds])
        for n in (30, 100, 400)
    ]
    assert found[0] < found[1] < found[2]
    assert found[2] > 0.95


def test_the_matching_law_recovers_best():
    mean = {pair: np.mean(values) for pair, values in compare.correlations(250, 3).items()}
    assert mean["H", "H"] > 0.93
    assert mean["H", "H"] > mean["H", "whole"] > mean["H", "P"] + 0.3
    assert mean["P", "P"] > 0.93
    assert mean["P", "P"] > mean["P", "whole"] > mean["P", "H"] + 0.3


def test_simulated_stops_have_the_frequencies_of_the_law():
    """One text, many runs: counts against the law's own probabilities (chi-square, 5 cells, 99.9 % point 18.5)."""
    world = World(5)
    words = text(np.random.default_rng(5), 4)
    on = screen(words)
    for draw in (
        lambda rng: stream(PROMPT, words, SETTINGS, world.labeler(), rng),
        lambda rng: hindsight(PROMPT, words, world.labeler(), rng),
    ):
        rng = np.random.default_rng(6)
        runs = [event(draw(rng), on) for _ in range(2000)]
        options = likelihood.alternatives(runs[0])
        expected = 2000 * log_probabilities(likelihood, options, world.w).exp().numpy()
        at = [(o.payload.outcome, o.payload.stopped_at) for o in options]
        got = np.bincount(
            [at.index((r.payload.outcome, r.payload.stopped_at)) for r in runs], minlength=len(options)
        )
        assert ((got - expected) ** 2 / expected).sum() < 18.5
    assert (TAU, RHO) == (likelihood.parameters[0].initial, likelihood.parameters[1].initial)
    assert D == 6


def test_a_lapse_is_uniform():
    world = World(1)
    words = text(np.random.default_rng(1), 3)
    rng = np.random.default_rng(2)
    careless = world.labeler(lapse=1.0)
    stops = [stream(PROMPT, words, SETTINGS, careless, rng) for _ in range(2000)]
    counts = np.bincount([p.stopped_at if p.outcome == "stopped" else 4 for p in stops], minlength=5)[1:]
    assert ((counts - 500) ** 2 / 500).sum() < 16.3  # 3 degrees of freedom, 99.9 %
