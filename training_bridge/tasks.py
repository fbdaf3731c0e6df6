"""What workers are woken for. Each task fetches nothing and decides nothing: it calls one function that claims its row.

Queue `default`: snapshots, pushes, copies and the sweeps. Queue `train` (settings.TRAIN_QUEUE): runs, one at a time for
each worker. A message is an id; it may be lost, come twice or come late, because the row says what is to be done.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.db import connection

from training_bridge import runner
from training_bridge.services import erasure, jobs, mirror, pushes, runs, snapshots


@shared_task
def build_snapshot(snapshot_id: str) -> None:
    snapshots.build_snapshot(snapshot_id)


@shared_task
def execute_push(push_id: str) -> None:
    pushes.execute_push(push_id)


@shared_task
def mirror_artifacts() -> None:
    mirror.mirror_due()


# Acknowledged at once: a broker that delivers again after hours must not start a second training.
@shared_task(acks_late=False, reject_on_worker_lost=False)
def execute_run(run_id: str) -> None:
    """A message wakes a worker for one run; the worker takes the one that is the most urgent by then."""
    while (urgent := runs.most_urgent()) is not None:
        if runner.execute(urgent):
            return  # otherwise another worker was quicker: there may be a next one


@shared_task
def sweep_jobs() -> None:
    """Takes up what has fallen silent, and sends again what was never taken."""
    snapshots.requeue_stale_snapshots()
    runs.requeue_stale_runs()
    pushes.requeue_stale_pushes()
    pushes.drop_old_tokens()
    erasure.bury_erased()
    snapshots.resend_snapshots()
    pushes.resend_pushes()
    runs.resend_runs()
    mirror.resend_mirror()


BEAT_SCHEDULE = {
    "sweep-jobs": {"task": "training_bridge.tasks.sweep_jobs", "schedule": float(settings.RUN_SWEEP_S)}
}


@worker_shutting_down.connect
def release_runs(**kwargs: Any) -> None:
    """A worker that is asked to stop lets its run save and go back into the queue, instead of waiting hours for it."""

    def release() -> None:
        try:
            runs.release_runs_of(jobs.worker_name(os.getpid()))
        finally:
            connection.close()

    # A thread of its own: this is called inside a signal handler, where a lock of the database driver may be held.
    threading.Thread(target=release, name="release-runs").start()
