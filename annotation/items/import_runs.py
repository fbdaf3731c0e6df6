"""What a worker does with an import: reads it into the stage batch by batch, then makes items of all rows in one step."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import override

from annotation.errors import Refused
from annotation.items import mapping
from annotation.items.imports import open_source, parsed_row, wake
from annotation.items.jsonl import Errors, ParsedItem, RowError
from annotation.items.models import Import, StagedRow
from annotation.items.services import arity_of, empty_file, note_import, questions_of
from annotation.items.staging import Lost, Stage, refuse_if_wrong
from annotation.locks import Work, held

log = logging.getLogger(__name__)

BATCH = 5_000
MAX_ATTEMPTS = 5
KEPT_ERRORS = 100_000  # in the file with all errors; the count goes on
KEPT_DAYS = 7  # of a file that waits, or was refused
REPORT_S = 1.0
Told = Callable[[Import], None]


class _Stopped(Exception):
    """Somebody cancelled it."""


def run(job_id: int, *, told: Told | None = None) -> Import | None:
    """Imports a queued file, or goes on with one whose worker was killed. May be called any number of times.

    None if another worker has it or there is nothing to do. Args: told: called after each batch.
    """
    with held(Work.IMPORT, job_id) as is_mine:
        if not is_mine:
            return None
        # The attempt is counted before anything is done: a file that kills its worker ends after a few of them.
        claimed = Import.objects.filter(pk=job_id, status__in=(Import.Status.QUEUED, Import.Status.RUNNING))
        if not claimed.update(status=Import.Status.RUNNING, attempt=F("attempt") + 1, started_at=Now()):
            return None
        job = Import.objects.select_related("campaign__protocol", "created_by").get(pk=job_id)
        stage = Stage(job.campaign, job.pk)
        try:
            with override(job.language or settings.LANGUAGE_CODE):
                _attempt(job, stage, told)
        except _Stopped:
            log.info("Import %s was cancelled", job_id)
        if not Import.objects.filter(pk=job_id, status=Import.Status.RUNNING).exists():
            stage.discard()
        return Import.objects.select_related("campaign").get(pk=job_id)


def _attempt(job: Import, stage: Stage, told: Told | None) -> None:
    try:
        if job.attempt > MAX_ATTEMPTS:
            died = _("Its worker died %(n)d times; look at its log.") % {"n": MAX_ATTEMPTS}
            _fail(job, died, "worker_died")
        else:
            _import(job, stage, told)
    except Refused as refused:
        _fail(job, refused.message, refused.code, refused)


def _import(job: Import, stage: Stage, told: Told | None) -> None:
    if job.staged and stage.count() != job.staged:
        _forget(job)
    _read(job, stage, told)
    try:
        _publish(job, stage)
    except Lost:
        _forget(job)
        stage.discard()
        _read(job, stage, told)
        _publish(job, stage)


def _read(job: Import, stage: Stage, told: Told | None) -> None:
    """Every row from `reached` on into the stage. Raises Refused where the file ends to be readable; _Stopped."""
    if job.staged == 0:
        stage.discard()
    chosen, limits = mapping.read(job.mapping), arity_of(job.campaign)
    questions = questions_of(job.campaign)
    errors = Errors(list(job.errors), job.errors_total, job.only_duplicates)
    _reader, source = open_source(job)
    try:
        with _ErrorFile(job) as file:
            batch: list[ParsedItem] = []
            fresh = 0

            def keep() -> None:
                nonlocal batch, fresh
                job.errors_bytes = file.sync()
                _keep(job, stage, batch, fresh, errors, source.share_read(), dict(source.ignored))
                batch, fresh = [], 0
                if told:
                    told(job)

            number = job.reached
            for row in source.rows(after=job.reached):
                fresh, number = fresh + 1, row.number
                try:
                    batch.append(parsed_row(row, chosen, limits, job.campaign.skills, questions))
                except RowError as error:
                    errors.add(row.number, error.field, error.rule, error.remedy)
                    file.add(row.number, error)
                if fresh >= BATCH:
                    job.reached = number
                    keep()
            job.reached = number
            keep()
    finally:
        source.close()
    if job.rows == 0:
        raise empty_file()


def _keep(
    job: Import,
    stage: Stage,
    batch: list[ParsedItem],
    fresh: int,
    errors: Errors,
    share: float,
    ignored: dict[str, int],
) -> None:
    """A batch and how far the reading is, together or not at all."""
    with transaction.atomic():
        stage.add(batch)
        job.rows, job.staged, job.share = job.rows + fresh, job.staged + len(batch), min(1.0, share)
        job.errors, job.errors_total, job.only_duplicates = errors.shown, errors.total, errors.only_duplicates
        total = {name: job.ignored.get(name, 0) + n for name, n in ignored.items()}
        row = Import.objects.filter(pk=job.pk, status=Import.Status.RUNNING)
        if not row.update(
            reached=job.reached, rows=job.rows, staged=job.staged, share=job.share, errors=job.errors,
            errors_total=job.errors_total, only_duplicates=job.only_duplicates, errors_bytes=job.errors_bytes,
            ignored=total,
        ):  # fmt: skip
            raise _Stopped


def _publish(job: Import, stage: Stage) -> None:
    """All rows become items, and the import complete, in one transaction. Raises Refused; _Stopped; Lost."""
    errors = Errors(list(job.errors), job.errors_total, job.only_duplicates)
    stage.analyze()
    Import.objects.filter(pk=job.pk).update(publishing_at=Now(), published=0, share=1)
    _reader, source = open_source(job)
    source.close()
    if errors.total and not errors.only_duplicates and job.staged == 0:
        refuse_if_wrong(errors, job.rows, source.unit)
    with _Reporter(job.pk) as reporter, transaction.atomic():
        done = stage.finish(
            errors,
            update=job.update,
            expected=job.staged,
            rows=job.rows,
            unit=source.unit,
            told=reporter.tell,
        )
        note_import(job.created_by, job.campaign, done)
        row = Import.objects.filter(pk=job.pk, status=Import.Status.RUNNING)
        if not row.update(
            status=Import.Status.COMPLETE, result=asdict(done), published=done.items, ended_at=Now()
        ):
            raise _Stopped
    _remove_files(job)


def _fail(job: Import, message: str, code: str, refused: Refused | None = None) -> None:
    found = refused.extra if refused is not None else {}
    Import.objects.filter(pk=job.pk, status=Import.Status.RUNNING).update(
        status=Import.Status.FAILED,
        message=message,
        code=code,
        errors=found.get("errors", job.errors),
        errors_total=found.get("total", job.errors_total),
        ended_at=Now(),
    )


def _forget(job: Import) -> None:
    """The rows that waited are gone: from the beginning again."""
    log.warning("Import %s is read again: the database lost the rows that waited", job.pk)
    job.reached = job.rows = job.staged = job.errors_total = job.errors_bytes = 0
    job.errors, job.ignored, job.only_duplicates = [], {}, True


class _ErrorFile:
    """Every error as a line of JSON, for whoever has to mend the file; goes on where the last commit was."""

    def __init__(self, job: Import) -> None:
        self.path = errors_path(job)
        self.kept = job.errors_bytes
        self.full = job.errors_total >= KEPT_ERRORS

    def __enter__(self) -> _ErrorFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("ab")
        self.file.truncate(self.kept)
        self.n = 0
        return self

    def add(self, number: int, error: RowError) -> None:
        self.n += 1
        if not self.full and self.n <= KEPT_ERRORS:
            line = {"line": number, "field": error.field, "rule": error.rule, "remedy": error.remedy}
            self.file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def sync(self) -> int:
        self.file.flush()
        return self.file.tell()

    def __exit__(self, *_exception: Any) -> None:
        self.file.close()


class _Reporter:
    """Tells how many rows have become items while the transaction that does it is under way, on a connection of its own."""

    def __init__(self, job_id: int) -> None:
        self.job_id, self.n, self.over = job_id, 0, threading.Event()
        self.thread = threading.Thread(target=self._report, name=f"import-{job_id}", daemon=True)

    def tell(self, n: int) -> None:
        self.n = n

    def _report(self) -> None:
        said = 0
        try:
            while not self.over.wait(REPORT_S):
                if self.n != said:
                    said = self.n
                    Import.objects.filter(pk=self.job_id, status=Import.Status.RUNNING).update(published=said)
        finally:
            connection.close()

    def __enter__(self) -> _Reporter:
        self.thread.start()
        return self

    def __exit__(self, *_exception: Any) -> None:
        self.over.set()
        self.thread.join()


# --- Upkeep ----------------------------------------------------------------------------------------------------------


def wake_all() -> int:
    """Tells workers again of what is open and in nobody's hands; takes away what was left lying. How many were told."""
    n = 0
    for job_id in list(
        Import.objects.filter(status__in=(Import.Status.QUEUED, Import.Status.RUNNING)).values_list(
            "pk", flat=True
        )
    ):
        with held(Work.IMPORT, job_id) as is_free:
            pass
        if is_free:
            wake(job_id)
            n += 1
    _tidy()
    return n


