"""How strong candidates are, from who was preferred to whom: Bradley-Terry with ties, covariates and intervals.

    fit(pairs, m=3)                       strengths with covariance; pairs say who stood first, who second, and the outcome
    fit(pairs_with_length, m=3)           the same with length out of the way: its effect is a parameter of its own
    noisy(pairs, labelers, m=3)           labelers who sometimes answer without looking count for less
    votes_to_flip(pairs, fitted)          how few votes, left out, put another candidate on top

The law, for strengths s and covariates x of the first minus the second:

    d = s_first - s_second + x · effect;   P(first), P(tie), P(second)  ∝  e^(d/2), nu, e^(-d/2)

Without ties this is Bradley & Terry (1952); the tie is Davidson's (1970). It is a multinomial logit that is linear in its
parameters, so the likelihood has one maximum, which Newton's method finds. Reading is linear in the number of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PRIOR_SD = 5.0  # of a strength, in nats: a candidate that won every vote gets a finite one
EFFECT_SD = 2.0  # of the effect of a covariate
ELO = 400 / np.log(10)  # points of a rating for one nat
MOST_STEPS = 60
CHUNK = 20_000  # clusters whose scores are held at once


@dataclass(frozen=True)
class Pairs:
    """n judgements of two candidates.

    first, second: (n,) int, candidate 0 … m-1 that stood first and second on the screen.
    outcome: (n,) float: 1 the first was preferred, 0 the second, 0.5 neither.
    covariates: (n, p) float, of the first minus the second; p may be 0.
    cluster: (n,) int, rising: judgements of one cluster (a prompt) are not taken as independent of one another.
    """

    first: Ints
    second: Ints
    outcome: Floats
    covariates: Floats
    cluster: Ints

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: npt.NDArray[np.bool_] | Ints) -> Pairs:
        return Pairs(
            self.first[rows], self.second[rows], self.outcome[rows], self.covariates[rows], self.cluster[rows]
        )

    def without_covariates(self) -> Pairs:
        return replace(self, covariates=np.zeros((len(self), 0)))


def pairs_of(
    rows: Sequence[tuple[int, int, float]],
    covariates: Sequence[Sequence[float]] | None = None,
    cluster: Sequence[int] | None = None,
) -> Pairs:
    """Pairs from (first, second, outcome) rows; each row is a cluster of its own unless it is said otherwise."""
    table = np.array(rows, dtype=float).reshape(-1, 3)
    return Pairs(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2],
        np.zeros((len(table), 0))
        if covariates is None
        else np.array(covariates, float).reshape(len(table), -1),
        np.arange(len(table)) if cluster is None else np.array(cluster, np.int64),
    )


@dataclass(frozen=True)
class Fitted:
    """Strengths in nats with mean 0; a difference of 1 is one nat of log-odds between two candidates.

    covariance: (m, m) of the strengths, robust and by cluster. effects, effects_sd: (p,) of the covariates.
    log_nu: logarithm of the tie parameter, None where there was no tie.
    """

    strengths: Floats
    covariance: Floats
    effects: Floats
    effects_sd: Floats
    log_nu: float | None
    log_likelihood: float

    def sd(self, i: int, j: int | None = None) -> float:
        """Standard error of a strength, or of the difference of two."""
        c = self.covariance
        return float(np.sqrt(max(0.0, c[i, i] if j is None else c[i, i] + c[j, j] - 2 * c[i, j])))


def fit(
    pairs: Pairs,
    m: int,
    *,
    prior_sd: float | None = PRIOR_SD,
    weights: Floats | None = None,
    robust: bool = True,
) -> Fitted:
    """The maximum of the likelihood (with a weak Gaussian prior on strengths and effects) and its standard errors.

    Args:
        m: number of candidates; one that is in no pair gets strength 0 and the prior's variance.
        prior_sd: None for none: then every candidate has to have won and lost, and the pairs have to connect all.
        weights: (n,) at least 0: how much each judgement counts.
        robust: sandwich covariance over clusters; else the inverse information.
    Raises: ValueError for an empty table or candidates out of range.
    """
    n, p = len(pairs), pairs.covariates.shape[1]
    if (
        not n
        or not 0
        <= min(pairs.first.min(), pairs.second.min())
        <= max(pairs.first.max(), pairs.second.max())
        < m
    ):
        raise ValueError("There has to be a pair, of candidates 0 … m-1.")
    w = np.ones(n) if weights is None else weights
    has_ties = bool(np.any(pairs.outcome == 0.5))
    size = m + p + has_ties
    theta = np.zeros(size)
    ridge = _ridge(m, p, has_ties, prior_sd)
    value, gradient, information = _derivatives(theta, pairs, m, has_ties, w)
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(information + ridge + 1e-12 * np.eye(size), gradient - ridge @ theta)
        now = value - 0.5 * theta @ ridge @ theta
        scale = 1.0
        while True:
            trial = theta + scale * step
            value, gradient, information = _derivatives(trial, pairs, m, has_ties, w)
            if value - 0.5 * trial @ ridge @ trial >= now - 1e-9 or scale < 1e-6:
                break
            scale /= 2
        theta = trial
        if np.abs(scale * step).max() < 1e-9:
            break
    bread = np.linalg.inv(information + ridge + 1e-12 * np.eye(size))
    covariance = bread
    if robust:
        covariance = bread @ (_meat(theta, pairs, m, has_ties, w) + _prior_part(ridge, m)) @ bread
    centre = np.eye(m) - np.ones((m, m)) / m
    return Fitted(
        strengths=theta[:m] - theta[:m].mean(),
        covariance=centre @ covariance[:m, :m] @ centre,
        effects=theta[m : m + p],
        effects_sd=np.sqrt(np.maximum(0, np.diag(covariance)[m : m + p])),
        log_nu=float(theta[-1]) if has_ties else None,
        log_likelihood=float(value),
    )


def _ridge(m: int, p: int, has_ties: bool, prior_sd: float | None) -> Floats:
    """The prior's information. A penalty on top keeps the free level of the strengths at 0; it changes no difference."""
    ridge = np.zeros((m + p + has_ties,) * 2)
    ridge[:m, :m] += np.ones((m, m)) / m
    if prior_sd is not None:
        ridge[:m, :m] += np.eye(m) / prior_sd**2
        ridge[m : m + p, m : m + p] += np.eye(p) / EFFECT_SD**2
    return ridge


