"""Distances against numbers worked out by hand, and against loops written from the papers' definitions alone."""

import math

import numpy as np
import pytest

from training_bridge.evaluation.distances import Moments, centred, distance_of, l2_distance, pearson_distance


def test_pearson_distance_by_hand():
    """x = 0, 1, 2 and y = 0, 2, 1: covariance 1/3, variances 2/3 each, rho = 1/2, so D = sqrt(1/4) = 1/2."""
    assert pearson_distance([0, 1, 2], [0, 2, 1]) == pytest.approx(0.5)
    assert pearson_distance([0, 1, 2], [5, 7, 9]) == pytest.approx(0.0, abs=1e-12)
    assert pearson_distance([0, 1, 2], [0, -1, -2]) == pytest.approx(1.0)
    assert math.isnan(pearson_distance([0, 1, 2], [4, 4, 4]))


def test_the_two_standardisations_agree_on_centred_values():
    rng = np.random.default_rng(0)
    x, y = centred(rng.normal(size=(20, 5))), centred(rng.normal(size=(20, 5)))
    flat = np.concatenate(x), np.concatenate(y)
    together = distance_of([Moments.of(a, b) for a, b in zip(x, y, strict=True)])
    assert l2_distance(*flat) == pytest.approx(pearson_distance(*flat))
    assert together.value == pytest.approx(pearson_distance(*flat))
    assert together.correlation == pytest.approx(np.corrcoef(*flat)[0, 1])


def test_a_number_of_the_prompt_and_a_scale_are_not_seen():
    rng = np.random.default_rng(1)
    reward = rng.normal(size=(30, 4))
    other = 3 * (reward + rng.normal(size=(30, 1)) * 50)
    pairs = zip(centred(reward), centred(other), strict=True)
    assert distance_of([Moments.of(a, b) for a, b in pairs]).value == pytest.approx(0.0, abs=1e-6)


def test_the_interval_covers_the_truth_and_narrows_with_prompts():
    """rho = 0.8 in the population, D = sqrt(0.1): nine intervals of ten or more hold it, 4 times the prompts halve it."""
    truth = math.sqrt(0.1)

    def interval(prompts, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(prompts, 6))
        y = 0.8 * x + 0.6 * rng.normal(size=(prompts, 6))
        pairs = zip(centred(x), centred(y), strict=True)
        return distance_of([Moments.of(a, b) for a, b in pairs], seed=seed, resamples=400)

    found = [interval(40, seed) for seed in range(60)]
    assert sum(d.low <= truth <= d.high for d in found) >= 54
    wide = np.mean([d.high - d.low for d in found])
    narrow = np.mean([d.high - d.low for d in (interval(160, s) for s in range(20))])
    assert 0.4 < narrow / wide < 0.6


def test_what_cannot_be_said_is_not_said():
    constant = distance_of([Moments.of([1.0, 1.0], [0.0, 1.0]), Moments.of([1.0, 1.0], [2.0, 1.0])])
    assert constant.value is None and constant.numbers == 4
    one = distance_of([Moments.of([0.0, 1.0], [0.0, 1.0])])
    assert one.value == 0.0 and one.low is None
    assert distance_of([]).value is None
    with pytest.raises(ValueError, match="no number"):
        Moments.of([math.nan], [1.0])
    with pytest.raises(ValueError, match="as many values"):
        Moments.of([1.0, 2.0], [1.0])
