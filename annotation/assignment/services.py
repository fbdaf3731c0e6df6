"""What a labeler does with an item before answering: lease, keep alive, save a draft, skip, flag.

assignment = lease_next(labeler=user, campaign=campaign)                          # the item for the screen
prepared = lease_next(labeler=user, campaign=campaign, beyond=[assignment.id])    # the one behind it
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.assignment import order, queue, strategies
from annotation.assignment.models import (
    Assignment,
    Flag,
    FlagReason,
    LabelerCursor,
    Skip,
    SkipReason,
)
from annotation.assignment.selectors import asks, guidelines
from annotation.assignment.strategies.base import Strategy
from annotation.campaigns.models import Campaign, GuidelinesAcknowledged
from annotation.errors import Conflict, Invalid, NotFound, TooLarge, TooMany
from annotation.inputs import is_text
from annotation.items.models import Item, Purpose
from annotation.ledger.budget import account as account_of
from annotation.ledger.budget import may_lease
from annotation.people.models import AuditEvent, User
from annotation.people.selectors import is_labeler
from annotation.people.services import record_audit
from annotation.qualification.selectors import is_held_back
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit

DRAFT_BYTES = 1_000_000
NOTE_CHARACTERS = 2_000
SKIPS_PER_MINUTE = 30
AT_ONCE = 5_000  # items that get another overlap in the transaction that asks for it: half a second
HOLDING = (FlagReason.HARMFUL, FlagReason.PRIVATE)  # what nobody else should have to read meanwhile


@in_transaction
def lease_next(*, labeler: User, campaign: Campaign, beyond: Sequence[int] = ()) -> Assignment | None:
    """The labeler's next item: one that they hold and that is not in `beyond`, else a new lease, else None.

    Without `beyond` it is for the screen: its lease time starts anew. A labeler holds at most two. A paused campaign
    gives only what is held already; a draft or closed one gives nothing, nor does one that asks this labeler nothing.
    A campaign whose budget is used up pauses (`ledger/budget.py`).
    """
    if campaign.state not in (Campaign.State.OPEN, Campaign.State.PAUSED) or not asks(campaign, labeler.pk):
        return None
    if campaign.gold_pause > 0 and not is_labeler(labeler, campaign):
        return None  # the answer just sent was one too many below the floor
    if is_held_back(labeler.pk, campaign):
        return None  # practice comes first
    is_fresh = campaign.is_open and (labeler.kind != User.Kind.HUMAN or may_lease(campaign))
    taken = queue.take_next(
        campaign_id=campaign.pk,
        labeler_id=labeler.pk,
        labeler_name=labeler.username,
        protocol_id=campaign.protocol_id,
        guidelines_id=campaign.guidelines_id,
        lease_s=campaign.lease_s,
        beyond=beyond,
        fresh=is_fresh,
        on_screen=not beyond,
        aside=campaign.gold_share,
        must_know=labeler.kind == User.Kind.HUMAN,
    )
    if taken is None:
        return None
    assignment_id, is_new = taken
    if not is_new:
        queue.extend(assignment_id, campaign.lease_s, rendered=not beyond)
    assignment = Assignment.objects.select_related("item__prompt").get(pk=assignment_id)
    assignment.campaign = campaign
    assignment.labeler = labeler
    return assignment


@in_transaction
def acknowledge_guidelines(*, labeler: User, campaign: Campaign, number: Any) -> GuidelinesAcknowledged:
    """The labeler has read the guidelines of this number; new items come again. Doing it twice is doing it once.

    Raises Conflict `guidelines_changed` when that is not the number of the current version.
    """
    current = guidelines(campaign.guidelines_id) if campaign.guidelines_id else None
    if current is None or isinstance(number, bool) or number != current.number:
        raise Conflict(
            _("The guidelines have changed once more. Read them again first."),
            code="guidelines_changed",
            extra={"number": current.number if current else None},
        )
    row, _made = GuidelinesAcknowledged.objects.get_or_create(labeler=labeler, guidelines=current)
    LabelerCursor.objects.filter(campaign_id=campaign.pk, labeler_id=labeler.pk).update(told_id=current.pk)
    return row


@in_transaction
def assign_item(*, actor: User, campaign: Campaign, item_id: int, labeler: User) -> Assignment:
    """Gives one named item to one labeler of an open campaign, out of turn; their place in the queue stays what it was.

    Raises NotFound for an item of another campaign; Invalid if the person is no labeler here; Conflict `not_open`,
    `budget_used_up`, or `no_place` when every place is taken, the labeler had the item before, it asks for a language or
    skill that is not theirs, or they hold two items now.
    """
    if not Item.objects.filter(pk=item_id, campaign=campaign).exists():
        raise NotFound(_("There is no such item in this campaign."))
    if not is_labeler(labeler, campaign):
        message = _("%(name)s is not a labeler of this campaign; invite them first.") % {
            "name": labeler.username
        }
        raise Invalid(message, fields={"labeler": [message]})
    if not campaign.is_open:
        raise Conflict(_("The campaign is not open; open it to hand out items."), code="not_open")
    account = account_of(campaign)
    if labeler.kind == User.Kind.HUMAN and account.is_used_up:
        raise Conflict(
            _("The campaign's budget is used up; raise it to hand out more items."), code="budget_used_up"
        )
    assignment_id = queue.take_named(
        campaign_id=campaign.pk,
        item_id=item_id,
        labeler_id=labeler.pk,
        labeler_name=labeler.username,
        protocol_id=campaign.protocol_id,
        guidelines_id=campaign.guidelines_id,
        lease_s=campaign.lease_s,
    )
    if assignment_id is None:
        raise Conflict(
            _(
                "The item has no free place for this labeler: it is fully taken, they had it before, it asks for a language"
                " or skill that is not theirs, or they hold two items."
            ),
            code="no_place",
        )
    record_audit(
        actor=actor,
        campaign=campaign,
        action="item.assign",
        target=f"item:{item_id}",
        after={"labeler": labeler.pk, "assignment": assignment_id},
    )
    return Assignment.objects.select_related("item__prompt", "campaign").get(pk=assignment_id)


@in_transaction
def heartbeat(*, labeler: User, assignment_id: int) -> Assignment:
    """Keeps the lease while the item is on a screen; takes an expired one up again if its place is still free.

    Raises Conflict `already_sent`, `skipped` or `expired` (what was typed stays in the draft; sending is still possible).
    """
    return _keep(labeler, assignment_id)


@in_transaction
def save_draft(*, labeler: User, assignment_id: int, data: Mapping[str, Any]) -> Assignment:
    """Keeps what was typed, as typed, with the assignment; also when the lease has expired meanwhile.

    Args: data: form field names to texts or lists of texts.
    Raises Conflict `already_sent` or `skipped`; TooLarge beyond a megabyte; Invalid for a NUL character.
    """
    text = json.dumps(dict(data), ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > DRAFT_BYTES:
        raise TooLarge(_("This draft is larger than a megabyte; shorten it to have it saved."))
    if "\\u0000" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid(
            _("Remove the NUL or broken characters; the draft was not saved."),
            fields={"draft": [_("Not text.")]},
        )
    locked = _own(labeler, assignment_id)
    if locked.state not in (queue.LEASED, queue.EXPIRED):
        raise _over(locked)
    Assignment.objects.filter(pk=assignment_id).update(draft=dict(data), draft_saved_at=Now())
    return Assignment.objects.get(pk=assignment_id)


def skip(*, labeler: User, assignment_id: int, reason: str, note: str = "") -> Assignment:
    """Passes an item by for good; its place goes to somebody else. Skipping twice is skipping once.

    Raises Invalid without a known reason; TooMany beyond 30 skips in a minute, of which the admins get a notice.
    """
    _check_reason(reason, SkipReason.values)
    note = _check_note(note)
    if Item.objects.filter(assignments__pk=assignment_id, purpose=Purpose.PRACTICE).exists():
        raise Conflict(_("A practice item cannot be skipped; answer as well as you can."), code="practice")
    _check_skip_rate(labeler, assignment_id)
    return _skip(labeler, assignment_id, reason, note)


@in_transaction
def _skip(labeler: User, assignment_id: int, reason: str, note: str) -> Assignment:
    locked = _own(labeler, assignment_id)
    if locked.state == queue.SUBMITTED:
        raise _over(locked)
    if locked.state != queue.SKIPPED:
        queue.end([locked.id], queue.SKIPPED)
        Skip.objects.create(assignment_id=locked.id, reason=reason, note=note)
        if locked.state == queue.LEASED:  # an expired one has had its slot put back already
            queue.lock_items([locked.item_id])
            queue.requeue([locked.id])
    return Assignment.objects.get(pk=assignment_id)


@in_transaction
def flag(*, labeler: User, assignment_id: int, reason: str, note: str = "") -> Flag:
    """Reports that something is wrong with an item. The lease stays: the labeler may still answer or skip.

    The same reason twice is one report, with the later note. Harmful or private content that enough labelers report
    (`Campaign.hold_after`) is given to nobody else until an admin has looked; leases that are out stay.
    """
    _check_reason(reason, FlagReason.values)
    note = _check_note(note)
    locked = _own(labeler, assignment_id)
    report, created = Flag.objects.get_or_create(
        assignment_id=locked.id, reason=reason, defaults={"note": note}
    )
    if created:
        emit("flag.created", locked.campaign_id, item=locked.item_id, flag=report.pk, reason=reason)
    elif note and report.note != note:
        report.note = note
        report.save(update_fields=["note"])
    if created and reason in HOLDING:
        _hold(locked)
    return report


def _hold(reported: queue.Locked) -> None:
    """Under the item's lock, so that of two who report at once the second counts both."""
    queue.lock_items([reported.item_id])
    after = Campaign.objects.values_list("hold_after", flat=True).get(pk=reported.campaign_id)
    reports = Flag.objects.filter(
        assignment__item_id=reported.item_id, reason__in=HOLDING, resolved_at=None
    ).aggregate(people=Count("assignment__labeler", distinct=True))
    if not after or reports["people"] < after:
        return
    if not Item.objects.filter(pk=reported.item_id, held_at=None, withdrawn_at=None).update(held_at=Now()):
        return
    queue.withdraw([reported.item_id])
    record_audit(
        actor=None,
        campaign=Campaign.objects.get(pk=reported.campaign_id),
        action="notice.item_held",
        target=f"item:{reported.item_id}",
        after={"reports": reports["people"]},
    )