def _prior_part(ridge: Floats, m: int) -> Floats:
    """What the prior adds to the spread of the score: without it, what nobody judged would seem to be known."""
    part = ridge.copy()
    part[:m, :m] -= np.ones((m, m)) / m
    return part


def probabilities(d: Floats, log_nu: float | None) -> tuple[Floats, Floats, Floats]:
    """(first, tie, second) for differences d in nats."""
    logits = np.stack([d / 2, np.full_like(d, -np.inf if log_nu is None else log_nu), -d / 2])
    with np.errstate(under="ignore"):
        odds = np.exp(logits - logits.max(axis=0))
    total = odds.sum(axis=0)
    return odds[0] / total, odds[1] / total, odds[2] / total


def _difference(theta: Floats, pairs: Pairs, m: int) -> Floats:
    p = pairs.covariates.shape[1]
    return theta[pairs.first] - theta[pairs.second] + pairs.covariates @ theta[m : m + p]


def _derivatives(
    theta: Floats, pairs: Pairs, m: int, has_ties: bool, w: Floats
) -> tuple[float, Floats, Floats]:
    """Log-likelihood, its gradient, and the information (minus its second derivative)."""
    x = pairs.covariates
    p = x.shape[1]
    log_nu = float(theta[-1]) if has_ties else None
    a, t, b = probabilities(_difference(theta, pairs, m), log_nu)
    said = np.where(pairs.outcome == 1, a, np.where(pairs.outcome == 0, b, t))
    value = float(w @ np.log(np.maximum(said, 1e-300)))
    slope = w * (pairs.outcome - 0.5 - (a - b) / 2)  # by d
    gradient = np.concatenate(
        [_by_candidate(slope, pairs, m), slope @ x, [w @ ((pairs.outcome == 0.5) - t)] * has_ties]
    )
    curve = w * ((a + b) / 4 - ((a - b) / 2) ** 2)  # variance of the part that multiplies d
    information = np.zeros((len(theta), len(theta)))
    mixed = np.bincount(pairs.first * m + pairs.second, weights=curve, minlength=m * m).reshape(m, m)
    mixed = mixed + mixed.T
    information[:m, :m] = np.diag(mixed.sum(axis=1)) - mixed
    for k in range(p):
        information[m + k, :m] = information[:m, m + k] = _by_candidate(curve * x[:, k], pairs, m)
    information[m : m + p, m : m + p] = x.T @ (x * curve[:, None])
    if has_ties:
        across = -w * t * (a - b) / 2
        information[-1, :m] = information[:m, -1] = _by_candidate(across, pairs, m)
        information[-1, m : m + p] = information[m : m + p, -1] = across @ x
        information[-1, -1] = w @ (t * (1 - t))
    return value, gradient, information


