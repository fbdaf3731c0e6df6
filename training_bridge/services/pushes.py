"""Putting a snapshot on a hub: a row first, the upload by a worker. The token is sealed in the row and gone when it is over.

    push = start_push(snapshot=taken, actor=rosa, repository="otters/feedback", token="hf_…", private=True)

`upload` is the same for the command, which reads its token from the environment and keeps none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.keys import seal, unseal
from annotation.errors import Conflict, Invalid, Refused
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from training_bridge import selectors
from training_bridge.exports.hub import REPOSITORY, NotPushed, Pushed, push
from training_bridge.exports.snapshot import faults
from training_bridge.models import Push, Snapshot
from training_bridge.services import jobs

log = logging.getLogger(__name__)

TOKEN = re.compile(r"[!-~]{1,512}")
LONGEST_WAIT = timedelta(days=1)


@in_transaction
def start_push(*, snapshot: Snapshot, actor: User, repository: Any, token: Any, private: Any = True) -> Push:
    """Queue the upload of a complete snapshot to the hub of this site, as a data set repository.

    Raises Invalid naming the field; Conflict while the snapshot is being built or is on its way there already; Gone when its
    files are.
    """
    fields: dict[str, list[str]] = {}
    if not isinstance(repository, str) or not REPOSITORY.fullmatch(repository):
        fields["repository"] = [_("Write owner/name, of letters, digits, dots, dashes and underscores.")]
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        fields["token"] = [_("Enter a token of the hub that may write there, without spaces.")]
    if not isinstance(private, bool):
        fields["private"] = [_("true or false.")]
    if fields:
        raise Invalid(_("Nothing was sent; mend the marked fields."), fields=fields)
    check_terms(snapshot, private=private)
    selectors.check_there(snapshot)
    Snapshot.objects.select_for_update(no_key=True).get(pk=snapshot.pk)
    under_way = Push.objects.filter(snapshot=snapshot, repository=repository, status__in=Push.OPEN)
    if under_way.exists():
        raise Conflict(_("This snapshot is on its way to %(name)s already.") % {"name": repository})
    made = Push.objects.create(
        snapshot=snapshot,
        repository=repository,
        hub=settings.HF_ENDPOINT,
        private=private,
        sealed_token=seal(token),
        created_by=actor,
    )
    record_audit(
        actor=actor,
        campaign=snapshot.campaign,
        action="snapshot.push",
        target=f"snapshot {snapshot.pk}",
        after={"repository": repository, "hub": made.hub, "private": private},
    )
    jobs.wake_on_commit(send_push, made)
    return made


def check_terms(snapshot: Snapshot, *, private: bool) -> None:
    """Raises Invalid when the campaign's terms do not let its data be published."""
    if not private and not snapshot.filters.get("data_license"):
        said = _(
            "No licence of the data was chosen when this snapshot was taken. Choose one in the campaign's settings and take "
            "the snapshot again, or make the repository private."
        )
        raise Invalid(said, code="no_licence", fields={"private": [said]})


def upload(
    snapshot: Snapshot,
    *,
    repository: str,
    token: str,
    private: bool,
    tell: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Pushed:
    """Verifies the files and uploads them with card and citation. Raises Refused or NotPushed, neither with the token in it.

    Args: tell: called with stage, steps done and steps in all.
    """
    check_terms(snapshot, private=private)
    directory = selectors.files_of(snapshot)
    tell("verify", 0, 2)
    if bad := list(faults(directory)):
        raise NotPushed(f"This snapshot is damaged: {bad[0][0]}: {bad[0][1]}. Nothing was sent.")
    tell("upload", 1, 2)
    return push(
        directory,
        selectors.citation_of(snapshot),
        repository=repository,
        endpoint=settings.HF_ENDPOINT,
        token=token,
        private=private,
        hosts=settings.HF_HOSTS,
    )


def execute_push(push_id: str) -> None:
    """Upload a queued one, if nobody else does. Called by a worker; may be called any number of times."""
    claim = jobs.claim(Push, push_id)
    if claim is None:
        return
    found = Push.objects.select_related("snapshot__campaign").get(pk=push_id)

    def tell(stage: str, done: int, total: int) -> None:
        claim.write(progress={"stage": stage, "step": done, "steps": total})

    again = _("Push it again when that is mended; the token has to be entered again.")
    try:
        with claim.beating():
            if found.hub != settings.HF_ENDPOINT:
                raise NotPushed(
                    f"The hub of this site is {settings.HF_ENDPOINT} now; the token was for {found.hub}."
                )
            pushed = upload(
                found.snapshot,
                repository=found.repository,
                token=unseal(found.sealed_token),
                private=found.private,
                tell=tell,
            )
        _finish(
            claim, Push.Status.SUCCEEDED, url=pushed.url, commit=pushed.commit, files=pushed.files, error=""
        )
    except jobs.LostClaim:
        log.warning("Push %s was taken over by another worker; this one wrote nothing more.", push_id)
    except EndpointFailed:
        _fail(claim, _("The token can no longer be read: the site's encryption key was changed."), again)
    except Refused as refused:
        _fail(claim, refused.message, again)
    except NotPushed as error:
        _fail(claim, str(error), again)
    except Exception as error:  # a traceback of the hub library may quote its headers
        log.error("Push %s failed: %s", push_id, type(error).__name__)
        _fail(claim, type(error).__name__, _("This is a fault of the program. Nothing is known to be sent."))


def _finish(claim: jobs.Claim, status: str, **fields: Any) -> None:
    claim.write(status=status, sealed_token="", progress=None, finished_at=Now(), **fields)


def _fail(claim: jobs.Claim, error: str, advice: str) -> None:
    try:
        _finish(claim, Push.Status.FAILED, error=error, advice=advice)
    except jobs.LostClaim:
        log.warning("Push %s was taken over; its failure here is not recorded: %s", claim.pk, error)


def _give_up(found: Push) -> None:
    found.status, found.sealed_token = Push.Status.FAILED, ""
    found.error = _("Its worker died %(n)d times.") % {"n": found.attempt}
    found.advice = _("Look at the worker's log, then push it again.")
    found.save(update_fields=["status", "sealed_token", "error", "advice"])


def resend_pushes() -> int:
    return jobs.resend_queued(Push, send_push)


def requeue_stale_pushes() -> int:
    return jobs.requeue_stale(Push, _give_up)


def drop_old_tokens() -> int:
    """Ends what no worker took for a day: a token is not kept for longer."""
    return Push.objects.filter(status=Push.Status.QUEUED, created_at__lt=Now() - LONGEST_WAIT).update(
        status=Push.Status.FAILED,
        sealed_token="",
        error=_("No worker took it up for a day."),
        advice=_("Look whether a worker runs, then push it again."),
        finished_at=Now(),
    )


def send_push(push_id: str) -> None:
    from training_bridge import tasks

    tasks.execute_push.delay(push_id)
