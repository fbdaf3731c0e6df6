"""What is copied to the storage of copies, when, and back. The rows say what is still to be done, and nothing else does.

    complete, not erased, `mirrored_at` empty      to be copied, by a worker on a host that has the directory
    erased, `unmirrored_at` empty                  its copy is to be removed, by any worker

The sweep finds these rows again and again, so a storage that is down for an hour, or a worker that died, loses nothing. One
process at a time works on a hash: a copy never grows while it is removed.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerError

from annotation.project.artifacts import Missing, Unavailable
from training_bridge import artifacts
from training_bridge.artifacts import CHECKPOINTS, SNAPSHOTS
from training_bridge.exports.snapshot import SUPERSEDED, note_of
from training_bridge.models import Checkpoint, Snapshot

log = logging.getLogger(__name__)

LOCK = 0x5756 << 48
LONGEST_S = 1800  # after which a task ends and leaves the rest to the next one
KINDS = (SNAPSHOTS, CHECKPOINTS)

Say = Callable[[str], None]


class Unreachable(Exception):
    """What is wanted is not on this disk and cannot be had from the storage; says why."""


class _Overtaken(Exception):
    """The snapshot was erased while it was copied."""


def rows_of(kind: str) -> QuerySet[Any]:
    """What should have a copy: complete snapshots that hold nobody who was erased; checkpoints that are stored under their
    hash, not those of a hub or in a directory of the operator's."""
    if kind == SNAPSHOTS:
        return Snapshot.objects.filter(status=Snapshot.Status.COMPLETE, erased_at=None).defer("manifest")
    return Checkpoint.objects.exclude(sha256="").filter(path__endswith=F("sha256"))


def to_copy(kind: str) -> QuerySet[Any]:
    due = rows_of(kind).filter(mirrored_at=None)
    return due.order_by(F("mirror_tried_at").asc(nulls_first=True), "created_at")


def copied(kind: str) -> list[str]:
    """Hashes of what has a whole copy."""
    rows = rows_of(kind).exclude(mirrored_at=None)
    return list(rows.values_list("sha256", flat=True).distinct().order_by("sha256"))


def to_remove() -> QuerySet[Snapshot]:
    due = Snapshot.objects.filter(unmirrored_at=None).exclude(erased_at=None)
    return due.defer("manifest").order_by(F("mirror_tried_at").asc(nulls_first=True), "erased_at")


def _rested() -> Q:
    """Not tried a moment ago."""
    waited = Now() - timedelta(seconds=settings.RUN_RESEND_S)
    return Q(mirror_tried_at=None) | Q(mirror_tried_at__lt=waited)


def is_due() -> bool:
    """Whether the sweep should wake a worker."""
    if not artifacts.is_configured():
        return False
    found = (to_remove(), *(to_copy(kind) for kind in KINDS))
    return any(rows.filter(_rested()).exists() for rows in found)


def mirror_due(*, now: bool = False, say: Say = lambda text: None) -> int:
    """Removes and copies what is due, removals first, until the storage fails. Returns how many rows were left undone.

    Args: now: also what was tried a moment ago.
    """
    if not artifacts.is_configured():
        return 0
    ready, until, left = Q() if now else _rested(), time.monotonic() + LONGEST_S, 0
    work = [("", to_remove()), *((kind, to_copy(kind)) for kind in KINDS)]
    seen: set[str] = set()
    for kind, rows in work:
        for row in rows.filter(ready):
            if row.sha256 in seen:
                continue
            seen.add(row.sha256)
            try:
                is_done = _remove(row, say) if not kind else _copy(row, kind, say)
            except Unavailable:
                return left + 1  # the others would have to wait for the same
            left += not is_done
            if time.monotonic() > until and not now:
                return left
    return left


