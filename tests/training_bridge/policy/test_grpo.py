"""GRPO on a tiny policy: the reward rises, it resumes exactly, and what was held out is looked at before and after."""

import json

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.grpo import grpo
from training_bridge.policy.held_out import scored
from training_bridge.programs import Problem, RunDirectory, Stopped

SETTINGS = {
    "reward": "concrete",
    "steps": 8,
    "prompts": 2,
    "answers": 8,
    "max_tokens": 10,
    "learning_rate": 3e-3,
    "beta": 0.01,
    "checkpoint_steps": 3,
    "held_out": 4,
}


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="grpo",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def column(run, name):
    return {row["step"]: row["metrics"][name] for row in run.statuses()}


def test_the_reward_rises(run_of):
    run = run_of(steps=30, learning_rate=1e-2)
    metrics = grpo(run)
    rewards = list(column(run, "reward").values())
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.1
    held_out = metrics["held_out"]
    assert held_out["prompts"] == 4 and set(held_out["reward"]) == {"old", "new", "difference"}
    assert metrics["answers"] == 30 * 16 and metrics["prompts_left_out"] == 0
    shown = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    prompts = {row["prompt"] for row in shown}
    assert len(prompts) == 3  # held-out ones, the same at every look
    assert [(row["step"], row["prompt"]) for row in shown] == [
        (step, shown[k]["prompt"]) for step in (0, 10, 20, 30) for k in range(3)
    ]
    assert all(isinstance(row["reward"], float) for row in shown)
    assert "kl" in run.statuses()[-1]["metrics"]  # beta is above 0: the divergence is measured


@pytest.mark.parametrize("updates", [1, 2])
def test_a_stopped_run_repeats_the_losses_of_one_that_never_stopped(run_of, updates):
    whole, stopped = run_of("whole", steps=6, updates=updates), run_of("stopped", steps=6, updates=updates)
    grpo(whole)
    stopped.stopping = True
    with pytest.raises(Stopped):
        grpo(stopped)
    grpo(RunDirectory(stopped.path))
    assert column(stopped, "loss") == column(whole, "loss")
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_without_a_reward_it_is_refused(run_of):
    with pytest.raises(Problem, match="reward model"):
        grpo(run_of(reward=""))
    with pytest.raises(Problem, match="beta"):
        grpo(run_of(beta=0.0))


def test_answers_are_scored_prompt_by_prompt():
    def reward(prompts, completions):
        return [len(p) + len(c[0]["content"]) for p, c in zip(prompts, completions, strict=True)]

    assert scored(reward, ["a", "bb"], [["x", "xx"], ["xxx", ""]]) == [[2, 3], [5, 2]]
