"""SFT on a tiny policy: it learns the answers and not the prompts, from whom it is told to, and resumes exactly."""

import json

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.chat import load_policy
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rows import to_imitate
from training_bridge.policy.sft import NO_LOSS, columns, sft
from training_bridge.programs import Problem, RunDirectory, Stopped

SETTINGS = {"epochs": 4, "batch": 8, "learning_rate": 2e-3, "checkpoint_steps": 5}


def said(prompt, answer, **more):
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": answer}],
        **more,
    }


@pytest.fixture
def written(snapshot, write_lines):
    """A snapshot in which people also wrote 24 answers, and 6 to prompts that are held out."""
    rows = [said(f"Otters, number {i}?", f"Otters hold hands {i}.") for i in range(30)]
    write_lines("snapshot/prompt_completion/train.jsonl", rows[:24])
    write_lines("snapshot/prompt_completion/test.jsonl", rows[24:])
    return snapshot


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="sft",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def losses(run):
    return {row["step"]: row["metrics"]["loss"] for row in run.statuses()}


def test_it_learns_to_write_what_people_wrote(run_of, written, policy):
    run = run_of(learning_rate=1e-2)
    metrics = sft(run)
    assert metrics["rows"] == 24 and metrics["rows_from"] == {"prompt_completion": 24}
    found = losses(run)
    assert sorted(found) == list(range(1, 13)) and found[12] < 0.7 * found[1]
    nats = metrics["held_out"]["nats_per_token"]
    assert nats["new"]["high"] < nats["old"]["low"] and nats["difference"]["high"] < 0
    # What it says of the old policy is what the old policy gives: nats over tokens of the six held-out answers.
    model, tokenizer = policy
    rows = to_imitate(written, "test", tokenizer, chosen="never", max_length=2048).rows
    expected = -sum(sums(model, [(r.prompt, r.answer) for r in rows])) / sum(len(r.answer) for r in rows)
    assert nats["old"]["value"] == pytest.approx(expected, abs=1e-5)
    lineage = json.loads((run.path / "result" / "whetstone.json").read_text())
    assert (lineage["method"], lineage["parent"]) == ("sft", {"sha256": "parent-hash"})


def test_the_first_loss_is_that_of_the_answers_alone(run_of, written, policy):
    run = run_of(batch=24, epochs=1)
    sft(run)
    model, tokenizer = policy
    rows = to_imitate(written, "train", tokenizer, chosen="never", max_length=2048).rows
    expected = -sum(sums(model, [(r.prompt, r.answer) for r in rows])) / sum(len(r.answer) for r in rows)
    assert losses(run)[1] == pytest.approx(expected, abs=1e-4)
    row = columns(rows[0])
    assert row["labels"][: len(rows[0].prompt)] == [NO_LOSS] * len(rows[0].prompt)
    assert row["labels"][len(rows[0].prompt) :] == list(rows[0].answer)


def test_a_stopped_run_repeats_the_losses_of_one_that_never_stopped(run_of, written):
    whole, stopped = run_of("whole"), run_of("stopped")
    sft(whole)
    for _ in range(2):
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True
        with pytest.raises(Stopped):
            sft(stopped)
    sft(RunDirectory(stopped.path))
    assert losses(stopped) == losses(whole)
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_parts_of_a_step_give_the_same_loss(run_of, written):
    """Answers of different lengths in each part: the mean is over the tokens of the step, not of the parts."""
    whole, parts = run_of("whole", epochs=1), run_of("parts", epochs=1, micro_batch=2)
    sft(whole)
    sft(parts)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-4)


def test_preferred_answers_stand_in_where_nobody_wrote_one(run_of, snapshot, policy):
    _, tokenizer = policy
    count = {
        how: to_imitate(snapshot, "train", tokenizer, chosen=how, max_length=2048)
        for how in ("never", "without_others", "always")
    }
    assert [len(rows.rows) for rows in count.values()] == [0, 24, 24]
    with pytest.raises(Problem, match=r"need 20 answers to imitate, have 0\."):
        sft(run_of(chosen="never"))


def test_rows_are_left_out_for_a_reason_and_counted(written, policy, write_lines):
    _, tokenizer = policy
    rows = [said("a", "b"), said("a", "b"), said("a", " "), said("a", "b " * 100), said("c", "b")]
    write_lines("snapshot/prompt_completion/train.jsonl", rows)
    found = to_imitate(written, "train", tokenizer, chosen="without_others", max_length=60)
    assert len(found.rows) == 2
    assert found.left_out == {"too_long": 1, "empty": 1, "there_already": 1}
    both = to_imitate(written, "train", tokenizer, chosen="always", max_length=60)
    assert both.views == {"prompt_completion": 5, "preference": 24}


def test_no_text_of_a_person_poses_as_a_control_token(written, policy, write_lines):
    _, tokenizer = policy
    hidden = f"So.{tokenizer.eos_token}"
    write_lines("snapshot/prompt_completion/train.jsonl", [said(hidden, hidden)])
    (row,) = to_imitate(written, "train", tokenizer, chosen="never", max_length=2048).rows
    assert row.answer.count(tokenizer.eos_token_id) == 1 and row.answer[-1] == tokenizer.eos_token_id
    honest = to_imitate(written, "test", tokenizer, chosen="never", max_length=2048).rows[0]
    assert row.prompt.count(tokenizer.eos_token_id) == honest.prompt.count(tokenizer.eos_token_id)


def test_numbers_that_are_none_stop_the_training(run_of, written, tmp_path, policy_dir):
    model, tokenizer = load_policy(policy_dir, device="cpu")
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.nan)
    model.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    run = run_of()
    run.config["parent"] = {"path": str(tmp_path / "broken")}
    with pytest.raises(Problem, match="Training broke at step 1"):
        sft(run)
