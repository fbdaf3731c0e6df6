"""Taking a snapshot: a row first, the files by a worker."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import Invalid
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from training_bridge.exports import snapshot as builder
from training_bridge.exports.filters import Filters
from training_bridge.models import Run, Snapshot
from training_bridge.selectors import pseudonyms_of, reviewers_of
from training_bridge.services import jobs, mirror
from training_bridge.services.erasure import discard, lock, name_successor, was_overtaken

log = logging.getLogger(__name__)


@in_transaction
def take_snapshot(
    *,
    campaign: Campaign,
    actor: User | None,
    filters: Filters | dict[str, Any] | None = None,
    is_own_act: bool = True,
) -> Snapshot:
    """Queue a snapshot of what the campaign's labelers have said until now. Raises Invalid naming the filter.

    Args: is_own_act: False where it is a part of another act, whose row in the history names it.
    """
    chosen = Filters.read(filters).model_copy(
        update={"data_license": campaign.data_license, "legal_basis": campaign.legal_basis}
    )
    _check_labelers(campaign, chosen)
    if chosen.submitted_until is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            chosen = chosen.until(cursor.fetchone()[0])
    snapshot = Snapshot.objects.create(campaign=campaign, filters=chosen.dump(), created_by=actor)
    if is_own_act:
        record_audit(
            actor=actor,
            campaign=campaign,
            action="snapshot.take",
            target=f"snapshot {snapshot.pk}",
            after=snapshot.filters,
        )
    jobs.wake_on_commit(send_snapshot, snapshot)
    return snapshot


def _check_labelers(campaign: Campaign, filters: Filters) -> None:
    """Raises Invalid for a pseudonym that is nobody's here: a typing error would silently choose somebody else or nobody."""
    if not (filters.labelers or filters.labelers_excluded):
        return
    known = {*pseudonyms_of(campaign), *(reviewers_of(campaign) if filters.settled else ())}
    fields = {
        name: [_("There is no labeler %(name)s in this campaign.") % {"name": unknown[0]}]
        for name in ("labelers", "labelers_excluded")
        if (unknown := sorted({*getattr(filters, name)} - known))
    }
    if fields:
        raise Invalid(_("These filters cannot be used."), fields=fields)


def build_snapshot(snapshot_id: str) -> None:
    """Build a queued snapshot, if nobody else does. Called by a worker; may be called any number of times."""
    claim = jobs.claim(Snapshot, snapshot_id)
    if claim is None:
        return
    snapshot = Snapshot.objects.select_related("campaign", "supersedes").get(pk=snapshot_id)
    progress = _Progress(claim)
    try:
        with claim.beating():
            built = builder.build(
                campaign_id=snapshot.campaign_id,
                slug=snapshot.campaign.slug,
                filters=Filters.read(snapshot.filters),
                root=settings.SNAPSHOT_DIR,
                progress=progress,
                supersedes=snapshot.supersedes.sha256 if snapshot.supersedes else "",
            )
        with transaction.atomic():
            lock(shared=True)
            if was_overtaken(snapshot):
                discard(built.path)
                claim.release(
                    attempt=F("attempt") - 1, error=_("A person was erased meanwhile; it is built again.")
                )
                return
            claim.write(
                status=Snapshot.Status.COMPLETE,
                sha256=built.sha256,
                manifest=built.manifest,
                progress=None,
                error="",
                advice="",
                completed_at=Now(),
            )
            emit("snapshot.taken", snapshot.campaign_id, snapshot=snapshot.pk, sha256=built.sha256)
            _wake_waiting_runs(snapshot_id)
            mirror.wake_on_commit()
        snapshot.sha256 = built.sha256
        name_successor(snapshot)
    except jobs.LostClaim:
        log.warning("Snapshot %s was taken over by another worker; this one wrote nothing more.", snapshot_id)
    except builder.NoSpace as error:
        _fail(claim, str(error.strerror), _("Free some space where snapshots are kept, then take it again."))
    except OperationalError as error:
        if claim.attempt < snapshot.max_attempts:
            log.warning("Snapshot %s is queued again: %s", snapshot_id, error)
            claim.release(error=_("The database went away meanwhile; it is built again."))
        else:
            _fail(claim, str(error), _("Take it again when the database is well."))
    except Exception as error:
        log.exception("Snapshot %s failed", snapshot_id)
        _fail(
            claim,
            f"{type(error).__name__}: {error}",
            _("This is a fault of the program; its log has the details."),
        )


class _Progress:
    """Writes how far the build is, at most once a second."""

    def __init__(self, claim: jobs.Claim):
        self.claim, self.last = claim, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.claim.is_lost.is_set():
            raise jobs.LostClaim(str(self.claim.pk))
        now = time.monotonic()
        if now - self.last >= 1 or done == total:
            self.last = now
            self.claim.write(progress={"stage": stage, "step": done, "steps": total})


def _fail(claim: jobs.Claim, error: str, advice: str) -> None:
    try:
        with transaction.atomic():
            claim.write(status=Snapshot.Status.FAILED, error=error, advice=advice, progress=None)
            _fail_waiting_runs(claim.pk)
    except jobs.LostClaim:
        log.warning("Snapshot %s was taken over; its failure here is not recorded: %s", claim.pk, error)


def _give_up(snapshot: Snapshot) -> None:
    snapshot.status = Snapshot.Status.FAILED
    snapshot.error = _("Its worker died %(n)d times.") % {"n": snapshot.attempt}
    snapshot.advice = _("Look at the worker's log (out of memory?), then take it again.")
    snapshot.save(update_fields=["status", "error", "advice"])
    _fail_waiting_runs(snapshot.pk)


def _wake_waiting_runs(snapshot_id: Any) -> None:
    from training_bridge.services.runs import send_run

    for run in Run.objects.filter(snapshot_id=snapshot_id, status=Run.Status.QUEUED):
        jobs.wake_on_commit(send_run, run)


def _fail_waiting_runs(snapshot_id: Any) -> None:
    from training_bridge.services.runs import end_run

    for run in Run.objects.select_for_update().filter(snapshot_id=snapshot_id, status=Run.Status.QUEUED):
        end_run(
            run,
            Run.Status.FAILED,
            error=_("Its snapshot could not be built."),
            advice=_("See the snapshot's page."),
        )


def resend_snapshots() -> int:
    return jobs.resend_queued(Snapshot, send_snapshot)


def requeue_stale_snapshots() -> int:
    return jobs.requeue_stale(Snapshot, _give_up)


def send_snapshot(snapshot_id: str) -> None:
    from training_bridge import tasks

    tasks.build_snapshot.delay(snapshot_id)
