"""DPO on a tiny policy: it learns, it resumes exactly, and its result is a plain directory that says where it comes from."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy import dpo as program
from training_bridge.policy.chat import load_policy
from training_bridge.policy.dpo import Pair, dpo, generalisation, pair_logprobs, read_pairs
from training_bridge.policy.trl_runs import batches
from training_bridge.programs import Problem, RunDirectory, Stopped

SETTINGS = {"epochs": 4, "batch": 8, "supervised": 0.1, "learning_rate": 2e-3, "checkpoint_steps": 5}


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="dpo",
            seed=3,
            code_revision="abc",
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def losses(run):
    return {row["step"]: row["metrics"]["loss"] for row in run.statuses()}


def test_it_learns_what_people_prefer_and_says_where_it_comes_from(run_of, policy, snapshot):
    run = run_of()
    metrics = dpo(run)
    found = losses(run)
    assert sorted(found) == list(range(1, 13))  # 24 pairs, 8 a step, 4 epochs
    assert found[12] < 0.7 * found[1]
    assert metrics["last"]["accuracy"] == 1.0
    held_out = metrics["held_out"]
    assert held_out["pairs"] == 6 and held_out["accuracy"]["value"] == 1.0 and held_out["margin"] > 0

    model, tokenizer = load_policy(run.path / "result", device="cpu")
    pairs, _ = read_pairs(snapshot, "test", tokenizer, 2048)
    (chosen, rejected), (old_chosen, old_rejected) = (
        [sum(values) for values in zip(*pair_logprobs(m, pairs), strict=True)] for m in (model, policy[0])
    )
    assert chosen - old_chosen > rejected - old_rejected
    nats = held_out["chosen"]["nats_per_token"]
    tokens = sum(len(pair.chosen) for pair in pairs)
    assert nats["old"]["value"] == pytest.approx(-old_chosen / tokens, abs=1e-4)
    assert nats["new"]["value"] == pytest.approx(-chosen / tokens, abs=1e-3)
    lineage = json.loads((run.path / "result" / "whetstone.json").read_text())
    assert lineage["parent"] == {"sha256": "parent-hash"} and lineage["snapshot"] == {
        "sha256": "snapshot-hash"
    }
    assert (lineage["method"], lineage["seed"], lineage["code_revision"]) == ("dpo", 3, "abc")
    assert lineage["parameters"]["beta"] == 0.1 and lineage["versions"]["trl"]
    assert not list(run.path.rglob("training_args.bin"))  # a pickle
    assert not (run.path / "trl").exists()


def test_the_first_loss_is_that_of_the_formula(run_of, policy, snapshot):
    """Before any step policy and parent are the same, so every margin is 0: ln 2, and a share of the supervised loss."""
    plain, mixed = run_of("plain", supervised=0.0, epochs=0.1), run_of("mixed", supervised=0.1, epochs=0.1)
    dpo(plain)
    dpo(mixed)
    model, tokenizer = policy
    pairs, _ = read_pairs(snapshot, "train", tokenizer, 2048)
    chosen = pair_logprobs(model, pairs)[0][0] / len(pairs[0].chosen)  # every chosen answer is the same text
    assert losses(plain)[1] == pytest.approx(0.693147, abs=1e-5)
    assert losses(mixed)[1] == pytest.approx(0.693147 - 0.1 * chosen, abs=5e-3)  # prompts differ in a digit


def test_a_stopped_run_repeats_the_losses_of_one_that_never_stopped(run_of):
    whole, stopped = run_of("whole"), run_of("stopped")
    dpo(whole)
    for _ in range(2):
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True  # SIGTERM: it saves after the next step and leaves
        with pytest.raises(Stopped):
            dpo(stopped)
    assert stopped.newest_checkpoint().name == "step-2"
    (stopped.path / "trl" / "checkpoint-3").mkdir(parents=True)  # a kill may leave half of one
    dpo(RunDirectory(stopped.path))
    assert losses(stopped) == losses(whole)
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_damaged_checkpoint_is_passed_over(run_of):
    run = run_of()
    dpo(run)
    newest, before = (run.path / "checkpoints" / f"step-{n}" for n in (12, 10))
    (newest / "optimizer.pt").write_bytes(b"not what was written")
    assert RunDirectory(run.path).newest_checkpoint() == before
    (before / "training_args.bin").write_bytes(b"foreign")
    assert RunDirectory(run.path).newest_checkpoint() is None


def test_adapters_are_merged_into_a_plain_directory(run_of, policy):
    run = run_of(adapter="lora", lora_rank=4, learning_rate=1e-2)
    dpo(run)
    assert losses(run)[12] < losses(run)[1]
    assert not list((run.path / "result").glob("adapter*"))
    model, _ = load_policy(run.path / "result", device="cpu")
    before = dict(policy[0].named_parameters())
    changed = {name for name, w in model.named_parameters() if not torch.equal(w, before[name])}
    assert changed and all("proj" in name for name in changed)  # linear layers and nothing else


def test_parts_of_a_step_give_the_same_loss(run_of):
    whole, parts = run_of("whole", epochs=1), run_of("parts", epochs=1, micro_batch=4)
    dpo(whole)
    dpo(parts)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-4)
    with pytest.raises(Problem, match="cannot be cut"):
        dpo(run_of("uneven", micro_batch=3))


def test_a_step_is_cut_over_processes(monkeypatch):
    assert batches(16) == {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 1}
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert batches(16, 2) == {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    for size, at_once in ((15, 0), (1, 0), (16, 3)):
        with pytest.raises(Problem, match="cannot be cut"):
            batches(size, at_once)


def test_too_little_data_is_refused_with_numbers(run_of):
    with pytest.raises(Problem, match=r"need 25 preference pairs, have 24\."):
        dpo(run_of(min_pairs=25))
    with pytest.raises(Problem, match=r"have 0\."):
        dpo(run_of("long", max_length=16))


def test_rows_are_left_out_for_a_reason_and_counted(policy, write_lines, tmp_path):
    _, tokenizer = policy
    prompt = [{"role": "user", "content": "Hi"}]

    def row(chosen, rejected):
        return {
            "prompt": prompt,
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }

    write_lines("preference/train.jsonl", [row("a", "b"), row("a", "a"), row("a", "b " * 100)])
    pairs, dropped = read_pairs(tmp_path, "train", tokenizer, 60)
    assert len(pairs) == 1 and dropped == {"too_long": 1, "the_same": 1}
    assert read_pairs(tmp_path, "test", tokenizer, 60) == ([], {"too_long": 0, "the_same": 0})
    (tmp_path / "preference" / "train.jsonl").write_text("{")
    with pytest.raises(Problem, match="line 1 is not JSON"):
        read_pairs(tmp_path, "train", tokenizer, 60)


def test_generalisation_by_hand():
    """Margins with β 0.5: 0.5 × (1 - -1) = 1 and 0.5 × (0 - 2) = -1; losses ln(1 + e^-1) = 0.313262 and 1.313262."""
    pairs = [Pair((1,), (2,), (3,)), Pair((4,), (2,), (3,))]
    before, after = [(-5.0, -5.0), (-5.0, -5.0)], [(-4.0, -6.0), (-5.0, -3.0)]
    found = generalisation(before, after, pairs, beta=0.5)
    assert found["accuracy"]["value"] == 0.5 and found["margin"] == 0.0
    assert found["loss"] == pytest.approx((0.313262 + 1.313262) / 2, abs=1e-6)
    assert generalisation([], [], [], 0.5) == {"pairs": 0}


def test_numbers_that_are_none_stop_the_training(run_of, tmp_path, policy_dir):
    model, tokenizer = load_policy(policy_dir, device="cpu")
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.inf)
    model.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    run = run_of()
    run.config["parent"] = {"path": str(tmp_path / "broken")}
    with pytest.raises(Problem, match="Training broke at step 1"):
        dpo(run)


@pytest.mark.proof
@pytest.mark.parametrize(
    "launch",
    [
        ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
        [
            "accelerate.commands.accelerate_cli", "launch", "--use_fsdp", "--fsdp_version", "2", "--num_processes", "2",
            "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP", "--num_machines", "1", "--mixed_precision", "no",
            "--dynamo_backend", "no", "--main_process_port", "0",
        ],
    ],
    ids=["each all weights", "each a part of the weights"],
)  # fmt: skip
def test_two_processes_take_the_steps_of_one(launch, run_of):
    """And go on from a checkpoint that two processes wrote."""
    one, two, later = (run_of(name, epochs=1, checkpoint_steps=2) for name in ("one", "two", "later"))
    dpo(one)
    done = start(["-m", *launch, "-m", "training_bridge.policy.dpo", str(two.path)])
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (two, one))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in theirs)
    shutil.copytree(two.path / "checkpoints" / "step-2", later.path / "checkpoints" / "step-2")
    assert load_file(later.path / "checkpoints/step-2/model.safetensors").keys() >= ours.keys()
    done = start(["-m", *launch, "-m", "training_bridge.policy.dpo", str(later.path)])
    assert done.returncode == 0, done.stderr[-2000:]
    assert losses(later) == pytest.approx({3: losses(one)[3]}, abs=1e-5)


def start(arguments):
    """Python in the project's root, without what the tests set for the hub."""
    root = Path(program.__file__).parents[2]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**environment, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )


NO_NETWORK = """
import runpy, socket, sys
def refuse(*args, **kwargs): raise SystemExit(f"it wanted to connect to {args[1:]}")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
sys.argv = ["dpo", sys.argv[1]]
runpy.run_module("training_bridge.policy.dpo", run_name="__main__")
"""


def test_as_a_program_it_needs_no_network_and_ends_with_0(run_of):
    run = run_of(epochs=0.5)
    done = start(["-c", NO_NETWORK, str(run.path)])
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((run.path / "metrics.json").read_text())["pairs"] == 24


def test_answers_to_held_out_prompts_are_shown_on_the_way(run_of):
    run = run_of("shown", epochs=4)
    dpo(run)
    shown = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    steps = sorted({row["step"] for row in shown})
    assert steps[0] == 0 and steps[1] == 10 and len(shown) == 3 * len(steps)
    assert {row["reward"] for row in shown} == {None} and len({row["prompt"] for row in shown}) == 3
    assert "number 2" in shown[0]["prompt"]  # of the test side