def _by_candidate(values: Floats, pairs: Pairs, m: int) -> Floats:
    plus: Floats = np.bincount(pairs.first, values, m).astype(float)
    return plus - np.bincount(pairs.second, values, m)


def _scores(
    theta: Floats, pairs: Pairs, m: int, has_ties: bool, w: Floats
) -> Iterator[tuple[Pairs, Floats, Floats]]:
    """Chunks of whole clusters: (pairs, derivative of each by d, derivative of each by log nu)."""
    log_nu = float(theta[-1]) if has_ties else None
    edges = np.flatnonzero(np.diff(pairs.cluster, prepend=pairs.cluster[:1] - 1))
    starts = [*edges[::CHUNK].tolist(), len(pairs)]
    for start, end in pairwise(starts):
        part = pairs.take(np.arange(start, end))
        a, t, b = probabilities(_difference(theta, part, m), log_nu)
        yield (
            part,
            w[start:end] * (part.outcome - 0.5 - (a - b) / 2),
            w[start:end] * ((part.outcome == 0.5) - t),
        )


def _meat(theta: Floats, pairs: Pairs, m: int, has_ties: bool, w: Floats) -> Floats:
    """Sum over clusters of the outer product of their score."""
    p, size = pairs.covariates.shape[1], len(theta)
    total = np.zeros((size, size))
    for part, by_d, by_nu in _scores(theta, pairs, m, has_ties, w):
        _, where = np.unique(part.cluster, return_inverse=True)
        n = int(where.max()) + 1
        score = np.zeros((n, size))
        score[:, :m] = np.bincount(where * m + part.first, by_d, n * m).reshape(n, m)
        score[:, :m] -= np.bincount(where * m + part.second, by_d, n * m).reshape(n, m)
        for k in range(p):
            score[:, m + k] = np.bincount(where, by_d * part.covariates[:, k], n)
        if has_ties:
            score[:, -1] = np.bincount(where, by_nu, n)
        total += score.T @ score
    return total


# --- Labelers who do not always look --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noisy:
    """Strengths, and for each labeler how often they looked (attention, 0 to 1) and what they say when they do not:
    habits, (labelers, 3): first, tie, second."""

    fitted: Fitted
    attention: Floats
    habits: Floats


def noisy(
    pairs: Pairs,
    labelers: Ints,
    m: int,
    *,
    prior_sd: float | None = PRIOR_SD,
    iterations: int = 100,
    tolerance: float = 1e-5,
) -> Noisy:
    """Bradley-Terry in which a labeler looks with a probability of their own and else answers out of habit.

    P(answer) = attention · Davidson(answer) + (1 - attention) · habit(answer), by expectation maximisation with a weak
    Beta(2, 1) on attention and one pseudo-answer of each kind on habits.
    Args: labelers: (n,) int from 0. The rest as in `fit`.
    Source: the mixture of Hovy et al. (2013, MACE) put on pairs, as Chen et al. (2013, Crowd-BT) put a reliability.
    """
    count = int(labelers.max()) + 1
    kind = np.where(pairs.outcome == 1, 0, np.where(pairs.outcome == 0.5, 1, 2))
    answers = np.bincount(labelers, minlength=count).astype(float)
    attention = np.full(count, 0.8)
    habits = np.full((count, 3), 1 / 3)
    fitted = fit(pairs, m, prior_sd=prior_sd, robust=False)
    weights = np.ones(len(pairs))
    before = -np.inf
    for _ in range(iterations):
        theta = np.concatenate([fitted.strengths, fitted.effects])
        by_law = np.stack(probabilities(_difference(theta, pairs, m), fitted.log_nu))[
            kind, np.arange(len(pairs))
        ]
        looked = attention[labelers] * by_law
        guessed = (1 - attention[labelers]) * habits[labelers, kind]
        weights = looked / (looked + guessed)
        attention = (np.bincount(labelers, weights, count) + 1) / (answers + 1)
        habits = np.bincount(labelers * 3 + kind, 1 - weights, count * 3).reshape(count, 3) + 1
        habits = habits / habits.sum(axis=1, keepdims=True)
        value = float(np.log(looked + guessed).sum())
        if value - before < tolerance * len(pairs):
            break
        before = value
        fitted = fit(pairs, m, prior_sd=prior_sd, weights=weights, robust=False)
    return Noisy(fit(pairs, m, prior_sd=prior_sd, weights=weights), attention, habits)


