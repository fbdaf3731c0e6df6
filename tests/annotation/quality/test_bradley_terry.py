"""Strengths from preferences, against closed forms, an independent library's figures, and counting by hand."""

from itertools import product

import numpy as np
import pytest

from annotation.quality.bradley_terry import connected, fit, noisy, pairs_of, probabilities, votes_to_flip


def test_two_candidates_have_a_closed_form():
    """10 : 7 without ties: the difference is log(10/7), its standard error sqrt(1/10 + 1/7)."""
    found = fit(pairs_of([(0, 1, 1)] * 10 + [(1, 0, 1)] * 7), 2, prior_sd=None)
    assert found.strengths == pytest.approx([np.log(10 / 7) / 2, -np.log(10 / 7) / 2])
    assert found.sd(0, 1) == pytest.approx(np.sqrt(1 / 10 + 1 / 7))
    assert found.log_nu is None


def test_ties_are_davidsons():
    """10 : 6 with 4 ties: the difference is log(10/6), and nu = ties / sqrt(wins * losses)."""
    found = fit(pairs_of([(0, 1, 1)] * 10 + [(1, 0, 1)] * 6 + [(0, 1, 0.5)] * 4), 2, prior_sd=None)
    assert found.strengths[0] - found.strengths[1] == pytest.approx(np.log(10 / 6))
    assert np.exp(found.log_nu) == pytest.approx(4 / np.sqrt(60))


def test_covariates_and_intervals_are_those_of_a_logit_with_clusters():
    """statsmodels 0.15.0: Logit(y, [first is 0, first is 1 (minus second), length]).fit(cov_type="cluster") on these rows.

    Columns: s0 - s2, s1 - s2 and the effect of length; the errors without its small-sample factor.
    """
    rows = [
        (0, 1, 1), (0, 1, 0), (1, 2, 1), (2, 0, 0), (2, 1, 1), (0, 2, 1), (1, 0, 1), (2, 1, 0), (0, 2, 0), (1, 2, 1),
    ]  # fmt: skip
    length = [[0.5], [-0.2], [0.1], [0.3], [0.4], [-0.6], [0.2], [-0.1], [-0.3], [0.0]]
    found = fit(pairs_of(rows, length, cluster=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]), 3, prior_sd=None)
    s = found.strengths
    assert [s[0] - s[2], s[1] - s[2], found.effects[0]] == pytest.approx(
        [2.515281963987814, 2.5717316219981567, 5.961801021267541], abs=1e-5
    )
    assert [found.sd(0, 2), found.sd(1, 2), found.effects_sd[0]] == pytest.approx(
        [1.2889147166699917, 1.184977878822478, 2.1597869545427932], abs=1e-5
    )


def test_what_won_everything_stays_finite_and_what_nobody_judged_is_not_known():
    found = fit(pairs_of([(0, 1, 1)] * 20), 3)
    assert 0 < found.strengths[0] - found.strengths[1] < 20
    assert found.sd(2) > 3 > found.sd(0, 1) > 0.5
    assert connected(pairs_of([(0, 1, 1), (2, 3, 1), (3, 4, 0)]), 6) == [[2, 3, 4], [0, 1], [5]]


def test_labelers_who_do_not_look_are_found_out():
    """Twelve labelers judge four candidates; the last three always pick what stands first."""
    rng = np.random.default_rng(0)
    strengths = np.array([1.5, 0.5, -0.5, -1.5])
    rows, labelers = [], []
    for labeler in range(12):
        for _ in range(60):
            a, b = rng.choice(4, 2, replace=False)
            first = rng.random() < 1 / (1 + np.exp(strengths[b] - strengths[a])) or labeler >= 9
            rows.append((int(a), int(b), float(first)))
            labelers.append(labeler)
    found = noisy(pairs_of(rows), np.array(labelers), 4)
    assert found.attention[:9].min() > 0.6 > 0.3 > found.attention[9:].max()
    assert found.habits[9:, 0].min() > 0.8
    plain = fit(pairs_of(rows), 4)
    assert np.abs(found.fitted.strengths - strengths).max() < np.abs(plain.strengths - strengths).max()


def test_votes_that_flip_the_top_can_be_counted():
    """10 : 7: without four of the ten it is 6 : 7. Nothing flips what has no rival."""
    pairs = pairs_of([(0, 1, 1)] * 10 + [(0, 1, 0)] * 7)
    assert votes_to_flip(pairs, fit(pairs, 2)) == (4, 1)
    # Three candidates: as few as trying every choice of kinds finds.
    kinds = {(0, 1, 1): 5, (1, 0, 1): 3, (0, 2, 1): 4, (2, 0, 1): 2, (1, 2, 1): 3, (2, 1, 1): 2}
    pairs = pairs_of([kind for kind, times in kinds.items() for _ in range(times)])
    fewest = len(pairs)
    for left_out in product(*(range(times + 1) for times in kinds.values())):
        if sum(left_out) < fewest:
            kept = [(k, n - x) for (k, n), x in zip(kinds.items(), left_out, strict=True)]
            strengths = fit(pairs_of([kind for kind, times in kept for _ in range(times)]), 3).strengths
            if strengths[1:].max() > strengths[0] + 1e-9:
                fewest = sum(left_out)
    assert votes_to_flip(pairs, fit(pairs, 3))[0] == fewest
    alone = pairs_of([(0, 1, 1)] * 5)
    assert votes_to_flip(alone, fit(alone, 2)) is None


def test_probabilities_add_up_and_nothing_overflows():
    first, tie, second = probabilities(np.array([-2000.0, 0.0, 2000.0]), 0.0)
    assert first + tie + second == pytest.approx(1)
    assert first == pytest.approx([0, 1 / 3, 1]) and tie[1] == pytest.approx(1 / 3)
    with pytest.raises(ValueError):
        fit(pairs_of([(0, 3, 1)]), 3)
