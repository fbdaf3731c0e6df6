"""Answers come in: once for each key, once for each assignment, corrections as new rows.

    submission = submit(labeler=user, assignment_id=17, idempotency_key=key, answers=answers, active_ms=5200)

The browser draws the key once for what is on the screen and sends it again until the answer is acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from django.db import IntegrityError, connection
from django.utils.translation import gettext as _

from annotation.assignment import queue
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import guidelines, protocol, screen_for
from annotation.campaigns.models import Campaign
from annotation.consents.services import permitted
from annotation.errors import Conflict, Invalid, NotFound
from annotation.generation.selectors import untrue
from annotation.gold.services import judge
from annotation.inputs import object_id, request_key
from annotation.items.models import Purpose
from annotation.people.models import User
from annotation.submissions.models import Submission
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from feedback_types.base import Answer, Screen

DEVICE_CLASSES = ("desktop", "tablet", "phone", "program", "")
MAX_MS = 7 * 24 * 3600 * 1000


def submit(
    *,
    labeler: User,
    assignment_id: int,
    idempotency_key: uuid.UUID | str,
    answers: Sequence[Answer],
    active_ms: int | None = None,
    total_ms: int | None = None,
    device_class: str = "",
    ui_version: str = "",
    revises: uuid.UUID | str | None = None,
    protocol_version: int | None = None,
    guidelines_version: int | None = None,
    assignment: Assignment | None = None,
    screen: Screen | None = None,
) -> Submission:
    """Stores the answer to one screen and gives its row; the same key with the same answer gives the same row again.

    Args:
        answers: as `feedback_types.protocol.read_form` or `read_json` gives them for this screen.
        active_ms, total_ms: as the browser measured them; nonsense is ignored, and the total is the database's in any case.
        revises: id of the submission that this one corrects; it must be the latest one of the assignment.
        protocol_version, guidelines_version: what the page showed; another one than the lease's is a conflict.
        assignment, screen: if the caller has read them already (`access.assignment_for`, `screen_for`).
    Raises:
        NotFound: the assignment is somebody else's.
        Conflict `key_reused`: the key was used for another answer. `already_sent`: the assignment was answered with another
            key; `extra["submission"]` names it. `revised_meanwhile`, `skipped`, `versions_changed`, `campaign_closed`.

    Answers that need a consent which the labeler has not given (any more) are left out; the rest is stored.
    An answer to a lease that is out counts while the campaign is open or paused. A closed campaign keeps it as late, so
    that nobody's work is thrown away. A lease that expired counts if a place at its item is still free, else it is late.
    """
    key = request_key(idempotency_key)
    revised = object_id(revises, "revises") if revises else None
    if assignment is None or assignment.pk != assignment_id or assignment.labeler_id != labeler.pk:
        assignment = _own(labeler, assignment_id)
    observed = {q.key for q in protocol(assignment.protocol_id).questions if q.type.needs_consent}
    digest = request_hash(answers, observed)
    _check_versions(assignment, protocol_version, guidelines_version)
    if assignment.item.purpose == Purpose.PRACTICE:
        raise Conflict(_("This item is for practice now; ask for the next one."), code="practice")
    rows = rows_of(assignment, answers, screen or screen_for(assignment))
    try:
        return _store(
            labeler=labeler,
            assignment=assignment,
            key=key,
            digest=digest,
            rows=rows,
            revises=revised,
            active_ms=_milliseconds(active_ms),
            device_class=device_class if device_class in DEVICE_CLASSES else "",
            ui_version=str(ui_version)[:20].replace("\x00", ""),
        )
    except IntegrityError as error:
        if "submission_once_per_key" in str(error):
            same = Submission.objects.get(labeler=labeler, idempotency_key=key)
            if same.assignment_id == assignment.pk and same.request_sha256 == digest:
                return same
            raise _key_reused(same) from error
        raise


def request_hash(answers: Sequence[Answer], observed: Collection[str] = ()) -> str:
    """What makes two answers the same: their canonical JSON, whatever the order they came in.

    Args:
        observed: keys of questions that need a consent. What a withdrawal may refuse on the second try and what may be
            erased later has no part in it, and leaves no trace here.
    """
    said = sorted(
        (
            [a.question, -1 if a.target is None else a.target, a.payload.dump()]
            for a in answers
            if a.question not in observed
        ),
        key=lambda s: (s[0], s[1]),
    )
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def reopen_last(*, labeler: User, campaign: Campaign) -> Submission:
    """The labeler's latest answer in a campaign, to be shown again and sent as a new revision (`submit(revises=its id)`).

    Changes nothing by itself. Raises NotFound when there is none; Conflict when the campaign is closed.
    """
    if campaign.state == Campaign.State.CLOSED:
        raise Conflict(_("The campaign is closed; answers can no longer be changed."), code="campaign_closed")
    last = (
        Submission.objects.filter(labeler=labeler, campaign=campaign, superseded_by=None)
        .select_related("assignment__item__prompt", "assignment__campaign")
        .order_by("-submitted_at")
        .first()
    )
    if last is None:
        raise NotFound(_("You have not sent an answer in this campaign yet."), code="nothing_to_undo")
    return last


@in_transaction
def _store(
    *,
    labeler: User,
    assignment: Assignment,
    key: uuid.UUID,
    digest: str,
    rows: list[dict[str, Any]],
    revises: uuid.UUID | None,
    active_ms: int | None,
    device_class: str,
    ui_version: str,
) -> Submission:
    is_gold = assignment.item.purpose == Purpose.GOLD
    if is_gold:  # it may give the labeler's leases back; cursors are locked before assignments
        queue.lock_cursor(assignment.campaign_id, labeler.pk)
    locked = queue.lock_assignment(assignment.pk, labeler.pk)
    if locked is None:
        raise NotFound(_("There is no such assignment for you."))
    previous: Submission | None = None
    if locked.state == queue.SUBMITTED:
        sent = list(Submission.objects.filter(assignment_id=locked.id).order_by("revision"))
        same = next((s for s in sent if s.idempotency_key == key), None)
        if same is not None:
            if same.request_sha256 == digest:
                return same
            raise _key_reused(same)
        previous = sent[-1]
        if revises is None:
            raise Conflict(
                _("You have already sent an answer to this item. To change it, choose undo."),
                code="already_sent",
                extra={"submission": str(previous.pk)},
            )
        if revises != previous.pk:
            raise Conflict(
                _("This answer was changed meanwhile, perhaps in another tab. Look at the latest one first."),
                code="revised_meanwhile",
                extra={"submission": str(previous.pk)},
            )
        if assignment.campaign.state == Campaign.State.CLOSED:
            raise Conflict(
                _("The campaign is closed; answers can no longer be changed."), code="campaign_closed"
            )
    elif locked.state == queue.SKIPPED:
        raise Conflict(_("You have skipped this item."), code="skipped")
    elif revises is not None:
        raise Conflict(_("There is no earlier answer to this item."), code="nothing_to_revise")

    status = previous.status if previous else Submission.Status.LATE
    finished = queue.Finished.LATE
    if previous is None:
        is_wanted = assignment.campaign.state != Campaign.State.CLOSED
        finished = (queue.finish_aside if is_gold else queue.finish)(locked, is_wanted=is_wanted)
        status = Submission.Status.COUNTED if finished else status
    submission = Submission(
        id=_new_id(),
        campaign_id=locked.campaign_id,
        item_id=locked.item_id,
        assignment_id=locked.id,
        labeler=labeler,
        labeler_kind=labeler.kind,
        revision=previous.revision + 1 if previous else 0,
        supersedes=previous,
        status=status,
        idempotency_key=key,
        request_sha256=digest,
        protocol_version=protocol(locked.protocol_id).number,
        guidelines_version=guidelines(locked.guidelines_id).number,
        active_ms=active_ms,
        total_ms=locked.total_ms,
        device_class=device_class,
        ui_version=ui_version,
    )
    stored = permitted(labeler.pk, rows)
    _insert(submission, stored)
    _tell(assignment.campaign, submission, finished)
    if is_gold:
        judge(submission=submission, assignment=assignment, rows=stored)
    return submission


def _tell(campaign: Campaign, submission: Submission, finished: queue.Finished) -> None:
    told = {"item": submission.item_id, "submission": submission.pk}
    if submission.revision:
        emit(
            "submission.revised",
            campaign,
            **told,
            status=submission.status,
            revision=submission.revision,
            supersedes=submission.supersedes_id,
        )
    else:
        emit("submission.created", campaign, **told, status=submission.status)
    if finished is queue.Finished.LAST:
        emit("item.completed", campaign, **told)


def _insert(submission: Submission, rows: list[dict[str, Any]]) -> None:
    """The submission and its feedback in one statement; a quarter of the cost of two through the models."""
    columns = [str(f.column) for f in Submission._meta.concrete_fields if f.column != "submitted_at"]
    values = [
        getattr(submission, f.attname) for f in Submission._meta.concrete_fields if f.column != "submitted_at"
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH sent AS (
              INSERT INTO annotation_submission ({", ".join(columns)}) VALUES ({", ".join(["%s"] * len(columns))})
              RETURNING id, submitted_at
            ), said AS (
              INSERT INTO annotation_feedback (submission_id, question, type, version, target_id, payload, choice_set)
              SELECT sent.id, f.question, f.type, f.version, f.target_id, f.payload, f.choice_set
              FROM sent, ROWS FROM (jsonb_to_recordset(%s::jsonb) AS
                (question text, type text, version smallint, target_id bigint, payload jsonb, choice_set jsonb))
                WITH ORDINALITY AS f(question, type, version, target_id, payload, choice_set, n)
              ORDER BY f.n
            )
            SELECT submitted_at FROM sent
            """,
            [*values, json.dumps(rows)],
        )
        submission.submitted_at = cursor.fetchone()[0]
    submission._state.adding, submission._state.db = False, connection.alias