def _copy(row: Any, kind: str, say: Say, again: Collection[str] = ()) -> bool:
    """Copies one directory, if it is on this disk and nobody else is at it. Raises Unavailable, recorded."""
    directory = Path(row.path)
    name = f"{kind}/{row.sha256}"
    if not _is_here(row, kind):
        say(f"{name}: not on this host")
        return False
    with _alone(row.sha256) as is_mine:
        if not is_mine:
            return False
        rows = rows_of(kind).filter(sha256=row.sha256)
        if again:
            rows.update(mirrored_at=None)  # nobody fetches it until it is whole
        elif not rows.filter(mirrored_at=None).exists():
            return True  # somebody else was quicker
        rows.update(mirror_tried_at=Now())

        def tell(file: str, done: int, total: int) -> None:
            if not rows.exists():
                raise _Overtaken
            say(f"{name}: {file}, {done / 1e6:,.1f} of {total / 1e6:,.1f} MB")

        try:
            sent = artifacts.copy(directory, kind, row.sha256, again=again, tell=tell)
        except _Overtaken:
            return True
        except (artifacts.Damaged, Unavailable, OSError) as error:
            _failed(rows, f"{name} is not copied", error)
            if isinstance(error, Unavailable):
                raise
            return False
        rows.update(mirrored_at=Now(), mirror_error="")
        say(f"{name}: copied, {sent / 1e6:,.1f} MB sent")
        log.info("%s is copied to %s.", name, settings.ARTIFACT_PLACE)
        return True


def _is_here(row: Any, kind: str) -> bool:
    return (Path(row.path) / "manifest.json" if kind == SNAPSHOTS else Path(row.path)).exists()


def mend(kind: str, sha256: str, damaged: Collection[str], say: Say = lambda text: None) -> bool:
    """Sends the damaged files of a copy again and removes what does not belong to it. False where this disk cannot help.

    Raises Unavailable, recorded.
    """
    rows = rows_of(kind).filter(sha256=sha256)
    row = next((row for row in rows if _is_here(row, kind)), None)
    if row is None:
        say(f"{kind}/{sha256}: not on this host")
        return False
    if not _copy(row, kind, say, again=damaged):
        return False
    artifacts.remove_foreign(kind, sha256)
    return True


def _remove(row: Snapshot, say: Say) -> bool:
    """Removes the copy of an erased snapshot, if nobody is at it. Raises Unavailable, recorded."""
    name = f"{SNAPSHOTS}/{row.sha256}"
    with _alone(row.sha256) as is_mine:
        if not is_mine:
            return False
        rows = Snapshot.objects.filter(sha256=row.sha256).exclude(erased_at=None)
        rows.update(mirror_tried_at=Now())
        named = _successor_of(row)
        try:
            gone = artifacts.supersede(row.sha256, note_of(named))
        except Unavailable as error:
            _failed(rows, f"the copy of {name} is not removed", error)
            raise
        rows.update(unmirrored_at=Now(), mirror_error="")
        if _successor_of(row) != named:  # it was completed meanwhile: the note is written again
            rows.update(unmirrored_at=None, mirror_tried_at=None)
        say(f"{name}: superseded, {gone} files of its copy removed")
        log.info("The copy of %s at %s is removed: %s files.", name, settings.ARTIFACT_PLACE, gone)
        return True


def _successor_of(row: Snapshot) -> str | None:
    successor = row.successor
    return (successor.sha256 or None) if successor else None


def _failed(rows: QuerySet[Any], what: str, error: Exception) -> None:
    log.warning("At %s, %s yet: %s", settings.ARTIFACT_PLACE, what, error)
    rows.update(mirror_error=str(error)[:2000])


