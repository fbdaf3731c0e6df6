"""Online DPO on a tiny policy: the reward rises over its iterations, pairs are as the reward says, resuming is exact."""

import math
import random
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.generation import Generated
from training_bridge.policy.online_dpo import Ranked, best_and_worst, drawn, online_dpo, paired
from training_bridge.policy.rewards import in_turn
from training_bridge.programs import Problem, RunDirectory, Stopped

SETTINGS = {
    "reward": "concrete",
    "iterations": 3,
    "prompts": 8,
    "answers": 4,
    "batch": 4,
    "max_tokens": 10,
    "learning_rate": 3e-3,
    "held_out": 4,
}


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="online_dpo",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def told(run, stage, name):
    return {row["step"]: row["metrics"][name] for row in run.statuses() if row["stage"] == stage}


def weights(run):
    return load_file(run.path / "result" / "model.safetensors")


@pytest.mark.parametrize("reference", ["previous", "parent"])
def test_the_reward_of_its_answers_rises(run_of, reference):
    run = run_of(iterations=10, prompts=16, learning_rate=5e-3, reference=reference)
    metrics = online_dpo(run)
    rewards = list(told(run, "answers", "reward").values())
    assert len(rewards) == 10 and sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.1
    assert metrics["held_out"]["prompts"] == 4 and metrics["pairs"] > 40
    steps = [row["step"] for row in run.statuses() if row["stage"] == "online_dpo"]
    assert steps == sorted(steps) and len(set(steps)) == len(steps)  # one curve over all iterations
    if reference == "parent":
        assert told(run, "answers", "kl")[0] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_killed_run_ends_as_one_that_was_not(run_of, adapter):
    """Stopped in its second iteration, and again in its third: each is done again, with the same answers."""
    whole, stopped = (run_of(name, adapter=adapter) for name in ("whole", "stopped"))
    online_dpo(whole)
    for reported in (3, 8):
        again = RunDirectory(stopped.path)
        stop_after(again, reported)
        with pytest.raises(Stopped):
            online_dpo(again)
    online_dpo(RunDirectory(stopped.path))
    assert told(stopped, "online_dpo", "loss") == told(whole, "online_dpo", "loss")
    assert told(stopped, "answers", "reward") == told(whole, "answers", "reward")
    assert all(torch.equal(w, weights(stopped)[name]) for name, w in weights(whole).items())
    if adapter == "lora":
        assert not list((whole.path / "result").glob("adapter*"))


def stop_after(run, lines):
    """As if SIGTERM came after so many lines of status.jsonl."""
    report = run.report

    def reporting(**kwargs):
        report(**kwargs)
        run.stopping = len(run.statuses()) >= lines

    run.report = reporting


def ranked(*rewards):
    answers = [Generated(f"text {i}", ids=[10 + i, 2]) for i in range(len(rewards))]
    return Ranked((1,), answers, list(rewards))


def test_the_best_stands_against_the_worst():
    assert best_and_worst(ranked(0.5, 2.0, -1.0)) == (1, 2)
    assert best_and_worst(ranked(1.0, 1.0)) is None
    pairs = paired([ranked(0.0, 3.0), ranked(1.0, 1.0)], "best_worst", random.Random(0))
    assert [(p.chosen, p.rejected) for p in pairs] == [((11, 2), (10, 2))]


@pytest.mark.parametrize("nats", [1.0, 2.0])
def test_bradley_terry_draws_the_better_one_as_often_as_it_should(nats):
    """A gap of 1 where 1 is `nats`: the better one wins with σ(nats); 4,000 draws, three standard errors."""
    rng, row = random.Random(1), ranked(1.0, 0.0)
    wins = Counter(drawn(row, rng, nats) for _ in range(4000))
    expected = 1 / (1 + math.exp(-nats))
    assert wins[0, 1] / 4000 == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / 4000))


def test_the_same_text_twice_is_no_pair():
    row = ranked(1.0, 0.0)
    row.answers[1] = row.answers[0]
    assert drawn(row, random.Random(0)) is None


def test_every_prompt_comes_before_any_comes_again():
    found = [in_turn(10, 4, seed=1, turn=i) for i in range(5)]
    assert sorted(found[0] + found[1] + found[2][:2]) == list(range(10))
    assert sorted(found[2][2:] + found[3] + found[4]) == list(range(10))
    assert sorted(in_turn(3, 8, seed=1, turn=2)) == [0, 1, 2]


def test_a_reward_that_tells_nothing_apart_is_refused(run_of, write_lines):
    import json

    from feedback_types.proxy_reward.program import sha_of

    run = run_of(reward="")
    source = "words - words"
    payload = {"mode": "program", "feature_set": 1, "weights": {}, "judgements": {}, "program": source,
               "program_sha": sha_of(source), "tried": [{"weights": {}, "program": source, "t_ms": None}],
               "pool": [1, 2, 3], "ranks": [1, 2, 3]}  # fmt: skip
    stated = {"type": "proxy_reward", "version": 1, "payload": payload}
    (run.path / "stated.json").write_text(json.dumps(stated))
    run.config["stated_reward"] = "stated.json"
    with pytest.raises(Problem, match="nothing to learn"):
        online_dpo(run)


def test_a_soft_prompt_is_not_offered(run_of):
    with pytest.raises(Problem, match="adapter"):
        online_dpo(run_of(adapter="prompt"))
