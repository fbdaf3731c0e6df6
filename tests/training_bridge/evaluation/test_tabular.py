"""EPIC, DARD and STARC on small processes.

The reference below is independent: plain loops over the sums of the papers' definitions (2006.13900, definition 4.1;
2201.10081, definition 4; 2309.15257, VAL by following the policy until nothing is left), sharing no line with the package.
"""

import itertools
import math

import numpy as np
import pytest

from training_bridge.evaluation import invariances
from training_bridge.evaluation.distances import pearson_distance
from training_bridge.evaluation.tabular import (
    Tree,
    dard,
    epic,
    minimal_l2,
    potential_shaping,
    tree_distances,
    val,
)

S, A, GAMMA = 4, 2, 0.9


@pytest.fixture
def world():
    rng = np.random.default_rng(3)
    return {
        "reward": rng.normal(size=(S, A, S)),
        "transitions": rng.dirichlet(np.ones(S), size=(S, A)),
        "policy": rng.dirichlet(np.ones(A), size=S),
        "states": rng.dirichlet(np.ones(S)),
        "actions": rng.dirichlet(np.ones(A)),
        "potential": rng.normal(size=S),
    }


def test_epic_is_what_its_definition_says(world):
    r, d_s, d_a = world["reward"], world["states"], world["actions"]
    found = epic(r, d_s, d_a, GAMMA)
    for s, a, z in itertools.product(range(S), range(A), range(S)):
        expected = r[s, a, z]
        for s1, a1, s2 in itertools.product(range(S), range(A), range(S)):
            p = d_s[s1] * d_a[a1] * d_s[s2]
            expected += p * (GAMMA * r[z, a1, s2] - r[s, a1, s2] - GAMMA * r[s1, a1, s2])
        assert found[s, a, z] == pytest.approx(expected, abs=1e-12)


def test_dard_is_what_its_definition_says(world):
    r, t, d_a = world["reward"], world["transitions"], world["actions"]
    found = dard(r, t, d_a, GAMMA)
    for s, a, z in itertools.product(range(S), range(A), range(S)):
        expected = r[s, a, z]
        for a1, s1, s2 in itertools.product(range(A), range(S), range(S)):
            p = d_a[a1] * t[s, a1, s1] * t[z, a1, s2]
            expected += p * (GAMMA * r[z, a1, s2] - r[s, a1, s1] - GAMMA * r[s1, a1, s2])
        assert found[s, a, z] == pytest.approx(expected, abs=1e-12)


def test_val_is_what_following_the_policy_gives(world):
    r, t, pi = world["reward"], world["transitions"], world["policy"]
    found = val(r, t, pi, GAMMA)

    def value(steps):
        """Expected discounted sum of the next `steps` rewards, by working backwards."""
        v = [0.0] * S
        for _ in range(steps):
            v = [
                sum(
                    pi[s, a] * t[s, a, z] * (r[s, a, z] + GAMMA * v[z])
                    for a, z in itertools.product(range(A), range(S))
                )
                for s in range(S)
            ]
        return v

    v = value(400)  # 0.9 ** 400 is 5e-19
    for s, a in itertools.product(range(S), range(A)):
        expected = sum(t[s, a, z] * (r[s, a, z] + GAMMA * v[z]) for z in range(S)) - v[s]
        assert found[s, a] == pytest.approx(expected, abs=1e-10)


def test_given_on_every_transition_each_form_ignores_shaping(world):
    """As their theorems say: R and 2.5 (R + shaping) have one canonical form, up to the factor."""
    r, t, pi = world["reward"], world["transitions"], world["policy"]
    shaped = 2.5 * (r + potential_shaping(world["potential"], GAMMA, A))
    for form in (
        lambda x: epic(x, world["states"], world["actions"], GAMMA),
        lambda x: dard(x, t, world["actions"], GAMMA),
        lambda x: val(x, t, pi, GAMMA),
    ):
        np.testing.assert_allclose(form(shaped), 2.5 * form(r), atol=1e-12)
        assert pearson_distance(form(r).ravel(), form(shaped).ravel()) < 1e-6
    assert pearson_distance(r.ravel(), shaped.ravel()) > 0.05


def test_an_advantage_is_0_on_average_under_its_policy(world):
    advantages = val(world["reward"], world["transitions"], world["policy"], GAMMA)
    np.testing.assert_allclose((advantages * world["policy"]).sum(axis=1), 0, atol=1e-12)


def test_minimal_l2_by_hand():
    """(3, 1) less its part along (1, 1) is (1, -1)."""
    np.testing.assert_allclose(minimal_l2(np.array([3.0, 1.0]), np.array([[1.0], [1.0]])), [1.0, -1.0])


# --- The token tree --------------------------------------------------------------------------------------------------


def test_the_tree_is_a_process_like_any_other():
    """Its own short cuts give what the general functions give on the arrays of the same process."""
    rng = np.random.default_rng(5)
    tree, gamma = Tree(2, 2), 0.95
    reward, policy = tree.random_reward(rng), tree.random_policy(rng)
    n, inner = len(tree.states), len(tree.inner)
    assert (n, inner) == (7, 3)
    transitions = np.zeros((n, 2, n))
    for s in range(n):
        for a in range(2):
            transitions[s, a, tree.after[s, a] if s < inner else s] = 1.0
    full = np.zeros((n, 2, n))
    full[:inner] = reward[:, :, None]  # whatever follows, the model reads context and token
    everywhere = np.vstack([policy, np.full((n - inner, 2), 0.5)])
    np.testing.assert_allclose(
        val(full, transitions, everywhere, gamma)[:inner], tree.advantages(reward, policy, gamma), atol=1e-12
    )
    contexts = np.array([1 / inner] * inner + [0.0] * (n - inner))
    general = epic(full, contexts, np.full(2, 0.5), gamma)
    short = tree.epic(reward, np.full(2, 0.5), gamma)
    for s in range(inner):
        for a in range(2):
            assert short[s, a] == pytest.approx(general[s, a, tree.after[s, a]], abs=1e-12)


def test_advantages_along_a_text_sum_to_its_centred_return():
    rng = np.random.default_rng(6)
    tree = Tree()
    reward, policy = tree.random_reward(rng), tree.random_policy(rng)
    advantages = tree.advantages(reward, policy, 1.0)
    returns = tree.returns(reward, 1.0)
    centred = returns - tree.probabilities(policy) @ returns
    assert tree.probabilities(policy).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(tree.returns(advantages, 1.0), centred, atol=1e-12)


@pytest.mark.parametrize("gamma", [1.0, 0.95])
def test_the_invariance_table(gamma):
    """On a language model, R and 2.5 (R + shaping) are the same reward: three distances say so to 1e-6, two do not."""
    found = invariances.table(gamma, worlds=20)
    for name in ("val", "minimal_l2", "centred_return"):
        assert max(found[name]) < 1e-6, name
    for name in ("raw", "dard", "epic"):
        assert np.median(found[name]) > 0.05, name
    assert np.median(found["epic"]) > np.median(found["dard"])


def test_opposite_rewards_are_as_far_apart_as_can_be():
    rng = np.random.default_rng(7)
    tree = Tree()
    reward, policy = tree.random_reward(rng), tree.random_policy(rng)
    found = tree_distances(tree, reward, -reward, policy)
    assert all(d == pytest.approx(1.0) for d in found.values())
    assert not any(math.isnan(d) for d in found.values())


def test_the_table_prints(capsys):
    assert invariances.main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + len(invariances.NAMES)
