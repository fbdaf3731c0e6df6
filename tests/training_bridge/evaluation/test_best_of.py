"""Best-of-n from N answers: against going through every set of n, and on a world in which gold must peak."""

import itertools
import math

import numpy as np
import pytest

from training_bridge.evaluation.best_of import bands, best_of, fit, kl_bound, n_of, peak, rank_weights, sizes


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_set_of_n_counts_once(n):
    """The mean over all C(5, n) sets of the gold of the answer with the highest proxy, gone through one by one."""
    proxy, gold = [0.3, -1.0, 2.0, 0.9, 0.1], [5.0, 1.0, -3.0, 2.0, 8.0]
    sets = list(itertools.combinations(range(5), n))
    expected = np.mean([gold[max(s, key=lambda i: proxy[i])] for s in sets])
    assert best_of(proxy, gold, [n])[0] == pytest.approx(expected)
    assert rank_weights(5, n).sum() == pytest.approx(1.0)


def test_ties_are_drawn_by_lot():
    """Both with proxy 1 are the best of two as often: of the sets {0,1}, {0,2}, {1,2} gold is 4 or 6, 4, 6."""
    assert best_of([1.0, 1.0, 0.0], [4.0, 6.0, 9.0], [2])[0] == pytest.approx((5 + 4 + 6) / 3)


def test_it_is_unbiased_for_fresh_answers():
    """Best of 4 from 8 answers, averaged over many draws of 8, is the best of 4 of a uniform: 4/5."""
    rng = np.random.default_rng(0)
    means = [best_of(x, x, [4])[0] for x in rng.random((4000, 8))]
    assert np.mean(means) == pytest.approx(0.8, abs=0.005)


def test_the_bound():
    assert kl_bound(1) == 0.0
    assert kl_bound(2) == pytest.approx(math.log(2) - 0.5)
    assert n_of(kl_bound(37)) == pytest.approx(37, rel=1e-6)
    assert sizes(24) == [1, 2, 4, 8, 16, 24] and sizes(64)[-1] == 64


def test_the_fit_finds_what_it_was_made_from():
    ns = sizes(256)
    d = np.sqrt([kl_bound(n) for n in ns])
    found = fit(ns, 3.0 + d * (1.2 - 0.5 * d))
    assert (found["a"], found["b"]) == (pytest.approx(1.2), pytest.approx(0.5))
    assert found["peak_kl"] == pytest.approx(1.44)
    assert kl_bound(1) < 1.44 < kl_bound(round(found["peak_n"]) + 1)
    rising = fit(ns, d * 1.0)
    assert rising["peak_n"] is None
    assert fit([1, 2], [0, 1])["a"] is None


def test_gold_peaks_where_a_flaw_of_the_proxy_takes_over():
    """gold = z - 4 [flaw], proxy = z + 4 [flaw], one flaw in 50 answers: best of few is better, of many worst."""
    rng = np.random.default_rng(1)
    z, flaw = rng.normal(size=(200, 64)), rng.random((200, 64)) < 0.02
    ns = sizes(64)
    curves = np.array([best_of(p, g, ns) for p, g in zip(z + 4 * flaw, z - 4 * flaw, strict=True)])
    band, means = bands(curves)
    found = peak(ns, curves, means)
    assert 2 <= found["n"] <= 16 and found["low"] <= found["n"] <= found["high"] and found["is_over"]
    assert band[-1]["high"] < band[0]["low"]
    honest = np.array([best_of(g, g, ns) for g in z])
    assert peak(ns, honest, bands(honest)[1]) == {"n": 64, "low": 64, "high": 64, "is_over": False}


def test_refusals():
    with pytest.raises(ValueError, match="from 1 to that"):
        best_of([1.0], [1.0], [2])
    with pytest.raises(ValueError, match="one value for each"):
        best_of([1.0, 2.0], [1.0], [1])
