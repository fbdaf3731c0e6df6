"""Practice before work: one item after the other, the expected answer after each, and a mean that decides.

next_practice(labeler=lena, campaign=campaign)      # the item for the screen; None when there is none (any more)
answer_practice(labeler=lena, assignment=assignment, idempotency_key=key, answers=answers)
go_on(labeler=lena, campaign=campaign)              # the comparison was read
try_again(labeler=lena, campaign=campaign)          # after a failed attempt, as often as the campaign says
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Sequence

from django.db.models import Avg
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.assignment import queue
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import asked_of, order_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict
from annotation.gold import answers as gold_answers
from annotation.inputs import request_key
from annotation.items.models import Item, ItemResponse, Purpose
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.qualification.models import PracticeAnswer, Qualification
from annotation.qualification.selectors import is_held_back, last_attempt, practice_items, unseen
from annotation.submissions.services import rows_of
from annotation.transactions import in_transaction
from feedback_types.base import Answer, Screen


@in_transaction
def next_practice(*, labeler: User, campaign: Campaign) -> Assignment | None:
    """The practice item that comes next in the labeler's attempt, which begins with the first one.

    None while a comparison has not been read, when the attempt has ended, and for whoever needs no practice.
    """
    if not campaign.is_open or not is_held_back(labeler.pk, campaign):
        return None
    attempt = _current(labeler, campaign)
    if attempt.state != Qualification.State.QUALIFYING or unseen(attempt):
        return None
    answered = PracticeAnswer.objects.filter(qualification=attempt).values("assignment__item")
    item = practice_items(labeler.pk, campaign).exclude(pk__in=answered).first()
    if item is None:
        _end(attempt, campaign)
        return None
    return _on_screen(labeler, campaign, item)


@in_transaction
def answer_practice(
    *,
    labeler: User,
    assignment: Assignment,
    idempotency_key: uuid.UUID | str,
    answers: Sequence[Answer],
    screen: Screen | None = None,
) -> PracticeAnswer:
    """Stores what was said about a practice item, with how close it came; the last one ends the attempt.

    The same key again gives the same row. Raises Conflict `not_asked` for an item that is not the labeler's next, and
    `already_sent` for one that was answered in this attempt.
    """
    key = request_key(idempotency_key)
    rows = rows_of(assignment, answers, screen or screen_for(assignment))
    attempt = _current(labeler, assignment.campaign)
    sent = PracticeAnswer.objects.filter(qualification=attempt, assignment=assignment).first()
    if sent is not None:
        if sent.idempotency_key == key:
            return sent
        raise Conflict(_("You have already sent an answer to this item."), code="already_sent")
    if attempt.state != Qualification.State.QUALIFYING or assignment.item.purpose != Purpose.PRACTICE:
        raise Conflict(_("This item is not asked of you now."), code="not_asked")
    asked = {q.key for q in asked_of(labeler.pk, assignment.protocol_id)}
    found = gold_answers.closeness(
        gold_answers.expected_of(assignment.item), gold_answers.said_of(rows), asked
    )
    scores = {question: score for question, _kind, score in found}
    said = PracticeAnswer.objects.create(
        qualification=attempt,
        assignment=assignment,
        idempotency_key=key,
        answers=[
            {name: row[name] for name in ("question", "type", "version", "target_id", "payload")}
            for row in rows
        ],
        scores=scores,
        score=sum(scores.values()) / len(scores) if scores else 1.0,
    )
    Assignment.objects.filter(pk=assignment.pk).update(state=Assignment.State.SUBMITTED, draft=None)
    done = PracticeAnswer.objects.filter(qualification=attempt).values("assignment__item")
    if not practice_items(labeler.pk, assignment.campaign).exclude(pk__in=done).exists():
        _end(attempt, assignment.campaign)
    return said


@in_transaction
def go_on(*, labeler: User, campaign: Campaign) -> None:
    """The labeler has read the comparison; twice is once."""
    attempt = last_attempt(labeler.pk, campaign)
    if attempt is not None:
        PracticeAnswer.objects.filter(qualification=attempt, seen_at=None).update(seen_at=Now())


@in_transaction
def try_again(*, labeler: User, campaign: Campaign) -> Qualification:
    """Begins another attempt at the same items. Raises Conflict `no_retry` when none is left or the last did not fail."""
    last = last_attempt(labeler.pk, campaign)
    if (
        last is None
        or last.state != Qualification.State.FAILED
        or last.attempt > campaign.practice_retries
        or not is_held_back(labeler.pk, campaign)
    ):
        raise Conflict(_("There is no further attempt here; ask the campaign's admin."), code="no_retry")
    PracticeAnswer.objects.filter(qualification=last, seen_at=None).update(seen_at=Now())
    attempt, _made = Qualification.objects.get_or_create(
        campaign=campaign, labeler=labeler, attempt=last.attempt + 1
    )
    return attempt


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _current(labeler: User, campaign: Campaign) -> Qualification:
    """The labeler's last attempt under its row lock, begun if there is none: two tabs take turns."""
    last = last_attempt(labeler.pk, campaign)
    if last is None:
        last, _made = Qualification.objects.get_or_create(campaign=campaign, labeler=labeler, attempt=1)
    return Qualification.objects.select_for_update().get(pk=last.pk)


def _end(attempt: Qualification, campaign: Campaign) -> None:
    mean = PracticeAnswer.objects.filter(qualification=attempt).aggregate(mean=Avg("score"))["mean"]
    if mean is None:
        return  # nothing to practise for this person
    passed = mean >= campaign.practice_pass
    attempt.state = Qualification.State.QUALIFIED if passed else Qualification.State.FAILED
    attempt.mean = min(1.0, mean)
    Qualification.objects.filter(pk=attempt.pk).update(state=attempt.state, mean=attempt.mean, ended_at=Now())
    if not passed and attempt.attempt > campaign.practice_retries:
        record_audit(
            actor=None,
            campaign=campaign,
            action="notice.not_qualified",
            target=f"user:{attempt.labeler_id}",
            after={"mean": round(attempt.mean, 4), "attempts": attempt.attempt},
        )


def _on_screen(labeler: User, campaign: Campaign, item: Item) -> Assignment:
    """The assignment of a practice item: the same one in each attempt, leased anew. It has no place in the queue."""
    seed = secrets.randbits(62)
    links = ItemResponse.objects.filter(item=item).values_list("response_id", flat=True)
    fresh = {
        "state": Assignment.State.LEASED,
        "lease_until": Now() + dt.timedelta(seconds=campaign.lease_s),
        "protocol_id": campaign.protocol_id,
        "guidelines_id": campaign.guidelines_id,
    }
    assignment, is_new = Assignment.objects.get_or_create(
        item=item,
        labeler=labeler,
        defaults={
            **fresh,
            "campaign": campaign,
            "order_seed": seed,
            "response_order": order_for(seed, list(links)),
        },
    )
    if not is_new and assignment.state != queue.LEASED:
        kept = {} if assignment.state == queue.EXPIRED else {"draft": None}
        Assignment.objects.filter(pk=assignment.pk).update(**fresh, **kept)
    elif not is_new:
        queue.extend(assignment.pk, campaign.lease_s, rendered=True)
    return Assignment.objects.select_related("item__prompt", "campaign", "labeler").get(pk=assignment.pk)
