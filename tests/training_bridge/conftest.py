"""Toy methods, directories of the test's own, and Celery workers that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from training_bridge import methods

STALE_S = 2


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[None]:
    """The methods of toy.py beside the built-in ones, fast clocks, and a queue and directories that only this test uses."""
    changed: dict[str, Any] = {
        "RUN_METHODS": [*settings.RUN_METHODS, "tests.training_bridge.toy"],
        "RUN_HEARTBEAT_S": 1,
        "RUN_STALE_S": STALE_S,
        "RUN_RESEND_S": 1,
        "RUN_STOP_GRACE_S": 1,
        "TRAIN_QUEUE": f"train-{uuid.uuid4().hex[:8]}",
        "SNAPSHOT_DIR": tmp_path / "snapshots",
        "RUN_DIR": tmp_path / "runs",
        "CHECKPOINT_DIR": tmp_path / "checkpoints",
    }
    methods.all_methods.cache_clear()
    with override_settings(**changed):
        yield
    methods.all_methods.cache_clear()


@dataclass
class Worker:
    """A Celery worker with one pool process, in a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def pool_pids(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        return [int(pid) for pid in found.stdout.split()]

    def signal(self, number: int) -> None:
        """To the worker and its pool process, but not to the program, which has a session of its own."""
        for pid in [self.process.pid, *self.pool_pids()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start_worker(
    toys: None, valkey: str, transactional_db: None, tmp_path: Path
) -> Iterator[Callable[[], Worker]]:
    """Starts a worker for the test's own queue; as many as the test likes."""
    started: list[Worker] = []
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.training_bridge.worker_settings",
        "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "WHETSTONE_RUN_METHODS": "tests.training_bridge.toy",
        "WHETSTONE_RUN_HEARTBEAT_S": "1",
        "WHETSTONE_RUN_STALE_S": str(STALE_S),
        "WHETSTONE_RUN_STOP_GRACE_S": "5",
        "WHETSTONE_TRAIN_QUEUE": settings.TRAIN_QUEUE,
        "TEST_ROOT": str(tmp_path),
    }

    def start() -> Worker:
        log = tmp_path / f"worker-{len(started)}.log"
        name = f"{settings.TRAIN_QUEUE}-{len(started)}@localhost"
        command = [
            "celery",
            "-A",
            "annotation.project.celery",
            "worker",
            "-Q",
            settings.TRAIN_QUEUE,
            "-c",
            "1",
            "-n",
            name,
        ]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    *command,
                    "-l",
                    "info",
                    "--without-gossip",
                    "--without-mingle",
                    "--without-heartbeat",
                ],
                env=environment,
                cwd=settings.BASE_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process, log)
        started.append(worker)
        until(lambda: b" ready." in log.read_bytes(), 30, what=lambda: log.read_text()[-3000:])
        return worker

    yield start
    for worker in started:
        worker.signal(signal.SIGCONT)
        worker.kill()


def until(true: Callable[[], Any], seconds: float = 20, *, what: Callable[[], str] = lambda: "") -> None:
    """Waits until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds} s. {what()}")
        time.sleep(0.05)
