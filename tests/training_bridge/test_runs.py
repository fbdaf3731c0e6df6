"""Runs, executed in this process: every outcome of a program is recorded once, under the token of its attempt."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from annotation.errors import Conflict, Invalid
from annotation.models import AuditEvent
from tests.training_bridge.conftest import until
from tests.training_bridge.toy import effects
from tests.training_bridge.world import World
from training_bridge import runner
from training_bridge.models import Checkpoint, Run
from training_bridge.services import build_snapshot, cancel_run, start_run, take_snapshot
from training_bridge.services import runs as run_services
from training_bridge.services.jobs import Claim, LostClaim

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


def start(world: World, method: str = "toy", *, max_attempts: int = 3, **config: Any) -> Run:
    return start_run(
        campaign=world.campaign,
        actor=world.researcher,
        method=method,
        config=config,
        seed=5,
        max_attempts=max_attempts,
    )


def execute(run: Run) -> Run:
    runner.execute(str(run.pk))
    run.refresh_from_db()
    return run


def test_a_run_succeeds_and_says_everything() -> None:
    run = execute(start(World(n_prompts=0), steps=4))
    assert run.status == "succeeded"
    assert run.metrics is not None
    machine = run.metrics.pop("machine")
    assert run.metrics == {"counted": 4, "resumed_at": 0}
    assert machine["memory_mb"] > 0 and machine["peak_mb"] > 0 and machine["device"]
    assert [(p["step"], p["loss"]) for p in run.curve] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)]
    assert run.progress == {**run.progress, "stage": "counting", "step": 4, "steps": 4}
    assert run.attempt == 1 and run.finished_at is not None and run.code_revision
    config = json.loads((run.directory / "attempt-1" / "config.json").read_text())
    assert (
        config["parameters"] == run.config
        and config["seed"] == 5
        and config["fencing_token"] == str(run.fencing_token)
    )
    assert AuditEvent.objects.filter(action="run.start", target=f"run {run.pk}").count() == 1


def test_the_program_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "WHETSTONE_SECRET_KEY": "canary-1",
        "DATABASE_URL": "canary-2",
        "BROKER_URL": "canary-3",
        "HF_TOKEN": "canary-4",
    }
    secrets["AWS_SECRET_ACCESS_KEY"] = "canary-5"
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    run = execute(start(World(n_prompts=0)))
    seen = json.loads((run.attempt_directory / "environment.json").read_text())
    assert "PATH" in seen
    assert not set(secrets) & set(seen)
    assert "canary" not in json.dumps(seen)


def test_a_result_becomes_a_checkpoint_named_by_its_hash() -> None:
    run = execute(start(World(n_prompts=0), "toy_policy"))
    checkpoint = Checkpoint.objects.get(run=run)
    assert checkpoint.kind == "policy" and checkpoint.campaign == run.campaign
    files = {"config.json": b'{"seed": 5}', "model.safetensors": b"weights"}
    expected = hashlib.sha256(
        b"".join(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode() for name, data in files.items())
    ).hexdigest()
    assert checkpoint.sha256 == expected
    assert Path(checkpoint.path).name == expected
    assert {p.name: p.read_bytes() for p in Path(checkpoint.path).iterdir()} == files
    assert checkpoint.lineage == {
        **checkpoint.lineage,
        "run": str(run.pk),
        "seed": 5,
        "code_revision": run.code_revision,
    }


def test_a_pickle_is_never_kept() -> None:
    run = execute(start(World(n_prompts=0), "toy_policy", fault="pickle"))
    assert run.status == "failed" and "model.pt" in run.error
    assert not Checkpoint.objects.exists()


def test_a_problem_with_the_data_fails_at_once_with_advice() -> None:
    run = execute(start(World(n_prompts=0), fault="problem"))
    assert (run.status, run.error, run.advice, run.attempt) == (
        "failed",
        "The toy has no batteries.",
        "Buy some.",
        1,
    )


@pytest.mark.parametrize(
    "fault, how", [("kill", "signal 9"), ("exit", "exit code 7"), ("raise", "the toy broke")]
)
def test_a_poison_job_stops_after_three_attempts(fault: str, how: str) -> None:
    run = start(World(n_prompts=0), fault=fault, steps=9)
    for attempt, status in ((1, "queued"), (2, "queued"), (3, "failed")):
        execute(run)
        assert (run.attempt, run.status) == (attempt, status)
    execute(run)  # a message that comes late
    assert (run.attempt, run.status) == (3, "failed")
    assert how in run.error or how in run.log_tail
    # Each attempt went on where the one before it had stopped.
    assert effects(run.directory) == [("attempt-1", 1), ("attempt-2", 2), ("attempt-3", 3)]
    assert [p["step"] for p in run.curve] == [1, 2, 3]


def test_a_program_that_hangs_is_killed_though_its_worker_lives(settings: Any) -> None:
    settings.RUN_HANG_S = 1
    run = execute(start(World(n_prompts=0), fault="hang", steps=2, max_attempts=1))
    assert run.status == "failed" and "it told nothing for 1 s and was killed" in run.error
    assert "WHETSTONE_RUN_HANG_S" in run.advice


def test_a_message_that_comes_twice_runs_once() -> None:
    run = execute(start(World(n_prompts=0), steps=2))
    execute(run)
    assert effects(run.directory) == [("attempt-1", 1), ("attempt-1", 2)]


def test_two_workers_never_both_claim() -> None:
    run = start(World(n_prompts=0))
    claims: list[Claim | None] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        claims.append(run_services.claim_run(str(run.pk)))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(c is not None for c in claims) == 1
    run.refresh_from_db()
    assert run.attempt == 1


def test_a_lost_claim_writes_nothing() -> None:
    run = start(World(n_prompts=0), "toy_policy")
    first = run_services.claim_run(str(run.pk))
    assert first is not None
    Run.objects.filter(pk=run.pk).update(heartbeat_at=Now() - timedelta(seconds=60))
    assert run_services.requeue_stale_runs() == 1
    execute(run)
    assert run.status == "succeeded"
    before = Run.objects.filter(pk=run.pk).values().get()
    checkpoint = Checkpoint(kind="policy", name="zombie", path="/nowhere", run=run)
    for write in (
        lambda: first.write(progress={"step": 99}),
        lambda: run_services.finish_run(first, status="failed", error="zombie", checkpoint=checkpoint),
        lambda: first.release(),
    ):
        with pytest.raises(LostClaim):
            write()
    assert Run.objects.filter(pk=run.pk).values().get() == before
    assert [c.name for c in Checkpoint.objects.all()] != ["zombie"] and Checkpoint.objects.count() == 1


def test_a_silent_run_is_given_up_after_its_last_attempt() -> None:
    run = start(World(n_prompts=0), max_attempts=1)
    assert run_services.claim_run(str(run.pk)) is not None
    assert run_services.requeue_stale_runs() == 0
    Run.objects.filter(pk=run.pk).update(heartbeat_at=Now() - timedelta(seconds=60))
    assert run_services.requeue_stale_runs() == 1
    run.refresh_from_db()
    assert run.status == "failed" and "1 times" in run.error


def test_cancel_while_queued() -> None:
    world = World(n_prompts=0)
    run = cancel_run(run=start(world), actor=world.researcher)
    assert run.status == "cancelled"
    assert execute(run).attempt == 0
    with pytest.raises(Conflict):
        cancel_run(run=run, actor=world.researcher)


@pytest.mark.parametrize("fault", ["none", "deaf"])
def test_cancel_while_running(fault: str) -> None:
    """The program is asked to stop; one that does not listen is killed."""
    world = World(n_prompts=0)
    run = start(world, steps=500, step_s=0.05, fault=fault)

    def cancel() -> None:
        until(lambda: effects(run.directory))
        cancel_run(run=run, actor=world.researcher)
        connection.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    began = time.monotonic()
    execute(run)
    thread.join()
    assert run.status == "cancelled"
    assert time.monotonic() - began < 10
    assert AuditEvent.objects.filter(action="run.cancel").count() == 1


def test_a_rolled_back_transaction_starts_nothing() -> None:
    world = World(n_prompts=0)
    with pytest.raises(RuntimeError), transaction.atomic():
        start(world)
        raise RuntimeError
    assert not Run.objects.exists() and not AuditEvent.objects.filter(action="run.start").exists()


def test_a_run_waits_for_its_snapshot_and_refuses_a_damaged_one() -> None:
    world = World(n_prompts=3)
    world.answer_all()
    snapshot = take_snapshot(campaign=world.campaign, actor=world.researcher)
    run = start_run(campaign=world.campaign, actor=None, method="toy_reward", snapshot=snapshot)
    execute(run)
    assert (run.status, run.attempt) == ("queued", 0)
    build_snapshot(str(snapshot.pk))
    snapshot.refresh_from_db()
    assert snapshot.status == "complete", snapshot.error
    file = snapshot.path / "native" / "feedback.jsonl"
    data = bytearray(file.read_bytes())
    data[100] ^= 4
    file.write_bytes(data)
    execute(run)
    assert run.status == "failed" and "native/feedback.jsonl" in run.error
    assert not effects(run.directory)


def test_a_changed_checkpoint_is_refused() -> None:
    world = World(n_prompts=0)
    parent = Checkpoint.objects.get(run=execute(start(world, "toy_policy")))
    (Path(parent.path) / "model.safetensors").unlink()
    (Path(parent.path) / "model.safetensors").write_bytes(b"weightz")
    run = execute(start_run(campaign=world.campaign, actor=None, method="toy", parent=parent))
    assert run.status == "failed" and "hash" in run.error


def test_too_little_data_is_refused_before_anything_is_queued() -> None:
    world = World(n_prompts=2, n_labelers=1)
    world.answer_all()
    snapshot = take_snapshot(campaign=world.campaign, actor=None)
    build_snapshot(str(snapshot.pk))
    snapshot.refresh_from_db()
    with pytest.raises(Invalid, match="need 20 answers, have 2"):
        start_run(campaign=world.campaign, actor=None, method="toy", config={"need": 20}, snapshot=snapshot)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "method, config, field",
    [
        ("toy", {"steps": 0}, "steps"),
        ("toy", {"stepz": 1}, "stepz"),
        ("toi", {}, "method"),
        ("toy_reward", {}, "snapshot"),
    ],
)
def test_what_is_wrong_is_named(method: str, config: dict[str, Any], field: str) -> None:
    world = World(n_prompts=0)
    with pytest.raises(Invalid) as refused:
        start_run(campaign=world.campaign, actor=None, method=method, config=config)
    assert list(refused.value.fields) == [field]


def test_inputs_of_another_campaign_are_refused() -> None:
    mine, other = World("mine", n_prompts=0), World("other", n_prompts=0)
    foreign = Checkpoint.objects.get(run=execute(start(other, "toy_policy")))
    with pytest.raises(Invalid) as refused:
        start_run(campaign=mine.campaign, actor=None, method="toy", parent=foreign)
    assert list(refused.value.fields) == ["parent"]


def test_the_database_refuses_a_running_run_without_a_token() -> None:
    run = start(World(n_prompts=0))
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(status="running", fencing_token=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(attempt=4)


def test_a_long_curve_is_thinned_and_a_torn_line_waits(tmp_path: Path) -> None:
    follower = runner.Follower(tmp_path, Run())
    lines = [
        json.dumps({"stage": "s", "step": n, "steps": 900, "metrics": {"loss": 1.0, "note": "x"}}) + "\n"
        for n in range(1, 901)
    ]
    (tmp_path / "status.jsonl").write_text("".join(lines) + '{"stage": "s", "st')
    assert follower.read() and not follower.read()
    steps = [p["step"] for p in follower.curve]
    assert steps == sorted(set(steps)) and 200 <= len(steps) <= runner.CURVE_POINTS and steps[-1] == 900
    assert follower.curve[0] == {"stage": "s", "step": steps[0], "loss": 1.0}
    with open(tmp_path / "status.jsonl", "a") as file:
        file.write('ep": 901, "metrics": {"loss": 0.5}}\n')
    assert follower.read() and follower.curve[-1] == {"stage": "s", "step": 901, "loss": 0.5}


def test_a_snapshot_job_is_taken_up_again_and_given_up() -> None:
    from training_bridge.services import snapshots

    world = World(n_prompts=1)
    world.answer_all()
    snapshot = take_snapshot(campaign=world.campaign, actor=None)
    waiting = start_run(campaign=world.campaign, actor=None, method="toy_reward", snapshot=snapshot)
    for attempt in (1, 2, 3):
        claim = snapshots.jobs.claim(type(snapshot), snapshot.pk)
        assert claim is not None and claim.attempt == attempt
        type(snapshot).objects.filter(pk=snapshot.pk).update(heartbeat_at=Now() - timedelta(seconds=60))
        assert snapshots.requeue_stale_snapshots() == 1
        with pytest.raises(LostClaim):
            claim.write(progress={})
    snapshot.refresh_from_db()
    waiting.refresh_from_db()
    assert snapshot.status == "failed" and waiting.status == "failed"
