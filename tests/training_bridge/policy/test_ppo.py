"""PPO: its numbers worked out by hand, and on a tiny policy it learns, resumes exactly and spreads rewards over tokens."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.ppo.advantages import advantages, controlled, token_rewards, whitened
from training_bridge.policy.ppo.losses import policy_loss, value_loss
from training_bridge.policy.ppo.scores import spread_steps
from training_bridge.policy.ppo.train import ppo, schedule
from training_bridge.programs import Problem, RunDirectory, Stopped
from training_bridge.reward_model.score import TokenReward

SETTINGS = {
    "reward": "concrete",
    "steps": 6,
    "prompts": 3,
    "answers": 4,
    "max_tokens": 10,
    "learning_rate": 3e-3,
    "beta": 0.01,
    "checkpoint_steps": 2,
    "held_out": 4,
}


# --- By hand ---------------------------------------------------------------------------------------------------------


def test_rewards_of_tokens():
    # -0.1 (-1 + 1.5) = -0.05; 1 - 0.1 (-2 + 1) = 1.1
    assert token_rewards([-1.0, -2.0], [-1.5, -1.0], [0.0, 1.0], beta=0.1) == pytest.approx([-0.05, 1.1])


def test_advantages_of_three_tokens():
    """δ3 = 2 - 0.1 = 1.9; δ2 = 0.9 · 0.1 - 0.2 = -0.11; δ1 = 1 + 0.9 · 0.2 - 0.5 = 0.68; each adds 0.9 · 0.5 of the next."""
    found = advantages([1.0, 0.0, 2.0], [0.5, 0.2, 0.1], discount=0.9, trace=0.5)
    assert found == pytest.approx([0.68 + 0.45 * (-0.11 + 0.45 * 1.9), -0.11 + 0.45 * 1.9, 1.9])
    assert advantages([1.0, 0.0, 2.0], [0.5, 0.2, 0.1], discount=0.9, trace=0.0) == pytest.approx(
        [0.68, -0.11, 1.9]
    )


def test_with_both_at_one_an_advantage_is_what_follows_less_the_value():
    rewards, values = [0.3, -1.0, 2.0, 0.5], [0.1, 0.7, -0.2, 0.4]
    left = [sum(rewards[i:]) - values[i] for i in range(4)]
    assert advantages(rewards, values, discount=1.0, trace=1.0) == pytest.approx(left)


def test_whitened_numbers_are_whitened_together():
    # mean 2, sd sqrt((1 + 1 + 0) / 3)
    sd = math.sqrt(2 / 3)
    assert whitened([[1.0, 3.0], [2.0]]) == [pytest.approx([-1 / sd, 1 / sd]), pytest.approx([0.0])]
    assert whitened([[4.0], [4.0]]) == [[0.0], [0.0]]


def test_the_control_of_the_divergence():
    assert controlled(0.1, 6.0, 6.0) == 0.1
    assert controlled(0.1, 5.4, 6.0) == pytest.approx(0.1 * (1 - 0.01))
    assert controlled(0.1, 60.0, 6.0) == pytest.approx(0.102)  # at most a fifth of the gain


def test_losses_of_single_tokens():
    logprobs = torch.tensor([1.5, 1.5, 0.5, 0.5]).log()
    losses, clipped = policy_loss(logprobs, torch.zeros(4), torch.tensor([1.0, -1.0, 1.0, -1.0]), 0.2)
    assert losses.tolist() == pytest.approx([-1.2, 1.5, -0.5, 0.8])
    assert clipped.tolist() == [True, False, False, True]
    values = value_loss(
        torch.tensor([1.0, 0.6, 1.0]), torch.full((3,), 0.5), torch.tensor([0.0, 1.0, 1.0]), 0.2
    )
    assert values.tolist() == pytest.approx([0.5, 0.08, 0.045])


def test_before_any_update_the_gradient_is_the_policy_gradient():
    torch.manual_seed(0)
    logits, taken = torch.randn(5, 7, requires_grad=True), torch.tensor([0, 3, 6, 2, 2])
    gained = torch.randn(5)

    def logprobs():
        return logits.log_softmax(dim=-1).gather(1, taken[:, None])[:, 0]

    losses, _ = policy_loss(logprobs(), logprobs().detach(), gained, 0.2)
    (ours,) = torch.autograd.grad(losses.sum(), logits)
    (theirs,) = torch.autograd.grad(-(gained * logprobs()).sum(), logits)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_steps_of_a_reward_are_given_to_the_tokens_that_hold_them():
    """Two texts of tokens: "He|llo| w|orld" for the policy, "Hello| world|(end)" for the reward model."""
    steps = [
        TokenReward(0, 5, "Hello", 2.0),
        TokenReward(5, 11, " world", -1.0),
        TokenReward(11, 11, "", 0.5),
    ]
    given = spread_steps(steps, ends=[2, 5, 7, 11], reward=1.0, sd=2.0)
    # Hello ends in the second token: 1; world in the last: -0.5; the end 0.25; what is left of 1.0 is 0.25
    assert given == pytest.approx([0.0, 1.0, 0.0, -0.5 + 0.25 + 0.25])


def test_the_rate_rises_and_falls():
    assert [round(schedule(s, 10, 0.2), 3) for s in (0, 1, 2, 9)] == [0.5, 1.0, 1.0, 0.125]


# --- A tiny policy ---------------------------------------------------------------------------------------------------


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="ppo",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def column(run, name):
    return {row["step"]: row["metrics"][name] for row in run.statuses()}


def weights(run):
    return load_file(run.path / "result" / "model.safetensors")


def test_the_reward_rises(run_of):
    run = run_of(steps=24, learning_rate=1e-2)
    metrics = ppo(run)
    rewards = list(column(run, "reward").values())
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.1
    assert metrics["held_out"]["prompts"] == 4
    told = run.statuses()[-1]["metrics"]
    assert {"loss", "value_loss", "kl", "entropy", "tokens", "clip_share", "beta"} <= set(told)
    assert column(run, "kl")[1] == pytest.approx(0.0, abs=1e-4)  # it starts where the reference is
    assert column(run, "kl")[24] > 0.0
    samples = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    assert [s["step"] for s in samples] == [0, 0, 0, 10, 10, 10, 20, 20, 20, 24, 24, 24]


def test_the_value_network_learns(run_of):
    run = run_of(steps=16, learning_rate=1e-7, value_rate=1e-2)
    ppo(run)
    losses = list(column(run, "value_loss").values())
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_stopped_run_ends_as_one_that_never_stopped(run_of, adapter):
    given = {"adapter": adapter, "control": "adaptive", "target": 0.001}
    whole, stopped = run_of("whole", **given), run_of("stopped", **given)
    told = ppo(whole)
    stopped.stopping = True
    with pytest.raises(Stopped):
        ppo(stopped)
    assert ppo(RunDirectory(stopped.path))["first"] == told["first"]  # of the first attempt
    assert column(stopped, "loss") == column(whole, "loss") and column(stopped, "beta") == column(
        whole, "beta"
    )
    assert len(set(column(whole, "beta").values())) == 6  # the control moved it each time
    ours, theirs = weights(stopped), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(run_of):
    """Nine answers a step, five here and four there; whitened over all, one β for both."""
    given = {"steps": 3, "prompts": 3, "answers": 3, "control": "adaptive", "target": 0.001, "held_out": 0}
    one, two = run_of("one", **given), run_of("two", **given)
    ppo(one)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "training_bridge.policy.ppo", str(two.path)]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("loss", "value_loss", "reward", "kl", "beta", "gradient_norm"):
        assert column(two, name) == pytest.approx(column(one, name), abs=1e-5)
    ours, theirs = weights(two), weights(one)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in theirs)


def test_numbers_that_are_none_end_it_with_advice(run_of, monkeypatch):
    from training_bridge.policy.ppo import train

    monkeypatch.setattr(train, "policy_loss", lambda logprobs, *rest: (logprobs * math.nan, logprobs > 0))
    with pytest.raises(Problem, match="at step 1 of 6: the loss is nan") as broken:
        ppo(run_of())
    assert "learning rate" in broken.value.advice


def test_what_cannot_be_is_refused(run_of):
    with pytest.raises(Problem, match="Only a reward model rewards every token"):
        ppo(run_of(token_rewards=True))
    with pytest.raises(Problem, match="reward model"):
        ppo(run_of(reward=""))