@in_transaction
def resolve_flag(*, actor: User, flag: Flag, withdraw: bool) -> Flag:
    """An admin has looked at a report: `withdraw` takes the item out of everybody's queue for good, otherwise one that was
    held back goes into it again."""
    assignment = Assignment.objects.select_related("campaign").get(pk=flag.assignment_id)
    queue.lock_items([assignment.item_id])
    if withdraw:
        Item.objects.filter(pk=assignment.item_id, withdrawn_at=None).update(withdrawn_at=Now())
        queue.withdraw([assignment.item_id])
    if (
        Item.objects.filter(pk=assignment.item_id, held_at__isnull=False).update(held_at=None)
        and not withdraw
    ):
        order.refill([assignment.item_id])
    Flag.objects.filter(assignment__item_id=assignment.item_id, resolved_at=None).update(resolved_at=Now())
    record_audit(
        actor=actor,
        campaign=assignment.campaign,
        action="flag.resolve",
        target=f"item:{assignment.item_id}",
        before={"reason": flag.reason},
        after={"withdrawn": withdraw},
    )
    flag.refresh_from_db()
    return flag


@in_transaction
def release_expired(*, now: dt.datetime | None = None, limit: int = 1000) -> int:
    """Gives the places of overdue leases back to the queue; how many. `now` is the database's by default."""
    ids = queue.overdue(limit, now)
    if ids:
        item_ids = queue.end(ids, queue.EXPIRED)
        queue.lock_items(item_ids)
        queue.requeue(ids)
    return len(ids)