@contextmanager
def _alone(sha256: str) -> Iterator[bool]:
    """Whether this process is the only one to work on a hash. The lock goes with the connection, so no crash keeps it."""
    key = LOCK | int(sha256[:12], 16)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        is_mine = cursor.fetchone()[0]
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def recheck(say: Say = lambda text: None) -> int:
    """Has copied again what is no longer whole there, by names and sizes, and removed what should be gone; how many."""
    again = 0
    for kind in KINDS:
        for sha256 in copied(kind):
            try:
                whole = artifacts.is_whole(kind, sha256)
            except (Missing, artifacts.Altered):
                whole = False
            if not whole:
                say(f"{kind}/{sha256}: no longer whole there")
                rows_of(kind).filter(sha256=sha256).update(mirrored_at=None)
                again += 1
    for snapshot in Snapshot.objects.exclude(erased_at=None).exclude(unmirrored_at=None):
        if left_of_erased(snapshot.sha256):
            Snapshot.objects.filter(sha256=snapshot.sha256).update(unmirrored_at=None)
            again += 1
    return again


def left_of_erased(sha256: str) -> list[str]:
    """Files of the copy of an erased snapshot that should be gone."""
    return sorted({*artifacts.storage().sizes(f"{SNAPSHOTS}/{sha256}")} - {"manifest.json", SUPERSEDED})


# --- Back on this disk -----------------------------------------------------------------------------------------------


def bring_snapshot(snapshot: Snapshot) -> None:
    """Fetches the files of a snapshot that are not on this disk but in the storage. Raises Unreachable."""
    if (snapshot.path / "manifest.json").is_file() or not is_copied(snapshot):
        return
    _fetch(SNAPSHOTS, snapshot.sha256, settings.SNAPSHOT_DIR)
    if Snapshot.objects.filter(pk=snapshot.pk).exclude(erased_at=None).exists():
        from training_bridge.services.erasure import bury

        bury(snapshot.path)
        raise Unreachable(_("A person who was in this snapshot was erased meanwhile."))


def bring_checkpoint(checkpoint: Checkpoint) -> None:
    """The same for a checkpoint."""
    directory = Path(checkpoint.path)
    if not directory.is_dir() and is_copied(checkpoint):
        _fetch(CHECKPOINTS, checkpoint.sha256, directory.parent)


def is_copied(row: Snapshot | Checkpoint) -> bool:
    """Whether there is a whole copy to fetch, as far as the database knows."""
    is_erased = isinstance(row, Snapshot) and row.erased_at is not None
    return artifacts.is_configured() and row.mirrored_at is not None and not is_erased


def _fetch(kind: str, sha256: str, root: Path) -> None:
    try:
        artifacts.fetch(kind, sha256, root)
    except (Unavailable, artifacts.Altered, OSError) as error:
        log.warning("%s/%s cannot be fetched from %s: %s", kind, sha256, settings.ARTIFACT_PLACE, error)
        raise Unreachable(
            _("It is not on this host, and its copy could not be fetched: %(error)s") % {"error": error}
        ) from error
    log.info("%s/%s was fetched from %s.", kind, sha256, settings.ARTIFACT_PLACE)


@contextmanager
def some_files(snapshot: Snapshot, *names: str) -> Iterator[Path]:
    """A directory with these files of a snapshot: its own, or a passing one with its copy's. Raises Unreachable."""
    if (snapshot.path / "manifest.json").is_file() or not artifacts.is_configured():
        yield snapshot.path
        return
    files = (snapshot.manifest or {}).get("files", {})
    settings.SNAPSHOT_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=settings.SNAPSHOT_DIR) as directory:
        try:
            for name in names:
                if name in files:
                    target = Path(directory) / name
                    artifacts.fetch_file(SNAPSHOTS, snapshot.sha256, name, files[name], target)
        except (Unavailable, artifacts.Altered, OSError) as error:
            raise Unreachable(str(error)) from error
        yield Path(directory)


# --- Waking a worker -------------------------------------------------------------------------------------------------


def wake_on_commit() -> None:
    """Has a worker look as soon as the rows can be seen. Where that is never sent, the sweep does it."""
    if artifacts.is_configured():
        transaction.on_commit(wake, robust=True)


def wake() -> None:
    from training_bridge import tasks

    try:
        tasks.mirror_artifacts.delay()
    except BrokerError as error:
        log.warning("The broker cannot be reached; copies wait for the sweep: %s", error)


def resend_mirror() -> None:
    if is_due():
        wake()