def rows_of(assignment: Assignment, answers: Sequence[Answer], screen: Screen) -> list[dict[str, Any]]:
    """Answers as they are stored, with what was on offer. Raises Invalid for one that this screen did not ask for."""
    questions = {q.key: q for q in protocol(assignment.protocol_id).questions}
    rows = []
    for answer in answers:
        question = questions.get(answer.question)
        if question is None or answer.target not in (None, *(r.id for r in screen.responses)):
            raise Invalid(
                _("This campaign asks: %(keys)s.") % {"keys": ", ".join(questions)},
                fields={answer.question: [_("There is no such question on this screen.")]},
            )
        if wrong := untrue(assignment, question.type.generations(answer.payload)):
            raise Invalid(wrong, fields={answer.question: [wrong]})
        rows.append(
            {
                "question": question.key,
                "type": question.type.slug,
                "version": question.type.version,
                "target_id": answer.target,
                "payload": answer.payload.dump(),
                "choice_set": question.type.choice_set(screen, question.settings, answer.payload),
            }
        )
    return rows


def _own(labeler: User, assignment_id: int) -> Assignment:
    if isinstance(assignment_id, int) and 0 < assignment_id < 2**63:
        mine = Assignment.objects.filter(pk=assignment_id, labeler=labeler)
        assignment = mine.select_related("campaign", "item__prompt").first()
        if assignment is not None:
            return assignment
    raise NotFound(_("There is no such assignment for you."))