def fill_slots(*, campaign: Campaign, first_item_id: int, last_item_id: int) -> int:
    """Opens the places of new items (ids first to last, both included); items that have places already are left alone.

    They go to the tail; a strategy that would have them elsewhere puts all places in order a little later. How many.
    """
    strategy, share = _strategy(campaign.pk)
    opened = order.fill(campaign.pk, first_item_id, last_item_id, strategy=strategy, share=share)
    if opened:
        refresh_order(campaign=campaign)
    return opened


def refresh_order(*, campaign: Campaign) -> None:
    """What the strategy goes by has changed; places that this moves are put in order a little later."""
    if _strategy(campaign.pk)[0].merges:
        order.want_order(campaign.pk)


@in_transaction
def change_overlap(*, campaign: Campaign, overlap: int) -> None:
    """Wants more or fewer answers for every item. Raises Conflict when an item already has more (`extra["counted"]`).

    In a campaign of more than `AT_ONCE` items a worker gives it to them, batch after batch, so that answers are never held
    back for long; an item that gets more answers before its turn keeps them. The campaign row itself is the caller's
    (`campaigns.services.change_campaign`), which also leaves the audit row.
    """
    queue.lock_writers(campaign.pk)
    is_large = queue.has_more_items(campaign.pk, AT_ONCE)
    counted = queue.most_counted(campaign.pk, lock=not is_large)
    if counted > overlap:
        raise Conflict(
            _("Some items already have %(counted)d answers; choose an overlap of at least %(counted)d.")
            % {"counted": counted},
            code="overlap_below_counted",
            fields={"overlap": [_("At least %(counted)d.") % {"counted": counted}]},
            extra={"counted": counted},
        )
    order.want_overlap(campaign.pk, overlap if is_large else None)
    if is_large:
        transaction.on_commit(_wake)
        return
    strategy, _share = _strategy(campaign.pk)
    order.change_overlap(campaign.pk, overlap, strategy=strategy)
    if not strategy.is_random:
        order.want_order(campaign.pk)


