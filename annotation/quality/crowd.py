"""What is true when several labelers chose one of a few classes, and how reliable each of them is.

    said = table([("item 1", "lena", "yes"), ("item 1", "otto", "no"), …])
    model = dawid_skene(said)          posterior of every unit, a confusion matrix for every labeler
    mace(said)                         every labeler either knows or answers out of habit: one competence each
    votes(said)                        plain shares of the votes, to compare with

Everything is numpy over flat arrays: memory and time of a step are linear in the number of answers. (crowd-kit has these
models too; it would bring scikit-learn, scipy, nltk and transformers into the web process for a hundred lines. The tests
hold ours to its results.)

Sources: Dawid & Skene (1979); Hovy et al. (2013), "Learning Whom to Trust with MACE"; Raykar & Yu (2012) for the score.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST = 1e-10  # of a probability, so that its logarithm is finite


@dataclass(frozen=True)
class Said:
    """n answers: (n,) numbers of the unit, the labeler and the class, and what the numbers stand for."""

    unit: Ints
    labeler: Ints
    choice: Ints
    units: Sequence[Hashable]
    labelers: Sequence[Hashable]
    classes: Sequence[Hashable]


def table(rows: Iterable[tuple[Hashable, Hashable, Hashable]], classes: Sequence[Hashable] = ()) -> Said:
    """Answers from (unit, labeler, class) rows. Classes are in the order of their text unless they are given."""
    units: dict[Hashable, int] = {}
    labelers: dict[Hashable, int] = {}
    names: dict[Hashable, int] = {name: n for n, name in enumerate(classes)}
    numbers = [
        (
            units.setdefault(u, len(units)),
            labelers.setdefault(w, len(labelers)),
            names.setdefault(c, len(names)),
        )
        for u, w, c in rows
    ]
    found = np.array(numbers, np.int64).reshape(-1, 3)
    order = list(names) if classes else sorted(names, key=str)
    place = np.array([order.index(name) for name in names], np.int64)
    choice = place[found[:, 2]] if len(found) else found[:, 2]
    return Said(found[:, 0], found[:, 1], choice, list(units), list(labelers), order)


def votes(said: Said) -> Floats:
    """(units, classes) share of each unit's answers."""
    return _by_unit(said, np.eye(len(said.classes))[said.choice], normalise=True)


def _by_unit(said: Said, values: Floats, *, normalise: bool = False) -> Floats:
    """(units, classes) sums over the answers of each unit of (n, classes) values."""
    sums = np.stack(
        [np.bincount(said.unit, values[:, k], len(said.units)) for k in range(values.shape[1])], axis=1
    )
    found: Floats = (
        sums / np.maximum(sums.sum(axis=1, keepdims=True), LEAST) if normalise else sums.astype(float)
    )
    return found


# --- Dawid and Skene ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DawidSkene:
    """posterior: (units, classes). prior: (classes,). confusion: (labelers, truth, answer), rows sum to 1."""

    posterior: Floats
    prior: Floats
    confusion: Floats
    steps: int


def dawid_skene(said: Said, *, steps: int = 100, tolerance: float = 1e-5, shrink: float = 0.0) -> DawidSkene:
    """Truth and confusion matrices by expectation maximisation from the shares of votes.

    Args:
        tolerance: it ends when no step raises the log-likelihood by more than this share.
        shrink: so many imagined answers for each labeler and class of truth, spread as the group's answers are: who has
            answered little is taken to be like the others. 0 is Dawid and Skene's own.
    Raises: ValueError when there is no answer.
    """
    if not len(said.unit):
        raise ValueError("There has to be an answer.")
    posterior = votes(said)
    before = -math.inf
    prior, confusion = posterior.mean(axis=0), np.zeros(0)
    done = 0
    while done < steps:
        done += 1
        prior = posterior.mean(axis=0)
        confusion = _confusion(said, posterior, shrink)
        log = _by_unit(said, np.log(np.maximum(confusion, LEAST))[said.labeler, :, said.choice])
        log += np.log(np.maximum(prior, LEAST))
        most = log.max(axis=1, keepdims=True)
        odds = np.exp(log - most)
        total = odds.sum(axis=1, keepdims=True)
        posterior = odds / total
        value = float((np.log(total) + most).sum())
        if value - before < tolerance * abs(value):
            break
        before = value
    return DawidSkene(posterior, prior, confusion, done)