def _check_versions(
    assignment: Assignment, protocol_version: int | None, guidelines_version: int | None
) -> None:
    now = {
        "protocol_version": protocol(assignment.protocol_id).number,
        "guidelines_version": guidelines(assignment.guidelines_id).number,
    }
    shown = {"protocol_version": protocol_version, "guidelines_version": guidelines_version}
    changed = {
        name: {"shown": shown[name], "now": now[name]} for name in now if shown[name] not in (None, now[name])
    }
    if changed:
        raise Conflict(
            _(
                "The guidelines or questions changed while you were answering. Look at what is new and send it again."
            ),
            code="versions_changed",
            extra={"changed": changed},
        )


def _key_reused(submission: Submission) -> Conflict:
    return Conflict(
        _("This key was used for another answer. Draw a new key for each answer."),
        code="key_reused",
        extra={"submission": str(submission.pk)},
    )


def _milliseconds(value: Any) -> int | None:
    """A believable duration, or nothing: what a browser says about time is a hint."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= MAX_MS
    ):
        return None
    return int(value)


def _new_id() -> uuid.UUID:
    """A UUID of version 7: ids rise with time, so the index stays compact. Nothing reads the time out of it again."""
    value = (
        (time.time_ns() // 1_000_000) << 80
        | 0x7 << 76
        | secrets.randbits(12) << 64
        | 0b10 << 62
        | secrets.randbits(62)
    )
    return uuid.UUID(int=value)