def want_order(*, campaign: Campaign) -> None:
    """The open places are put in order anew at once, by a worker: after a change of the strategy."""
    order.want_order(campaign.pk, in_s=0)
    transaction.on_commit(_wake)


def order_queues() -> int:
    """Gives items the overlap that is wanted for them, then puts the open places in order where that is due; each batch in a
    transaction. How many places were moved."""
    for campaign_id in order.spreading():
        while order.spread_overlap(campaign_id, strategy=_strategy(campaign_id)[0]):
            pass
    moved = 0
    while claimed := order.claim():
        campaign_id, until = claimed
        strategy, share = _strategy(campaign_id)
        n, seed = order.reorder(campaign_id, strategy=strategy, share=share)
        order.finish(campaign_id, until, seed)
        moved += n
    return moved


@in_transaction
def save_scores(*, campaign: Campaign, scores: Mapping[int, float], source: str) -> int:
    """How much an answer about each item is worth to a reward model; what was said before of an item is replaced.

    Args:
        scores: item id to a finite number, larger for what is worth more; items of other campaigns are left out.
        source: the model or run that says so.
    Returns: how many items of the campaign now have this score.
    """
    bad = next((value for value in scores.values() if not math.isfinite(value)), None)
    if bad is not None:
        raise Invalid(_("A score is not a number."), fields={"scores": [_("Give finite numbers.")]})
    saved = order.save_scores(campaign.pk, scores, source[:100])
    if saved and _strategy(campaign.pk)[0].merges:
        order.want_order(campaign.pk, in_s=0)
    return saved


@in_transaction
def change_item_overlap(*, actor: User, item: Item, overlap: int) -> Item:
    """Wants more or fewer answers for one item than its campaign does for the others; nothing if it has this already.

    Raises Invalid outside 1 to 100; Conflict `overlap_below_counted` below the answers that it has (`extra["counted"]`).
    """
    if isinstance(overlap, bool) or not isinstance(overlap, int) or not 1 <= overlap <= 100:
        sentence = _("A whole number from %(low)d to %(high)d.") % {"low": 1, "high": 100}
        raise Invalid(sentence, fields={"overlap": [sentence]})
    queue.lock_items([item.pk])
    item = Item.objects.select_related("campaign").get(pk=item.pk)
    if item.counted > overlap:
        raise Conflict(
            _("This item already has %(counted)d answers; choose an overlap of at least %(counted)d.")
            % {"counted": item.counted},
            code="overlap_below_counted",
            fields={"overlap": [_("At least %(counted)d.") % {"counted": item.counted}]},
            extra={"counted": item.counted},
        )
    if item.overlap != overlap:
        order.set_overlap(item.pk, overlap)
        record_audit(
            actor=actor,
            campaign=item.campaign,
            action="item.overlap",
            target=f"item:{item.pk}",
            before={"overlap": item.overlap},
            after={"overlap": overlap},
        )
        item.overlap, item.has_own_overlap = overlap, True
    return item


