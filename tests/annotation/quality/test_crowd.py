"""Truth from several labelers, against crowd-kit's figures, closed forms, and a crowd whose truth is known."""

import numpy as np
import pytest

from annotation.quality.crowd import (
    accuracy_of,
    dawid_skene,
    digamma,
    mace,
    posterior_of,
    spammer_score,
    table,
    votes,
)
from annotation.quality.intervals import wilson

SMALL = [
    (f"{unit}", labeler, answer)
    for unit, answers in zip("abcdef", ("110", "000", "101", "011", "110", "010"), strict=True)
    for labeler, answer in zip("xyz", answers, strict=True)
]


def test_dawid_and_skene_are_those_of_crowd_kit():
    """crowd-kit 1.4.2: DawidSkene(n_iter=2, tol=-1).fit(SMALL).probas_["1"]."""
    said = table(SMALL)
    assert said.classes == ["0", "1"]
    found = dawid_skene(said, steps=2, tolerance=-1)
    assert found.posterior[:, 1] == pytest.approx(
        [0.661775, 0.225574, 0.678159, 0.519668, 0.661775, 0.351048], abs=1e-6
    )
    assert votes(said)[:, 1] == pytest.approx([2 / 3, 0, 2 / 3, 2 / 3, 2 / 3, 1 / 3])


def crowd(truth, accuracies, rng, spammers=0):
    rows = []
    for unit, true in enumerate(truth):
        for labeler, accuracy in enumerate(accuracies):
            if rng.random() < 0.7:
                rows.append((unit, labeler, int(true if rng.random() < accuracy else 1 - true)))
        rows += [(unit, len(accuracies) + n, 1) for n in range(spammers)]
    return rows


def test_both_models_find_the_truth_and_the_spammers_where_the_majority_fails():
    """Three good labelers, two who toss a coin, three who always say 1: the majority is drowned."""
    rng = np.random.default_rng(1)
    truth = rng.random(300) < 0.5
    accuracies = [0.95, 0.9, 0.9, 0.5, 0.5]
    said = table(crowd(truth, accuracies, rng, spammers=3))
    order = [said.labelers.index(n) for n in range(8)]

    def right(posterior):
        return float((posterior.argmax(axis=1) == truth[np.array(said.units)]).mean())

    fitted, known = dawid_skene(said, shrink=5), mace(said, restarts=5)
    assert right(votes(said)) < 0.8 < 0.9 < min(right(fitted.posterior), right(known.posterior))
    told = [accuracy_of(fitted.confusion[n], fitted.prior) for n in order]
    assert told[:5] == pytest.approx(accuracies, abs=0.08)
    scores = [spammer_score(fitted.confusion[n], fitted.prior) for n in order]
    assert min(scores[:3]) > 0.5 > 0.05 > max(scores[3:])
    competence = known.competence[order]
    assert competence[:3].min() > 0.7 > 0.2 > competence[3:].max()
    assert known.habits[order[-1], 1] > 0.95


def test_what_is_believed_of_one_unit_is_bayes_rule():
    """Prior 1/2, two labelers right 8 and 6 times in ten who contradict each other: 0.8*0.4 : 0.2*0.6 = 8 : 3."""
    good, weak = np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    assert posterior_of([(good, 0), (weak, 1)], np.array([0.5, 0.5])) == pytest.approx([8 / 11, 3 / 11])
    assert posterior_of([], np.array([0.3, 0.7])) == pytest.approx([0.3, 0.7])
    assert spammer_score(np.eye(3), np.full(3, 1 / 3)) == pytest.approx(1)
    assert spammer_score(np.tile([0.1, 0.2, 0.7], (3, 1)), np.full(3, 1 / 3)) == pytest.approx(0)


def test_small_functions():
    euler = 0.5772156649015329
    assert digamma([1.0, 0.5, 10.0]) == pytest.approx(
        [-euler, -euler - 2 * np.log(2), -euler + sum(1 / k for k in range(1, 10))], abs=1e-9
    )
    # Brown, Cai & DasGupta (2001): 95 % for 0 of 10 and for 5 of 10.
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    with pytest.raises(ValueError):
        dawid_skene(table([]))
