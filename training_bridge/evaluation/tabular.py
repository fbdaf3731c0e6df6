"""EPIC, DARD and STARC on small decision processes, exactly; and the token tree on which a language model differs from them.

A process has S states and A actions. Rewards are arrays R[s, a, s'], transitions T[s, a, s'] = P(s' | s, a); a policy is
pi[s, a]. Everything is a sum over these arrays, in float64.

`Tree` is a language model with V tokens and texts of length L: a state is what was written so far, an action the next token,
and s' = s + a. Its reward is a function of (s, a) alone, because nothing else ever follows; where EPIC and DARD ask for
R(s, A, S') with an S' that does not extend s by A, the model answers R(s, A).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from training_bridge.evaluation.distances import Floats, l2_distance, pearson_distance


def potential_shaping(potential: Floats, gamma: float, actions: int) -> Floats:
    """F[s, a, s'] = gamma Phi(s') - Phi(s), for every s' whether it can follow or not. Source: Ng et al. (1999)."""
    shaping = gamma * potential[None, :] - potential[:, None]
    return np.repeat(shaping[:, None, :], actions, axis=1)


def epic(reward: Floats, states: Floats, actions: Floats, gamma: float) -> Floats:
    """C(R)[s, a, s'] = R(s, a, s') + E[gamma R(s', A, S') - R(s, A, S') - gamma R(S, A, S')].

    Args:
        reward: (S, A, S).
        states: (S,) probabilities of S and S'; actions: (A,) of A; all independent.
    Source: Gleave et al. (2021), definition 4.1.
    """
    mean_from = np.einsum("saz,a,z->s", reward, actions, states)  # E R(s, A, S')
    constant = gamma * (states @ mean_from)
    return reward + gamma * mean_from[None, None, :] - mean_from[:, None, None] - constant


def dard(reward: Floats, transitions: Floats, actions: Floats, gamma: float) -> Floats:
    """C(R)[s, a, s'] = R(s, a, s') + E[gamma R(s', A, S'') - R(s, A, S') - gamma R(S', A, S'')].

    S' ~ T(s, A) and S'' ~ T(s', A) for the same A; in the last term S' and S'' are drawn by that A from s and from s'.

    Args:
        transitions: (S, A, S); actions: (A,) probabilities of A.
    Source: Wulfe et al. (2022), definition 4.
    """
    ahead = np.einsum("saz,saz,a->s", reward, transitions, actions)  # E R(s', A, S''), S'' ~ T(s', A)
    # E R(S', A, S''): A once, S' ~ T(s, A), S'' ~ T(s', A)
    last = np.einsum("a,sau,uav,tav->st", actions, transitions, reward, transitions)
    canonical = reward + gamma * ahead[None, None, :] - ahead[:, None, None]
    return canonical - gamma * last[:, None, :]


def values(reward: Floats, transitions: Floats, policy: Floats, gamma: float) -> Floats:
    """V[s] of a policy, by solving its linear equations. Raises LinAlgError when gamma = 1 and an episode never ends."""
    step = np.einsum("saz,saz,sa->s", reward, transitions, policy)
    chain = np.einsum("saz,sa->sz", transitions, policy)
    solved: Floats = np.linalg.solve(np.eye(len(step)) - gamma * chain, step)
    return solved


def val(reward: Floats, transitions: Floats, policy: Floats, gamma: float) -> Floats:
    """C(R)[s, a] = E_S'[R(s, a, S') + gamma V(S') - V(s)], the advantage. Source: Skalse et al. (2024), VAL."""
    v = values(reward, transitions, policy, gamma)
    expected = np.einsum("saz,saz->sa", reward + gamma * v[None, None, :], transitions)
    canonical: Floats = expected - v[:, None]
    return canonical


def minimal_l2(rewards: Floats, features: Floats) -> Floats:
    """What remains of `rewards` (n,) when the nearest combination of `features` (n, d) is subtracted.

    With the shaping of each state's potential as features this is the canonical form of least L2 norm (STARC, minimal).
    """
    weights, *_ = np.linalg.lstsq(features, rewards, rcond=None)
    left: Floats = rewards - features @ weights
    return left