@in_transaction
def tend_queues(*, limit: int = 5000) -> int:
    """Upkeep: where newcomers start, and slots that fell behind every cursor. How many were moved."""
    order.advance_low_marks()
    return order.move_stranded(limit)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _strategy(campaign_id: int) -> tuple[Strategy, float]:
    """The campaign's strategy as it is now, and the share of places that is drawn at random instead."""
    slug, share = Campaign.objects.values_list("strategy", "control_share").get(pk=campaign_id)
    strategy = strategies.get(slug)
    return strategy, 0.0 if strategy.is_random else share


def _wake() -> None:
    from annotation.tasks import order_queues as task  # the tasks import this module

    try:
        task.delay()
    except task.OperationalError:
        pass  # the broker is away: the periodic sweep does it


def _own(labeler: User, assignment_id: int) -> queue.Locked:
    if not isinstance(assignment_id, int) or isinstance(assignment_id, bool) or not 0 < assignment_id < 2**63:
        raise NotFound(_("There is no such assignment for you."))
    locked = queue.lock_assignment(assignment_id, labeler.pk)
    if locked is None:
        raise NotFound(_("There is no such assignment for you."))
    return locked


def _keep(labeler: User, assignment_id: int) -> Assignment:
    assignment = (
        Assignment.objects.select_related("campaign").filter(pk=assignment_id, labeler=labeler).first()
    )
    if assignment is None:
        raise NotFound(_("There is no such assignment for you."))
    lease_s = assignment.campaign.lease_s
    if assignment.state == queue.EXPIRED:
        queue.lock_cursor(assignment.campaign_id, labeler.pk)
    locked = _own(labeler, assignment_id)
    if locked.state == queue.EXPIRED:
        queue.lock_items([locked.item_id])
        if not assignment.campaign.is_open or not queue.reclaim(locked, labeler.pk, lease_s):
            raise Conflict(
                _(
                    "The time for this item ran out and its place was given to somebody else. What you wrote is kept."
                ),
                code="expired",
            )
    elif locked.state != queue.LEASED:
        raise _over(locked)
    assignment.lease_until = queue.extend(assignment_id, lease_s, rendered=True)
    assignment.state = Assignment.State.LEASED
    return assignment


def _over(locked: queue.Locked) -> Conflict:
    if locked.state == queue.SUBMITTED:
        return Conflict(_("You have already sent an answer to this item."), code="already_sent")
    return Conflict(_("You have skipped this item."), code="skipped")


def _check_reason(reason: Any, known: Sequence[str]) -> None:
    if reason not in known:
        raise Invalid(
            _("Choose a reason."),
            fields={"reason": [_("Choose one of: %(reasons)s.") % {"reasons": ", ".join(known)}]},
        )


def _check_note(note: Any) -> str:
    if not is_text(note):
        raise Invalid(_("The note must be text."), fields={"note": [_("Write text without NUL characters.")]})
    if len(note) > NOTE_CHARACTERS:
        raise TooLarge(
            _("The note is too long; %(n)d characters are enough.") % {"n": NOTE_CHARACTERS},
            fields={"note": [_("At most %(n)d characters.") % {"n": NOTE_CHARACTERS}]},
        )
    return note.strip()


def _check_skip_rate(labeler: User, assignment_id: int) -> None:
    """Somebody who skips everything needs a word with the admins, not faster skipping."""
    campaign = Campaign.objects.filter(assignments__pk=assignment_id, assignments__labeler=labeler).first()
    recent = Skip.objects.filter(
        assignment__labeler=labeler,
        assignment__campaign=campaign,
        created_at__gt=Now() - dt.timedelta(minutes=1),
    ).count()
    if campaign is None or recent < SKIPS_PER_MINUTE:
        return
    noticed = AuditEvent.objects.filter(
        campaign=campaign,
        action="notice.many_skips",
        target=f"user:{labeler.pk}",
        created_at__gt=Now() - dt.timedelta(minutes=10),
    )
    with transaction.atomic():  # stays, although the skip is refused
        if not noticed.exists():
            record_audit(
                actor=None,
                campaign=campaign,
                action="notice.many_skips",
                target=f"user:{labeler.pk}",
                after={"skips_in_a_minute": recent},
            )
    raise TooMany(
        _(
            "You have skipped many items in a row. Take a short break, or tell the admins what is wrong with them."
        ),
        code="too_many_skips",
        extra={"retry_after_s": 60},
    )
