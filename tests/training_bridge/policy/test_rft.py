"""Reinforcement fine-tuning on a tiny policy: what a rule checks becomes more frequent, by either optimiser."""

import pytest

from training_bridge.policy.rft import rft
from training_bridge.programs import Problem

SETTINGS = {
    "kind": "regex",
    "rule": "[0-9]",
    "steps": 30,
    "prompts": 2,
    "answers": 8,
    "max_tokens": 10,
    "learning_rate": 1e-2,
    "beta": 0.01,
    "held_out": 4,
}


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        given = {"parent": {"path": policy_dir}, "snapshot": {"path": snapshot}}
        return run_in(name, method="rft", seed=3, **given, parameters={**SETTINGS, **parameters})

    return make


@pytest.mark.parametrize("optimiser", ["rloo", "grpo"])
def test_what_is_checked_becomes_more_frequent(run_of, optimiser):
    run = run_of(optimiser=optimiser)
    metrics = rft(run)
    rewards = [row["metrics"]["reward"] for row in run.statuses()]
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.1
    assert metrics["held_out"]["prompts"] == 4


def test_a_rule_is_needed(run_of):
    with pytest.raises(Problem, match="no rule"):
        rft(run_of(rule=""))