def _tidy() -> None:
    """Files that nobody needs any more, and waiting rows of imports that are over."""
    old = Import.objects.filter(
        status__in=(Import.Status.UPLOADED, Import.Status.FAILED),
        created_at__lt=Now() - timedelta(days=KEPT_DAYS),
    )
    for job in old[:100]:
        Import.objects.filter(pk=job.pk, status=job.status).update(
            status=Import.Status.CANCELLED, ended_at=Now()
        )
    for job in Import.objects.filter(status=Import.Status.CANCELLED).exclude(path="")[:100]:
        with held(Work.IMPORT, job.pk) as is_free:
            if is_free:
                StagedRow.objects.filter(import_id=job.pk).delete()
                _remove_files(job)
                Import.objects.filter(pk=job.pk).update(path="")


def errors_path(job: Import) -> Path:
    return settings.IMPORT_DIR / "errors" / f"{job.pk}.jsonl"


def errors_of(job: Import) -> Iterator[bytes]:
    """Every error of its rows as a line of JSON; of those that only show among all rows (ids twice) the first hundred."""
    path = errors_path(job)
    if not job.errors_bytes or not path.is_file():
        yield from (json.dumps(error, ensure_ascii=False).encode() + b"\n" for error in job.errors)
        return
    with path.open("rb") as file:
        while chunk := file.read(1 << 16):
            yield chunk


def _remove_files(job: Import) -> None:
    """What was uploaded; a file that a command named stays where it is."""
    if job.path and not Path(job.path).is_absolute():
        shutil.rmtree(settings.IMPORT_DIR / Path(job.path).parts[0], ignore_errors=True)
    errors_path(job).unlink(missing_ok=True)
