"""Shares, intervals and calibration, each against numbers worked out by hand."""

import math
import random

import pytest

from training_bridge.reward_model.measures import (
    calibration,
    difference,
    histogram,
    logistic_weight,
    share,
    wilson,
)


def test_wilson_interval():
    assert wilson(8, 10) == pytest.approx(
        (0.4901625, 0.9433178), abs=1e-6
    )  # statsmodels, proportion_confint(8, 10, .05, "wilson")
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_share_of_independent_answers_has_wilsons_interval():
    told = share([1, 0, 1, 1, 1, 1, 0, 1, 1, 1], range(10))
    assert (told["value"], told["n"], told["prompts"]) == (0.8, 10, 10)
    assert (told["low"], told["high"]) == pytest.approx(wilson(8, 10))


def test_answers_about_one_prompt_count_as_one_when_they_agree():
    """Five prompts, each answered four times alike: the design effect is 4, and 20 answers are worth 5."""
    values = [1.0] * 12 + [0.0] * 8
    told = share(values, [i // 4 for i in range(20)])
    assert (told["low"], told["high"]) == pytest.approx(wilson(3, 5))
    perfect = share([1.0] * 20, [i // 4 for i in range(20)])
    assert (perfect["low"], perfect["high"]) == pytest.approx(wilson(5, 5))
    assert share([], [])["value"] is None


def test_calibration_by_hand():
    """Two bins of two: confidence .6 and .9, accuracy 1/2 and 1 -> ECE = (|.5-.6| + |1-.9|) / 2 = .1."""
    from training_bridge.reward_model import measures

    probabilities = [0.6, 0.4, 0.9, 0.9]
    old, measures.BINS = measures.BINS, 2
    try:
        told = calibration(probabilities)
    finally:
        measures.BINS = old
    assert told["ece"] == pytest.approx(0.1)
    points = [(c["confidence"], c["accuracy"], c["n"]) for c in told["curve"]]
    assert points[0] == pytest.approx((0.6, 0.5, 2)) and points[1] == pytest.approx((0.9, 1.0, 2))
    assert told["nll"] == pytest.approx(-(math.log(0.6) + math.log(0.4) + 2 * math.log(0.9)) / 4)
    assert told["brier"] == pytest.approx((0.16 + 0.36 + 0.01 + 0.01) / 4)


def test_calibrated_probabilities_have_a_small_error_and_overconfident_ones_a_large_one():
    rng = random.Random(0)
    stated = [rng.uniform(0.5, 1) for _ in range(20_000)]
    happened = [p if rng.random() < p else 1 - p for p in stated]
    assert calibration(happened)["ece"] < 0.01
    few = calibration(happened[:40])
    assert (
        few["ece_if_perfect"] > 0.1 > calibration(happened)["ece_if_perfect"]
    )  # four pairs a bin: noise alone
    assert abs(calibration(happened)["ece"] - calibration(happened)["ece_if_perfect"]) < 0.005
    sure = [0.99 if p > 0.5 else 0.01 for p in happened]
    assert calibration(sure)["ece"] == pytest.approx(0.24, abs=0.02)
    assert len(calibration(happened)["curve"]) == 10
    assert calibration([]) == {
        "n": 0,
        "ece": None,
        "ece_if_perfect": None,
        "nll": None,
        "brier": None,
        "curve": [],
    }


def test_logistic_weight_is_the_maximum():
    """d = 1 won three times of four: s(w) = 3/4, w = log 3 (with a flat prior)."""
    assert logistic_weight([1, 1, 1, -1], prior_sd=1e6) == pytest.approx(math.log(3), abs=1e-6)
    assert logistic_weight([-2, -2, -2, 2], prior_sd=1e6) == pytest.approx(-math.log(3) / 2, abs=1e-6)
    always = logistic_weight([1.0] * 100)
    assert 0 < always < 5 * 5  # kept finite by its prior
    assert logistic_weight([]) == 0.0


def test_a_paired_difference_draws_whole_prompts():
    told = difference([1, 1, 0, 1], [0, 0, 0, 1], ["p", "p", "q", "q"])
    assert told["value"] == 0.5
    assert (told["low"], told["high"]) == (0.0, 1.0)  # the two prompts differ by 1 and by 0
    assert difference([], [], [])["value"] is None


def test_histogram_counts_everything_over_the_same_bins():
    told = histogram({"a": [0.0, 0.5, 1.0], "b": [2.0]}, bins=4)
    assert told["edges"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert told["counts"] == {"a": [1, 1, 1, 0], "b": [0, 0, 0, 1]}
    assert histogram({"a": [1.0, 1.0]}, bins=2)["counts"]["a"] == [2, 0]
