"""RLOO on a tiny policy: the reward rises, it resumes exactly, and the reward model is the one it is given."""

import json

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.config import RLOOParameters
from training_bridge.policy.rewards import fitting, reward_function, training_prompts
from training_bridge.policy.rloo import rloo
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
}


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="rloo",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def column(run, name):
    return {row["step"]: row["metrics"][name] for row in run.statuses()}


def test_the_reward_rises(run_of):
    """A digit makes a text concrete; a random policy writes one now and then, and learns to."""
    run = run_of(steps=30, learning_rate=1e-2)
    metrics = rloo(run)
    rewards = list(column(run, "reward").values())
    assert len(rewards) == 30
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.5
    assert metrics["answers"] == 30 * 16 and metrics["prompts"] == 24
    assert column(run, "kl")[1] == pytest.approx(0.0, abs=1e-5) and column(run, "kl")[30] > 0.1
    lineage = json.loads((run.path / "result" / "whetstone.json").read_text())
    assert lineage["method"] == "rloo" and lineage["parent"] == {"sha256": "parent-hash"}


def test_a_stopped_run_repeats_one_that_never_stopped(run_of):
    whole, stopped = run_of("whole"), run_of("stopped")
    rloo(whole)
    for _ in range(2):
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True
        with pytest.raises(Stopped):
            rloo(stopped)
    rloo(RunDirectory(stopped.path))
    assert column(stopped, "reward") == column(whole, "reward")
    assert column(stopped, "loss") == column(whole, "loss")
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_reward_model_is_the_one_it_is_given(run_of, run_in, policy_dir, tmp_path):
    """Its rewards are normalised by what its directory says of its training data."""
    from training_bridge.reward_model.model import RewardModel
    from training_bridge.reward_model.score import Scorer

    torch.manual_seed(0)
    folder = tmp_path / "reward"
    folder.mkdir()
    RewardModel.load(policy_dir).save(folder, whetstone={"reward": {"mean": 0.5, "sd": 2.0}})
    run = run_in("scored", reward_model={"path": str(folder)})
    reward = reward_function(run, RLOOParameters())
    prompt = [{"role": "user", "content": "Otters?"}]
    said = [[{"role": "assistant", "content": text}] for text in ("Yes.", "No, thank you!")]
    scorer = Scorer.load(folder)
    from feedback_types.base import Message

    raw = scorer.score([((Message("user", "Otters?"),), text) for text in ("Yes.", "No, thank you!")])
    assert reward([prompt, prompt], said) == pytest.approx([(r - 0.5) / 2.0 for r in raw], abs=1e-5)

    trained = run_of("by-model", reward="", steps=2)
    trained.config["reward_model"] = {"path": str(folder)}
    assert rloo(trained)["steps"] == 2


def test_an_unknown_reward_function_is_refused(run_of):
    with pytest.raises(Problem, match="'spicy'"):
        rloo(run_of(reward="spicy"))


def test_without_a_reward_model_it_is_refused(run_of):
    with pytest.raises(Problem, match="reward model"):
        rloo(run_of(reward=""))


def test_prompts_are_those_of_the_training_side_or_of_a_file(run_of, write_lines):
    assert len(training_prompts(run_of())) == 24
    run = run_of()
    run.config["input"] = str(
        write_lines("p.jsonl", [{"id": 1, "messages": [{"role": "user", "content": "Hi"}]}])
    )
    assert training_prompts(run) == [[{"role": "user", "content": "Hi"}]]


def test_prompts_without_room_for_an_answer_are_left_out(policy):
    model, tokenizer = policy
    short, long = ([{"role": "user", "content": "a " * n}] for n in (3, 600))
    assert fitting([short, long], tokenizer, model, 100) == [short]


def stated_in(run, source="numbers - words / 10"):
    """A proxy as a feedback row of a snapshot states it, in the run's directory."""
    from feedback_types.proxy_reward.program import sha_of

    payload = {"mode": "program", "feature_set": 1, "weights": {}, "judgements": {}, "program": source,
               "program_sha": sha_of(source), "tried": [{"weights": {}, "program": source, "t_ms": None}],
               "pool": [1, 2, 3], "ranks": [1, 2, 3]}  # fmt: skip
    (run.path / "stated.json").write_text(
        json.dumps({"type": "proxy_reward", "version": 1, "payload": payload})
    )
    run.config["stated_reward"] = "stated.json"
    return run


def test_a_stated_reward_takes_the_place_of_a_reward_model(run_of):
    """A proxy that counts numbers: a random policy writes a digit now and then, and learns to."""
    run = stated_in(run_of(reward="", steps=30, learning_rate=1e-2), "numbers > 0")
    rloo(run)
    rewards = list(column(run, "reward").values())
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.1


def test_a_stated_reward_is_measured_by_the_snapshot_s_responses(run_of, snapshot, write_lines):
    said = [[{"role": "assistant", "content": text}] for text in ("One 1.", "A b c d.")]
    run = stated_in(run_of(reward=""))
    assert reward_function(run, RLOOParameters())([None] * 2, said) == pytest.approx([1 - 0.2, -0.4])
    # Responses of 1 - 0.2, 0 - 0.2 and 1 - 0.2, 0 - 0.2: standard deviation 1/2.
    texts = ["Two 2.", "Two more.", "Two 22.", "Too many."]
    write_lines("snapshot/native/responses.jsonl", [{"id": i, "text": text} for i, text in enumerate(texts)])
    assert reward_function(run, RLOOParameters())([None] * 2, said) == pytest.approx([1.6, -0.8])


def test_what_states_no_reward_is_refused(run_of):
    run = stated_in(run_of(reward=""), "1 / questions")
    with pytest.raises(Problem, match="divides by zero"):
        reward_function(run, RLOOParameters())([None], [[{"role": "assistant", "content": "No."}]])
    for text in ("{", "{}", '{"type": "proxy_reward", "payload": {}}', '{"type": "no_such", "payload": {}}'):
        (run.path / "stated.json").write_text(text)
        with pytest.raises(Problem, match="no reward that can be read"):
            reward_function(run, RLOOParameters())
    comparison = {"items": [1, 2], "ranks": [1, 2], "strength": 1, "both_bad": False, "aspect": None}
    (run.path / "stated.json").write_text(json.dumps({"type": "comparison", "payload": comparison}))
    with pytest.raises(Problem, match="states no reward of texts"):
        reward_function(run, RLOOParameters())
