"""A file comes in: uploaded, looked at with a mapping, then read by a worker; all of its rows become items in one step.

job = upload(actor=admin, campaign=campaign, stream=file, file_name="answers.csv")
seen = preview(job, job_mapping(job))                  # columns, problems, the first items
start(actor=admin, job=job, mapping={"prompt": "question", "responses": ["a", "b"]})
run(job.pk)                                            # a worker (annotation/tasks.py) or the command import_items

`reached` and the waiting rows are committed together, batch by batch, so whoever runs next goes on where one was killed. One
worker at a time: a lock of the database that goes with its connection.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid, TooLarge
from annotation.items import archive, mapping, readers
from annotation.items.jsonl import ParsedItem, RowError, parse_row
from annotation.items.models import Import
from annotation.items.readers import Reader, Row, Source
from annotation.items.services import arity_of, empty_file, questions_of
from annotation.items.staging import refuse_if_closed
from annotation.items.unpacking import CHUNK, Readable
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from feedback_types.base import Question

MAX_UPLOAD_BYTES = 4 * 1024**3
MAX_WAITING = 20  # uploads of a campaign that nobody has started
SAMPLE_ROWS = 200  # to tell columns and guess what is what
CHECKED_ROWS = 1_000  # of a preview
SHOWN_ITEMS, SHOWN_PROBLEMS = 3, 20
NAME = 300


@dataclass(frozen=True)
class Sample:
    """The first rows of a file. `columns` maps names to up to three values, shortened."""

    columns: dict[str, list[str]]
    rows: list[Row]
    unit: str
    total_rows: int | None
    notes: list[str]
    is_header_known: bool

    @property
    def values(self) -> list[dict[str, Any]]:
        return [row.values for row in self.rows if row.values is not None]


@dataclass(frozen=True)
class Preview:
    """What an import would make of the first rows."""

    items: list[ParsedItem]
    problems: list[dict[str, Any]]
    checked: int
    wrong: int
    ignored: dict[str, int] = field(default_factory=dict)


def upload(*, actor: User | None, campaign: Campaign, stream: Readable, file_name: str) -> Import:
    """Keeps the file, says what it is and guesses its mapping; nothing is imported yet.

    Raises Invalid for a file that is none of the formats or broken from the start, TooLarge beyond the limits, Conflict for
    a closed campaign. Nothing stays of a file that is refused.
    """
    refuse_if_closed(campaign)
    if Import.objects.filter(campaign=campaign, status=Import.Status.UPLOADED).count() >= MAX_WAITING:
        raise Conflict(
            _("%(n)d files wait to be started; start or cancel one first.") % {"n": MAX_WAITING},
            code="too_many_uploads",
        )
    home = settings.IMPORT_DIR / uuid.uuid4().hex  # the name it came with is only ever shown
    home.mkdir(parents=True)
    try:
        size = _keep(stream, home / "file")
        with transaction.atomic():
            job = register(
                actor=actor, campaign=campaign, path=_unpacked(home), file_name=file_name, size=size
            )
            record_audit(
                actor=actor,
                campaign=campaign,
                action="import.upload",
                target=f"import:{job.pk}",
                after={"file": job.file_name, "format": job.format, "size": size},
            )
        return job
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def register(
    *, actor: User | None, campaign: Campaign, path: Path, file_name: str, size: int | None = None
) -> Import:
    """An import of a file or saved data set that is on this machine's disk already."""
    refuse_if_closed(campaign)
    reader = readers.recognise(path)
    job = Import(
        campaign=campaign,
        file_name="".join(c if c.isprintable() else "�" for c in str(file_name))[:NAME],
        size=size if size is not None else _size(path),
        path=str(path.relative_to(settings.IMPORT_DIR)) if settings.IMPORT_DIR in path.parents else str(path),
        format=reader.slug,
        options=reader.defaults(path),
        created_by=actor,
    )
    found = sample(job)
    if not found.rows:
        raise empty_file()
    job.mapping = mapping.guess(list(found.columns), found.values).dump()
    job.save()
    return job


@in_transaction
def start(
    *,
    actor: User | None,
    job: Import,
    mapping: Any = None,
    update: bool = False,
    wakes: bool = True,
) -> Import:
    """Asks a worker to import the file. One that was refused may be started again, with another mapping.

    Args: wakes: False for whoever runs it in their own process.
    Raises Invalid naming a column that the file does not have; Conflict when it runs or has run.
    """
    refuse_if_closed(job.campaign)
    locked = Import.objects.select_for_update().get(pk=job.pk)
    if locked.status not in (Import.Status.UPLOADED, Import.Status.FAILED):
        raise Conflict(_("This file is being imported, or was."), code="import_started")
    found = sample(locked)
    chosen = read_mapping(locked.mapping if mapping is None else mapping, found)
    fresh = Import(pk=locked.pk)
    for name in ("reached", "rows", "staged", "share", "published", "ignored", "errors", "errors_total",
                 "only_duplicates", "errors_bytes", "attempt", "message", "code", "sent_at", "started_at",
                 "publishing_at", "ended_at"):  # fmt: skip
        setattr(locked, name, getattr(fresh, name))
    locked.status, locked.mapping, locked.update = Import.Status.QUEUED, chosen.dump(), update
    locked.language = get_language() or ""
    locked.save()
    record_audit(
        actor=actor,
        campaign=job.campaign,
        action="import.start",
        target=f"import:{job.pk}",
        after={
            "file": locked.file_name,
            "format": locked.format,
            "mapping": locked.mapping,
            "update": update,
        },
    )
    if wakes:
        transaction.on_commit(lambda: wake(locked.pk))
    return locked