def _confusion(said: Said, posterior: Floats, shrink: float) -> Floats:
    n_labelers, n_classes = len(said.labelers), len(said.classes)
    place = said.labeler * n_classes + said.choice
    counts = np.stack(
        [np.bincount(place, posterior[said.unit, k], n_labelers * n_classes) for k in range(n_classes)]
    )
    counts = counts.reshape(n_classes, n_labelers, n_classes).transpose(1, 0, 2)
    if shrink:
        group = counts.sum(axis=0) + 1 / n_classes
        counts = counts + shrink * group / group.sum(axis=1, keepdims=True)
    total = counts.sum(axis=2, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, LEAST), 1 / n_classes)


def posterior_of(answers: Sequence[tuple[Floats, int]], prior: Floats) -> Floats:
    """(classes,) what a fitted model believes of one unit: answers are (the labeler's confusion matrix, class)."""
    log = np.log(np.maximum(prior, LEAST))
    for confusion, choice in answers:
        log = log + np.log(np.maximum(confusion[:, choice], LEAST))
    odds = np.exp(log - log.max())
    return odds / odds.sum()


def accuracy_of(confusion: Floats, prior: Floats) -> float:
    """Probability that the labeler says what is true."""
    return float(prior @ np.diag(confusion))


def spammer_score(confusion: Floats, prior: Floats) -> float:
    """0 for somebody whose answers do not depend on the truth, whatever they answer; 1 for one who always tells it apart.

    Mean squared distance of the rows of the confusion matrix from their mean, as a share of the most there can be.
    """
    n = len(prior)
    if n < 2:
        return 0.0
    return float(((confusion - confusion.mean(axis=0)) ** 2).sum() / (n - 1))


# --- MACE -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mace:
    """posterior: (units, classes). competence: (labelers,), probability of knowing. habits: (labelers, classes)."""

    posterior: Floats
    competence: Floats
    habits: Floats


def mace(said: Said, *, restarts: int = 10, steps: int = 50, smoothing: float = 0.1, seed: int = 0) -> Mace:
    """Each answer is either the truth, with the labeler's competence, or drawn from the labeler's habit.

    Variational Bayes with a Beta(1/2, 1/2) on competence and a Dirichlet(smoothing / classes) on habits, from random
    starts; the one with the highest marginal likelihood counts. The truth is uniform beforehand.
    """
    if not len(said.unit):
        raise ValueError("There has to be an answer.")
    rng = np.random.default_rng(seed)
    runs = [_mace_once(said, steps, smoothing / len(said.classes), rng) for _ in range(restarts)]
    return max(runs, key=lambda run: run[0])[1]


def _mace_once(said: Said, steps: int, smoothing: float, rng: np.random.Generator) -> tuple[float, Mace]:
    n_labelers, n_classes = len(said.labelers), len(said.classes)
    knows = rng.uniform(0.5, 1, n_labelers)
    guesses = 1 - knows
    habits = rng.uniform(0.5, 1, (n_labelers, n_classes))
    habits /= habits.sum(axis=1, keepdims=True)
    is_said = np.eye(n_classes, dtype=bool)[said.choice]
    value, posterior = -math.inf, np.zeros(0)
    for _ in range(steps):
        guessed = (guesses[:, None] * habits)[said.labeler, said.choice]
        knew = knows[said.labeler]
        log = _by_unit(
            said, np.log(np.maximum(np.where(is_said, knew[:, None], 0) + guessed[:, None], LEAST))
        )
        most = log.max(axis=1, keepdims=True)
        odds = np.exp(log - most)
        total = odds.sum(axis=1, keepdims=True)
        posterior = odds / total
        value = float((np.log(total / n_classes) + most).sum())
        true = posterior[said.unit, said.choice]
        is_known = true * knew / np.maximum(knew + guessed, LEAST)
        known = np.bincount(said.labeler, is_known, n_labelers)
        unknown = np.bincount(said.labeler * n_classes + said.choice, 1 - is_known, n_labelers * n_classes)
        unknown = unknown.reshape(n_labelers, n_classes)
        everything = digamma(known + unknown.sum(axis=1) + 1)
        knows = np.exp(digamma(known + 0.5) - everything)
        guesses = np.exp(digamma(unknown.sum(axis=1) + 0.5) - everything)
        habits = np.exp(
            digamma(unknown + smoothing) - digamma(unknown.sum(axis=1, keepdims=True) + smoothing * n_classes)
        )
    share = knows / (knows + guesses)
    return value, Mace(posterior, share, habits / habits.sum(axis=1, keepdims=True))


def digamma(x: npt.ArrayLike) -> Floats:
    """The derivative of log gamma, for x > 0; exact to about 1e-10 (recurrence up to 6, then its asymptotic series)."""
    x = np.array(x, float)
    shift = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        shift = shift - np.where(small, 1 / np.where(small, x, 1), 0)
        x = np.where(small, x + 1, x)
    y = 1 / (x * x)
    return (
        shift + np.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    )
