"""KTO on a tiny policy: the loss is that of the paper, it learns what was judged good, and it resumes exactly."""

import math

import pytest
import torch
from safetensors.torch import load_file

from training_bridge.policy.kto import columns, in_order, kto, weights
from training_bridge.policy.logprobs import sums
from training_bridge.policy.rows import Row, judged
from training_bridge.programs import Problem, RunDirectory, Stopped

SETTINGS = {"epochs": 4, "batch": 8, "learning_rate": 2e-3, "checkpoint_steps": 5}


@pytest.fixture
def rated(snapshot, write_lines):
    """A snapshot in which 16 thankful answers were judged good and 8 curt ones bad."""

    def row(i):
        is_good = i % 3 != 0
        text = f"Thank you for asking {i}!" if is_good else f"No. It is bad {i}."
        return {
            "prompt": [{"role": "user", "content": f"What about otters, number {i}?"}],
            "completion": [{"role": "assistant", "content": text}],
            "label": is_good,
        }

    write_lines("snapshot/unpaired/train.jsonl", [row(i) for i in range(24)])
    write_lines("snapshot/unpaired/test.jsonl", [row(i) for i in range(24, 36)])
    return snapshot


@pytest.fixture
def run_of(run_in, policy_dir, snapshot):
    def make(name="run", **parameters):
        return run_in(
            name,
            method="kto",
            seed=3,
            parent={"path": policy_dir, "sha256": "parent-hash"},
            snapshot={"path": snapshot, "sha256": "snapshot-hash"},
            parameters={**SETTINGS, **parameters},
        )

    return make


def losses(run):
    return {row["step"]: row["metrics"]["loss"] for row in run.statuses()}


def test_it_learns_what_was_judged_good(run_of, rated):
    run = run_of(epochs=8)
    metrics = kto(run)
    assert (metrics["rows"], metrics["good"], metrics["bad"]) == (24, 16, 8)
    assert metrics["rows_from"] == {"unpaired": 24}
    # β (r - z) is 0 before the first step, so each loss is 1/2, times its weight: 1 for good, 2 for bad answers.
    assert losses(run)[1] == pytest.approx(0.5 * (8 * 1 + n_bad(run, rated) * 1) / 8, abs=1e-4)
    assert losses(run)[24] < 0.7 * losses(run)[1]
    held_out = metrics["held_out"]
    assert (held_out["good"], held_out["bad"]) == (8, 4) and held_out["auc"] > 0.9


def n_bad(run, snapshot):
    """How many of the first step's answers are bad ones."""
    from training_bridge.policy.chat import load_tokenizer

    tokenizer = load_tokenizer(run.config["parent"]["path"])
    rows = judged(snapshot, "train", tokenizer, pairs="never", max_length=2048).rows
    return sum(not row.is_good for row in in_order(rows, 8, 3))


def test_the_loss_of_a_step_by_hand(run_of, rated, other_dir, policy):
    """With a parent that is not the policy: r and z from our own log-probabilities, the loss from the paper's formula."""
    model, tokenizer = policy
    from training_bridge.policy.chat import load_policy

    moved, _ = load_policy(other_dir, device="cpu")
    rows = in_order(judged(rated, "train", tokenizer, pairs="never", max_length=2048).rows, 4, 0)
    found = columns(model, rows, 4)
    for i, (row, entry) in enumerate(zip(rows, found, strict=True)):
        assert entry["KL_completion_ids"] == list(rows[i - 1].answer)
        assert entry["ref_logps"] == pytest.approx(sums(model, [(row.prompt, row.answer)])[0], abs=1e-4)
    z = max(
        0.0,
        sum(sums(moved, [(e["prompt_ids"], e["KL_completion_ids"])])[0] - e["ref_KL_logps"] for e in found)
        / 4,
    )
    ratios = [sums(moved, [(e["prompt_ids"], e["completion_ids"])])[0] - e["ref_logps"] for e in found]
    expected = sum(
        1 - 1 / (1 + math.exp(-0.1 * ((r - z) if row.is_good else (z - r))))
        for r, row in zip(ratios, rows, strict=True)
    )
    from datasets import Dataset
    from trl import KTOConfig

    from training_bridge.policy.kto import Trainer

    run = run_of()
    config = KTOConfig(
        str(run.path / "trl"), beta=0.1, per_device_train_batch_size=4, use_cpu=True, bf16=False,
        gradient_checkpointing=False, precompute_ref_log_probs=True, max_length=None, report_to="none",
    )  # fmt: skip
    trainer = Trainer(
        run, model=moved, args=config, train_dataset=Dataset.from_list(found), processing_class=tokenizer
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert float(trainer.compute_loss(moved, batch)) == pytest.approx(expected / 4, abs=1e-4)


def test_good_and_bad_count_the_same_in_total():
    assert weights(16, 8) == {"desirable_weight": 1.0, "undesirable_weight": 2.0}
    assert weights(3, 12) == {"desirable_weight": 4.0, "undesirable_weight": 1.0}


def test_every_pass_has_every_row_once():
    rows = [Row((i,), (i,)) for i in range(5)]
    found = in_order(rows, 12, seed=1)
    assert len(found) == 12
    assert {r.prompt for r in found[:5]} == {r.prompt for r in found[5:10]} == {(i,) for i in range(5)}
    assert found[:5] != found[5:10]


def test_a_stopped_run_repeats_the_losses_of_one_that_never_stopped(run_of, rated):
    whole, stopped = run_of("whole"), run_of("stopped")
    kto(whole)
    for _ in range(2):
        stopped = RunDirectory(stopped.path)
        stopped.stopping = True
        with pytest.raises(Stopped):
            kto(stopped)
    kto(RunDirectory(stopped.path))
    assert losses(stopped) == losses(whole)
    ours, theirs = (load_file(run.path / "result" / "model.safetensors") for run in (stopped, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_preferences_stand_in_where_nothing_was_judged_by_itself(run_of, snapshot):
    metrics = kto(run_of(epochs=0.5))
    assert (metrics["good"], metrics["bad"]) == (24, 24)
    assert metrics["rows_from"] == {"unpaired": 0, "preference": 48}
    assert metrics["held_out"]["margin"]["low"] is not None  # both answers of each prompt


def test_too_little_or_one_sided_data_is_refused_with_numbers(run_of, rated, write_lines):
    with pytest.raises(
        Problem, match=r"need 25 judged answers, some good and some bad, have 16 good and 8 bad"
    ):
        kto(run_of(min_rows=25))
    with pytest.raises(Problem, match="there must be two"):
        kto(run_of(micro_batch=1))
    rows = [
        {
            "prompt": [{"role": "user", "content": f"{i}?"}],
            "completion": [{"role": "assistant", "content": "Yes."}],
            "label": True,
        }
        for i in range(30)
    ]
    write_lines("snapshot/unpaired/train.jsonl", rows)
    with pytest.raises(Problem, match="have 30 good and 0 bad"):
        kto(run_of())
