"""Runs with real workers and a real broker, which are killed, stopped and emptied: each run takes effect exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction

from tests.training_bridge.conftest import Worker, until
from tests.training_bridge.toy import effects
from tests.training_bridge.world import World
from training_bridge.models import Checkpoint, Run
from training_bridge.services import start_run
from training_bridge.tasks import sweep_jobs

pytestmark = pytest.mark.django_db(transaction=True)

StartWorker = Callable[[], Worker]


def start(method: str = "toy_policy", **config: Any) -> Run:
    world = World(n_prompts=0)
    return start_run(campaign=world.campaign, actor=None, method=method, config=config)


def status(run: Run) -> str:
    run.refresh_from_db()
    return run.status


def finishes(run: Run, seconds: float = 30) -> None:
    """Sweeps as beat does until the run is finished."""

    def finished() -> bool:
        sweep_jobs()
        time.sleep(0.2)
        return status(run) in ("succeeded", "failed", "cancelled")

    until(finished, seconds, what=lambda: f"{run.status} {run.error} {run.log_tail}")


def program_of(run: Run) -> int:
    """Process id of the run's program."""
    found = subprocess.run(
        ["pgrep", "-f", f"tests.training_bridge.toy {run.directory}"], capture_output=True, text=True
    )
    return int(found.stdout.split()[0])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().split()[2] != "Z"


def took_effect_once(run: Run) -> None:
    assert status(run) == "succeeded", run.error
    assert Checkpoint.objects.filter(run=run).count() == 1


def test_kill_9_of_the_program_the_worker_and_a_flushed_broker(
    start_worker: StartWorker, valkey: str
) -> None:
    """One run survives, in turn: a lost message, its program killed, its worker killed."""
    run = start(steps=40, step_s=0.4)  # longer than a second worker takes to start on a busy machine
    with redis.Redis(
        unix_socket_path=settings.BROKER_URL.split("://")[1].split("?")[0], db=settings.QUEUES
    ) as broker:
        assert broker.llen(settings.TRAIN_QUEUE) == 1
        broker.flushdb()
    worker = start_worker()
    time.sleep(1.1)  # the sweep sends again what was sent more than a second ago
    sweep_jobs()
    until(lambda: len(effects(run.directory)) >= 3)

    os.kill(program_of(run), signal.SIGKILL)
    until(
        lambda: any(attempt == "attempt-2" for attempt, _ in effects(run.directory)),
        what=lambda: worker.log.read_text()[-3000:],
    )

    second = start_worker()
    program = program_of(run)
    worker.kill()
    until(lambda: not is_alive(program), 5)  # a program dies with its worker
    finishes(run, 60)
    took_effect_once(run)
    assert run.attempt == 3 and run.metrics["resumed_at"] > 0
    steps = [step for _, step in effects(run.directory)]
    assert set(steps) == set(range(1, 41))
    assert len(steps) <= 42  # at most the step under way was done again, each time
    assert second.process.poll() is None


def test_a_worker_that_was_stopped_too_long_is_refused(start_worker: StartWorker) -> None:
    """SIGSTOP: its program goes on, another worker takes over, and after SIGCONT the first one changes nothing."""
    zombie = start_worker()
    run = start(steps=10, step_s=0.3)
    until(lambda: effects(run.directory))
    zombie.signal(signal.SIGSTOP)
    start_worker()
    finishes(run)
    took_effect_once(run)
    assert run.attempt == 2
    before = Run.objects.filter(pk=run.pk).values().get()
    until(lambda: (run.directory / "attempt-1" / "metrics.json").is_file())
    zombie.signal(signal.SIGCONT)
    until(lambda: b"was taken over" in zombie.log.read_bytes(), what=lambda: zombie.log.read_text()[-2000:])
    assert Run.objects.filter(pk=run.pk).values().get() == before
    took_effect_once(run)


def test_a_shutdown_saves_and_releases(start_worker: StartWorker) -> None:
    """SIGTERM at a deploy: the program saves, the run goes back into the queue, and no attempt is lost."""
    worker = start_worker()
    run = start(steps=60, step_s=0.1)
    until(lambda: len(effects(run.directory)) >= 3)
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(timeout=15)
    assert status(run) == "queued" and run.max_attempts == 4
    start_worker()
    finishes(run)
    took_effect_once(run)
    assert run.metrics["resumed_at"] >= 3
    steps = [step for _, step in effects(run.directory)]
    assert steps == list(range(1, 61))


def test_committed_runs_start_and_rolled_back_ones_do_not(start_worker: StartWorker) -> None:
    start_worker()
    world = World(n_prompts=0)
    with pytest.raises(RuntimeError), transaction.atomic():
        lost = start_run(campaign=world.campaign, actor=None, method="toy", config={})
        raise RuntimeError
    run = start_run(campaign=world.campaign, actor=None, method="toy", config={})
    until(lambda: status(run) == "succeeded")
    assert not lost.directory.exists() and Run.objects.count() == 1


def test_a_poison_job_does_not_block_others(start_worker: StartWorker) -> None:
    start_worker()
    world = World(n_prompts=0)
    poison = start_run(
        campaign=world.campaign, actor=None, method="toy", config={"fault": "kill", "steps": 9}
    )
    fine = start_run(campaign=world.campaign, actor=None, method="toy", config={})
    finishes(fine)
    assert status(fine) == "succeeded"
    finishes(poison)
    assert status(poison) == "failed" and poison.attempt == 3 and "signal 9" in poison.error


def test_with_the_broker_away_the_row_is_written_and_sent_later(
    start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost and no page waits: the message is sent by the sweep when the broker is back."""
    with pytest.MonkeyPatch.context() as patch:
        use_broker("redis+socket:///tmp/no-broker-here.sock", patch)
        began = time.monotonic()
        run = start("toy")
        assert time.monotonic() - began < 8
        assert status(run) == "queued"
        assert f"{run.pk} stays queued and is sent again" in caplog.text
    start_worker()
    finishes(run)
    assert status(run) == "succeeded"


def use_broker(url: str, patch: pytest.MonkeyPatch) -> None:
    """Sends to another broker from now on; the connections to this one are kept for later."""
    from annotation.project.celery import app

    patch.setattr(app.conf, "broker_url", url)
    patch.setattr(app, "_pool", None)
    patch.setattr(app.amqp, "_producer_pool", None)
