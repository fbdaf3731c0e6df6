"""A person is erased: every snapshot that held their words loses its files at once and gets a successor without them.

The old row stays, says so and leads on; so do the runs and models that were trained on it. On the disk, the old one keeps
its manifest (counts and hashes, no words), so that its name can still be checked, and a note that names the successor.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.people.models import PersonErasure
from training_bridge.exports.files import sweep_scratch, sync_directory
from training_bridge.exports.snapshot import SUPERSEDED as NOTE
from training_bridge.exports.snapshot import note_of
from training_bridge.models import Run, Snapshot
from training_bridge.services import jobs, mirror

log = logging.getLogger(__name__)

LOCK = (0x5755 << 40) + 1


def on_person_erased(
    *,
    pseudonyms: Mapping[int, str],
    responses: Collection[int],
    decisions: Collection[int] = (),
    **kwargs: Any,
) -> list[Snapshot]:
    """Inside the transaction of the erasure: marks the snapshots that held the person and queues their successors."""
    campaigns = {*pseudonyms} | set(
        Campaign.objects.filter(prompts__responses__in=responses).values_list("pk", flat=True)
    )
    lock()
    successors: dict[str, Snapshot] = {}
    held = Snapshot.objects.select_for_update().filter(
        campaign__in=campaigns, status=Snapshot.Status.COMPLETE, erased_at=None
    )
    for snapshot in held.order_by("created_at"):
        if snapshot.sha256 in successors or _may_hold(
            snapshot, pseudonyms.get(snapshot.campaign_id, ""), responses, decisions
        ):
            _supersede(snapshot, successors)
    if successors:
        mirror.wake_on_commit()
    return list(successors.values())


def lock(*, shared: bool = False) -> None:
    """Until the end of the transaction: a snapshot is completed either before an erasure, which then finds it, or after, and
    then knows of it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(%s)", [LOCK])


def was_overtaken(snapshot: Snapshot) -> bool:
    """Whether somebody was erased since this build began; called under the shared lock."""
    return PersonErasure.objects.filter(created_at__gte=snapshot.started_at).exists()


def _supersede(snapshot: Snapshot, successors: dict[str, Snapshot]) -> None:
    """The same cut taken twice is one directory, and gets one successor."""
    from training_bridge.services.runs import end_run
    from training_bridge.services.snapshots import send_snapshot

    Snapshot.objects.filter(pk=snapshot.pk).update(erased_at=Now(), mirror_tried_at=None, mirror_error="")
    if snapshot.sha256 not in successors:
        successor = Snapshot.objects.create(
            campaign=snapshot.campaign,
            filters=(snapshot.manifest or {}).get("filters", snapshot.filters),
            supersedes=snapshot,
        )
        successors[snapshot.sha256] = successor
        jobs.wake_on_commit(send_snapshot, successor)
        path = snapshot.path
        transaction.on_commit(lambda: bury(path))
    for run in Run.objects.select_for_update().filter(snapshot=snapshot, status=Run.Status.QUEUED):
        end_run(
            run,
            Run.Status.FAILED,
            error=_("Its snapshot was superseded: a person who was in it was erased."),
            advice=_("Start it again on the successor."),
        )


def _may_hold(
    snapshot: Snapshot, pseudonym: str, responses: Collection[int], decisions: Collection[int]
) -> bool:
    """Whether the files hold the person; where they are on another host and their copy cannot be read, they are taken to."""
    try:
        with mirror.some_files(snapshot, "native/feedback.parquet", "native/responses.parquet") as directory:
            return _holds(directory / "native", snapshot, pseudonym, responses, decisions)
    except mirror.Unreachable as error:
        log.warning("Snapshot %s cannot be read, so it is superseded: %s", snapshot.short, error)
        return True


def _holds(
    native: Path,
    snapshot: Snapshot,
    pseudonym: str,
    responses: Collection[int],
    decisions: Collection[int],
) -> bool:
    """Whether the files have an answer by this pseudonym, one of these texts or an answer of one of these decisions; without
    files there is nothing to erase."""
    if pseudonym and (native / "feedback.parquet").is_file():
        column = pq.read_table(native / "feedback.parquet", columns=["labeler"])["labeler"]
        if pc.any(pc.equal(column, pseudonym)).as_py():
            return True
    if decisions and (snapshot.manifest or {}).get("filters", {}).get("settled"):
        column = pq.read_table(native / "feedback.parquet", columns=["adjudication"])["adjudication"]
        if not {*decisions}.isdisjoint(column.drop_null().to_pylist()):
            return True
    if responses and (native / "responses.parquet").is_file():
        ids = pq.read_table(native / "responses.parquet", columns=["id"])["id"].to_numpy()
        return bool({*responses} & set(ids.tolist()))
    return False


def bury(path: Path, successor: str | None = None) -> None:
    """Removes what a snapshot's directory holds but its manifest, and leaves a note. May be called any number of times."""
    if not path.is_dir():
        return
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in ("manifest.json", NOTE):
            entry.unlink()
    note = path / NOTE
    known = orjson.loads(note.read_bytes()).get("successor") if note.is_file() else None
    temporary = path / f".{NOTE}"
    temporary.write_bytes(orjson.dumps(note_of(successor or known)) + b"\n")
    temporary.replace(note)
    sync_directory(path)


def name_successor(successor: Snapshot) -> None:
    """Once the successor is built, the old directory says which one it is."""
    if successor.supersedes is not None:
        bury(successor.supersedes.path, successor.sha256)
        old = Snapshot.objects.filter(sha256=successor.supersedes.sha256)
        old.update(unmirrored_at=None, mirror_tried_at=None)
        mirror.wake_on_commit()


def discard(path: Path) -> None:
    """Removes the directory of a build that an erasure overtook, unless it is a snapshot that is complete by another."""
    if not Snapshot.objects.filter(sha256=path.name, status=Snapshot.Status.COMPLETE).exists():
        shutil.rmtree(path, ignore_errors=True)


def bury_erased() -> int:
    """Takes up what a process that died left: files of snapshots that are erased. How many directories."""
    done = 0
    sweep_scratch(settings.SNAPSHOT_DIR)
    for snapshot in Snapshot.objects.exclude(erased_at=None).order_by("erased_at"):
        if (snapshot.path / "native").is_dir():
            successor = snapshot.successor
            bury(snapshot.path, successor.sha256 or None if successor else None)
            done += 1
    return done
