"""What snapshots, pushes and runs share: a row is claimed once, written under its token, taken up again when one is gone.

queued ──claim (attempt + 1, new token)──▶ active ──finish──▶ done
   ▲─────────── heartbeat too old ───────────┘      after the last attempt: failed
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerError

from training_bridge.models import Push, Run, Snapshot

log = logging.getLogger(__name__)

Job = Snapshot | Push | Run
QUEUED = "queued"


class LostClaim(Exception):
    """This worker was given up for dead and another has taken over, or the job is finished: stop, and write nothing."""


class Claim:
    """The right to write one job: every write names the token; a write that changes no row means that the right is gone."""

    def __init__(self, job: Job):
        self.model: type[Job] = type(job)
        self.pk = job.pk
        self.token = job.fencing_token
        self.attempt = job.attempt
        self.is_lost = threading.Event()

    @property
    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.filter(
            pk=self.pk, fencing_token=self.token, status=self.model.ACTIVE
        )

    def write(self, **fields: Any) -> None:
        """Raises LostClaim if the claim is no longer ours."""
        if self.is_lost.is_set() or not self.rows.update(heartbeat_at=Now(), **fields):
            self.is_lost.set()
            raise LostClaim(str(self.pk))

    def release(self, **fields: Any) -> None:
        """Back into the queue, for this worker or another."""
        self.write(status=QUEUED, fencing_token=None, sent_at=None, **fields)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Shows a sign of life from a thread until the block ends; notices when the claim is lost."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(settings.RUN_HEARTBEAT_S):
                try:
                    self.write()
                except LostClaim:
                    return
                except (
                    Exception
                ):  # the database may be restarting; the sweep decides when we were silent for too long
                    log.warning("No heartbeat for %s", self.pk, exc_info=True)
                finally:
                    connection.close()

        thread = threading.Thread(target=beat, name=f"heartbeat-{self.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def worker_name(pid: int | None = None) -> str:
    """host:pid of the Celery worker, which is the parent of the process that runs a task."""
    return f"{socket.gethostname()}:{os.getppid() if pid is None else pid}"


def claim(model: type[Job], job_id: Any, *, ready: Q | None = None) -> Claim | None:
    """Take a queued job, counting the attempt before anything is done. None if somebody else has it or it is not ready."""
    token = uuid.uuid4()
    taken = model._default_manager.filter(
        ready or Q(), pk=job_id, status=QUEUED, attempt__lt=F("max_attempts")
    ).update(
        status=model.ACTIVE,
        attempt=F("attempt") + 1,
        fencing_token=token,
        worker=worker_name(),
        heartbeat_at=Now(),
        started_at=Now(),
        progress=None,
    )
    return Claim(model._default_manager.get(pk=job_id, fencing_token=token)) if taken else None


def wake_on_commit(task: Callable[[str], Any], job: Job) -> None:
    """Wake a worker once the row can be seen. If that is never sent, the sweep sends it again: the row is its own outbox."""
    job_id = str(job.pk)
    transaction.on_commit(lambda: wake(task, type(job), job_id), robust=True)


def wake(task: Callable[[str], Any], model: type[Job], job_id: str) -> None:
    model._default_manager.filter(pk=job_id, status=QUEUED).update(sent_at=Now())
    try:
        task(job_id)
    except BrokerError as error:
        log.warning(
            "The broker cannot be reached; %s %s stays queued and is sent again: %s",
            model.__name__,
            job_id,
            error,
        )


def resend_queued(model: type[Job], task: Callable[[str], Any], *, ready: Q | None = None) -> int:
    """Wake workers again for what is still queued: messages lost by the broker, or never sent."""
    due = Q(sent_at__isnull=True) | Q(sent_at__lt=Now() - timedelta(seconds=settings.RUN_RESEND_S))
    ids = list(
        model._default_manager.filter(ready or Q(), due, status=QUEUED)
        .order_by("created_at")
        .values_list("pk", flat=True)[:100]
    )
    for job_id in ids:
        wake(task, model, str(job_id))
    return len(ids)


def stale(model: type[Job]) -> QuerySet[Any]:
    """Jobs whose worker has not been heard of for too long, by the database's clock."""
    return model._default_manager.filter(
        status=model.ACTIVE, heartbeat_at__lt=Now() - timedelta(seconds=settings.RUN_STALE_S)
    )


def requeue_stale(model: type[Job], give_up: Callable[[Any], None]) -> int:
    """Queue silent jobs again; after the last attempt `give_up` fails them."""
    again = (
        stale(model)
        .filter(attempt__lt=F("max_attempts"))
        .update(
            status=QUEUED,
            fencing_token=None,
            sent_at=None,
            error=_("Its worker fell silent; it is taken up again."),
        )
    )
    given_up = 0
    for job_id in list(stale(model).values_list("pk", flat=True)[:100]):
        with transaction.atomic():
            job: Model | None = stale(model).select_for_update(skip_locked=True).filter(pk=job_id).first()
            if job is not None:
                give_up(job)
                given_up += 1
    return again + given_up