def change_options(*, job: Import, options: Pairs[str, Any]) -> Import:
    """Reads a file that waits in another way (a CSV's delimiter), and guesses its mapping anew. Raises as its reader."""
    job.options = clean_options(job, options)
    found = sample(job)
    job.mapping = mapping.guess(list(found.columns), found.values).dump()
    Import.objects.filter(pk=job.pk, status__in=(Import.Status.UPLOADED, Import.Status.FAILED)).update(
        options=job.options, mapping=job.mapping
    )
    return job


@in_transaction
def cancel(*, actor: User, job: Import) -> Import:
    """Stops an import that is not complete: nothing of it will be there. Its worker notices at the next batch."""
    over = (Import.Status.COMPLETE, Import.Status.CANCELLED)
    if (
        Import.objects.filter(pk=job.pk)
        .exclude(status__in=over)
        .update(status=Import.Status.CANCELLED, ended_at=Now())
    ):
        record_audit(
            actor=actor,
            campaign=job.campaign,
            action="import.cancel",
            target=f"import:{job.pk}",
            after={"file": job.file_name},
        )
    job.refresh_from_db()
    return job


def wake(job_id: int) -> None:
    """Tells a worker. If that is lost, the sweep tells one again."""
    from annotation.tasks import run_import  # the tasks import this module

    Import.objects.filter(pk=job_id).update(sent_at=Now())
    try:
        run_import.delay(job_id)
    except run_import.OperationalError:
        pass  # the broker is away: the row is sent again


# --- Looking at a file -----------------------------------------------------------------------------------------------


def place_of(job: Import) -> Path:
    return settings.IMPORT_DIR / job.path  # an absolute path stays what it is


def open_source(job: Import) -> tuple[Reader, Source]:
    """Raises Conflict `file_gone` when the file is not on this machine."""
    path = place_of(job)
    if not job.path or not path.exists():
        raise Conflict(
            _("The uploaded file is not there any more (web and workers must share the data directory)."),
            code="file_gone",
        )
    reader = readers.get(job.format)
    return reader, reader.open(path, job.options)


def sample(job: Import) -> Sample:
    """The first rows with the columns that they have. Raises as the format's reader does."""
    reader, source = open_source(job)
    try:
        rows: list[Row] = []
        for row in source.rows():
            rows.append(row)
            if len(rows) >= SAMPLE_ROWS:
                break
        columns: dict[str, list[str]] = {name: [] for name in source.columns or ()}
        for row in rows:
            for name, value in (row.values or {}).items():
                shown = columns.setdefault(name, [])
                if len(shown) < 3 and value not in (None, "", []):
                    shown.append(short(value))
        return Sample(
            columns,
            rows,
            source.unit,
            source.total_rows,
            reader.notes(list(columns)),
            source.columns is not None,
        )
    finally:
        source.close()


def read_mapping(given: Any, found: Sample) -> mapping.Mapping:
    """Raises Invalid naming the field; columns are checked where the file itself names them."""
    return mapping.read(given, list(found.columns) if found.is_header_known else None)


def preview(job: Import, chosen: mapping.Mapping) -> Preview:
    """What would come of the first thousand rows: the first items, and what is wrong."""
    _reader, source = open_source(job)
    limits, questions = arity_of(job.campaign), questions_of(job.campaign)
    items: list[ParsedItem] = []
    problems: list[dict[str, Any]] = []
    checked = wrong = 0
    try:
        for row in source.rows():
            checked += 1
            try:
                parsed = parsed_row(row, chosen, limits, job.campaign.skills, questions)
                if len(items) < SHOWN_ITEMS:
                    items.append(parsed)
            except RowError as error:
                wrong += 1
                if len(problems) < SHOWN_PROBLEMS:
                    problems.append(
                        {"line": row.number, "field": error.field, "rule": error.rule, "remedy": error.remedy}
                    )
            if checked >= CHECKED_ROWS:
                break
    finally:
        source.close()
    return Preview(items, problems, checked, wrong, dict(source.ignored))


def parsed_row(
    row: Row,
    chosen: mapping.Mapping,
    limits: tuple[int, int] | None,
    skills: Collection[str],
    questions: Sequence[Question],
) -> ParsedItem:
    """One item of one row of any format. Raises RowError naming the column."""
    if row.error is not None or row.values is None:
        raise row.error or RowError("", _("not an object"), _("Write {…} for each row."))
    fields = chosen.fields(row.values)
    try:
        return parse_row(row.number, fields, limits, skills, questions)
    except RowError as error:
        raise chosen.named(error, row.values) from error


def clean_options(job: Import, given: Pairs[str, Any]) -> dict[str, Any]:
    known = readers.get(job.format).options
    if unknown := sorted(set(given) - set(known)):
        raise Invalid(
            _("Unknown option."),
            fields={
                unknown[0][:60]: [_("Unknown field; known: %(known)s.") % {"known": ", ".join(known) or "-"}]
            },
        )
    return {name: value for name, value in given.items() if value}


def short(value: Any, most: int = 120) -> str:
    """A value as a line to look at."""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, bytes) else _json(value)
    text = " ".join(text[: 4 * most].split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _keep(stream: Readable, target: Path) -> int:
    size = 0
    with target.open("xb") as file:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > MAX_UPLOAD_BYTES:
                message = _("The file is larger than %(n)d MB; split it.") % {
                    "n": MAX_UPLOAD_BYTES // 1024**2
                }
                raise TooLarge(message, fields={"file": [message]})
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size


def _unpacked(home: Path) -> Path:
    file = home / "file"
    if not archive.is_zip(file):
        return file
    found = archive.unpack(file, home / "unpacked")
    file.unlink()
    return found


def _size(path: Path) -> int:
    return (
        path.stat().st_size
        if path.is_file()
        else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    )