# --- How firm the top is --------------------------------------------------------------------------------------------


def votes_to_flip(
    pairs: Pairs, fitted: Fitted, *, prior_sd: float | None = PRIOR_SD, rivals: int = 3
) -> tuple[int, int] | None:
    """(how few judgements, left out, put a rival above the candidate on top; which rival), or None if no half of them does.

    Judgements are ranked by their influence on the difference of the two (its first-order change when one is left out); so
    many are left out that the change adds up, and the fit without them confirms it. An upper bound, tight in practice.
    Source: Broderick, Giordano & Meager (2020) for the approximation; Huang et al. (2025) for its use on leaderboards.
    """
    m = len(fitted.strengths)
    order = np.argsort(-fitted.strengths)
    if m < 2:
        return None
    found = [
        (needed, int(rival))
        for rival in order[1 : 1 + rivals]
        if (needed := _to_overtake(pairs, fitted, int(order[0]), int(rival), prior_sd)) is not None
    ]
    return min(found, default=None)


def _to_overtake(pairs: Pairs, fitted: Fitted, top: int, rival: int, prior_sd: float | None) -> int | None:
    m = len(fitted.strengths)
    has_ties = fitted.log_nu is not None
    theta = np.concatenate([fitted.strengths, fitted.effects, [fitted.log_nu] * has_ties]).astype(float)
    ones = np.ones(len(pairs))
    _, _, information = _derivatives(theta, pairs, m, has_ties, ones)
    ridge = _ridge(m, len(fitted.effects), has_ties, prior_sd)
    direction = np.zeros(len(theta))
    direction[top], direction[rival] = 1, -1
    slope = np.linalg.solve(information + ridge + 1e-12 * np.eye(len(theta)), direction)
    influence = np.concatenate(
        [
            by_d
            * (
                slope[part.first]
                - slope[part.second]
                + part.covariates @ slope[m : m + part.covariates.shape[1]]
            )
            + (by_nu * slope[-1] if has_ties else 0)
            for part, by_d, by_nu in _scores(theta, pairs, m, has_ties, ones)
        ]
    )
    order = np.argsort(-influence, kind="stable")
    order = order[influence[order] > 0]
    gap = float(fitted.strengths[top] - fitted.strengths[rival])
    needed = int(np.searchsorted(np.cumsum(influence[order]), gap)) + 1

    def overtakes(k: int) -> bool:
        kept = np.ones(len(pairs), bool)
        kept[order[:k]] = False
        if not kept.any():
            return False
        s = fit(pairs.take(kept), m, prior_sd=prior_sd, robust=False).strengths
        return bool(s[rival] > s[top] + 1e-9)

    most = min(len(order), len(pairs) // 2)
    low, high = 0, max(1, min(needed, most))
    while not overtakes(high):  # the first order is too hopeful: ask for more
        if high >= most:
            return None
        low, high = high, min(most, high + max(1, high // 4))
    for _ in range(12):  # and then for as few as do
        if high - low <= max(1, high // 200):
            break
        middle = (low + high) // 2
        low, high = (low, middle) if overtakes(middle) else (middle, high)
    return high


# --- Who can be compared with whom -----------------------------------------------------------------------------------


def connected(pairs: Pairs, m: int) -> list[list[int]]:
    """Groups of candidates that judgements connect, largest first; strengths of two groups say nothing about each other."""
    parent = list(range(m))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for edge in np.unique(pairs.first * m + pairs.second).tolist():
        parent[root(edge // m)] = root(edge % m)
    groups: dict[int, list[int]] = {}
    for i in range(m):
        groups.setdefault(root(i), []).append(i)
    return sorted(groups.values(), key=lambda g: (-len(g), g))