# --- The token tree --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """Texts of `length` tokens out of `vocabulary`, as one decision process; terminal states are whole texts."""

    vocabulary: int = 3
    length: int = 3

    @property
    def states(self) -> list[tuple[int, ...]]:
        return [s for n in range(self.length + 1) for s in product(range(self.vocabulary), repeat=n)]

    @property
    def inner(self) -> list[int]:
        """States from which a token follows."""
        return [i for i, s in enumerate(self.states) if len(s) < self.length]

    @property
    def after(self) -> Floats:
        """(inner, V) int: the state that a token leads to."""
        number = {s: i for i, s in enumerate(self.states)}
        rows = [[number[(*self.states[i], a)] for a in range(self.vocabulary)] for i in self.inner]
        return np.array(rows)

    def random_reward(self, rng: np.random.Generator) -> Floats:
        """(inner, V): a number for each token in each context."""
        return rng.normal(size=(len(self.inner), self.vocabulary))

    def random_policy(self, rng: np.random.Generator) -> Floats:
        """(inner, V) next-token probabilities."""
        policy: Floats = rng.dirichlet(np.ones(self.vocabulary), size=len(self.inner))
        return policy

    def shaped(self, reward: Floats, potential: Floats, gamma: float) -> Floats:
        """R(s, a) + gamma Phi(s a) - Phi(s), with Phi = 0 where a text ends."""
        phi = np.where([len(s) < self.length for s in self.states], potential, 0.0)
        shaped: Floats = reward + gamma * phi[self.after] - phi[self.inner][:, None]
        return shaped

    def returns(self, reward: Floats, gamma: float) -> Floats:
        """(V ** length,) discounted sums of each whole text."""
        number = {s: i for i, s in enumerate(self.states)}
        return np.array(
            [
                sum(gamma**t * reward[number[text[:t]], text[t]] for t in range(self.length))
                for text in product(range(self.vocabulary), repeat=self.length)
            ]
        )

    def probabilities(self, policy: Floats) -> Floats:
        """(V ** length,) of each whole text under next-token probabilities."""
        number = {s: i for i, s in enumerate(self.states)}
        return np.array(
            [
                np.prod([policy[number[text[:t]], text[t]] for t in range(self.length)])
                for text in product(range(self.vocabulary), repeat=self.length)
            ]
        )

    def advantages(self, reward: Floats, policy: Floats, gamma: float) -> Floats:
        """(inner, V) VAL: what each token changes in the return to expect."""
        v = np.zeros(len(self.states))
        expected = np.zeros_like(reward)
        for i in reversed(self.inner):
            expected[i] = reward[i] + gamma * v[self.after[i]]
            v[i] = policy[i] @ expected[i]
        advantages: Floats = expected - v[self.inner][:, None]
        return advantages

    def least_shaped(self, reward: Floats, gamma: float) -> Floats:
        """(inner, V) minimal-L2: the reward less its least-squares shaping."""
        count = len(self.inner)
        features = np.zeros((count, self.vocabulary, count))
        for i in self.inner:
            features[i, :, i] -= 1.0
            for a, z in enumerate(self.after[i]):
                if z < count:
                    features[i, a, z] += gamma
        return minimal_l2(reward.ravel(), features.reshape(-1, count)).reshape(reward.shape)

    def epic(self, reward: Floats, actions: Floats, gamma: float) -> Floats:
        """(inner, V) EPIC over all contexts, the reward of a language model asked for tokens that stand anywhere."""
        mean = np.zeros(len(self.states))
        mean[self.inner] = reward @ actions
        constant = gamma * mean[self.inner].mean()
        canonical: Floats = reward + gamma * mean[self.after] - mean[self.inner][:, None] - constant
        return canonical

    def dard(self, reward: Floats, actions: Floats, gamma: float) -> Floats:
        """(inner, V) DARD over contexts that can follow: S' = s + A, S'' = S' + A'."""
        mean = np.zeros(len(self.states))
        mean[self.inner] = reward @ actions
        further = mean[self.after] @ actions  # E R(s A, A')
        canonical: Floats = (
            reward + gamma * mean[self.after] - mean[self.inner][:, None] - gamma * further[:, None]
        )
        return canonical


def tree_distances(
    tree: Tree, one: Floats, other: Floats, policy: Floats, gamma: float = 1.0
) -> dict[str, float]:
    """Every distance of two rewards on the tree, by name."""
    actions = np.full(tree.vocabulary, 1 / tree.vocabulary)
    texts = tree.probabilities(policy)

    def of(form: Callable[[Floats], Floats]) -> float:
        return pearson_distance(form(one).ravel(), form(other).ravel())

    def by_return(reward: Floats) -> Floats:
        returns = tree.returns(reward, gamma)
        centred: Floats = returns - texts @ returns
        return centred

    return {
        "raw": of(lambda r: r),
        "val": l2_distance(
            tree.advantages(one, policy, gamma).ravel(), tree.advantages(other, policy, gamma).ravel()
        ),
        "minimal_l2": l2_distance(
            tree.least_shaped(one, gamma).ravel(), tree.least_shaped(other, gamma).ravel()
        ),
        "centred_return": pearson_distance(by_return(one), by_return(other), texts),
        "dard": of(lambda r: tree.dard(r, actions, gamma)),
        "epic": of(lambda r: tree.epic(r, actions, gamma)),
    }
