"""Items whose answer is known: made from items that were judged, scored when answered, and what follows from the scores.

    make_gold(actor=rita, item=item, answers=[[{"question": "better", "target": None, "payload": {…}}]], explanation="…")

Scoring happens in the transaction of the answer (`submissions.services.submit`); the reply is the same as for work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.adjudication.models import Disagreement
from annotation.assignment import queue
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import asked_of
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.gold import answers as gold_answers
from annotation.gold import tallies
from annotation.gold.models import GoldScore
from annotation.gold.selectors import standing
from annotation.items.models import Item, Purpose
from annotation.people.models import Membership, PausedBy, Role
from annotation.people.services import record_audit
from annotation.submissions.models import Submission
from annotation.transactions import in_transaction


@in_transaction
def make_gold(
    *, actor: Any, item: Item, answers: Any, explanation: str = "", purpose: str = Purpose.GOLD
) -> Item:
    """Sets an item aside with its expected answers, or changes what is expected of one that is aside already.

    Its places leave the queue, answers it has stay but count no more and are in no training set from now on. It never
    becomes work again; `withdraw_items` takes it out altogether.

    Args:
        answers: one list for each way to be right, of {question, target, payload}; questions may be left out.
        purpose: gold or practice.
    Raises Invalid naming the field; Conflict `withdrawn`, `no_protocol`, or `given` for a practice item that somebody has
    in hand.
    """
    campaign = Campaign.objects.select_related("protocol").get(pk=item.campaign_id)
    if purpose not in (Purpose.GOLD, Purpose.PRACTICE):
        raise Invalid(
            _("Choose gold or practice."),
            fields={"purpose": [_("One of: %(names)s.") % {"names": "gold, practice"}]},
        )
    if campaign.protocol is None:
        raise Conflict(_("The campaign asks nothing yet; choose its questions first."), code="no_protocol")
    screens = gold_answers.screens_of(item)
    stored = gold_answers.read(campaign.protocol.questions, screens, answers, explanation)
    before = set_aside(item_id=item.pk, purpose=purpose, stored=stored)
    record_audit(
        actor=actor,
        campaign=campaign,
        action="item.make_gold",
        target=f"item:{item.pk}",
        before={"purpose": before.purpose, "expected": before.gold_answers},
        after={"purpose": str(purpose), "expected": stored},
    )
    return Item.objects.select_related("prompt", "campaign").get(pk=item.pk)


def set_aside(*, item_id: int, purpose: str, stored: Mapping[str, Any]) -> Item:
    """Takes an item out of the work, in the transaction of the act that the caller writes down; what it was before.

    Args: stored: as `answers.read` gives it.
    Raises Conflict `withdrawn`, or `given` for a practice item that somebody has in hand.
    """
    queue.lock_items([item_id])
    now = Item.objects.get(pk=item_id)
    if now.withdrawn_at or now.held_at:
        raise Conflict(_("The item was taken out of the queue; choose another."), code="withdrawn")
    if (
        purpose == Purpose.PRACTICE
        and Assignment.objects.filter(item=now, state=Assignment.State.LEASED).exists()
    ):
        raise Conflict(
            _("Somebody is answering this item now. Wait until they have sent it, or choose another."),
            code="given",
        )
    queue.withdraw([item_id])
    Item.objects.filter(pk=item_id).update(purpose=purpose, counted=0, gold_answers=stored)
    Disagreement.objects.filter(pk=item_id).update(is_settled=True)  # nobody has to look at it any more
    return now


def judge(
    *, submission: Submission, assignment: Assignment, rows: Sequence[Mapping[str, Any]]
) -> list[GoldScore]:
    """Scores an answer to a gold item and holds its labeler to the campaign's floors; the caller's transaction.

    Args: rows: the answers as they are stored (question, type, version, target_id, payload).
    """
    asked = {q.key for q in asked_of(submission.labeler_id, assignment.protocol_id)}
    found = gold_answers.closeness(
        gold_answers.expected_of(assignment.item), gold_answers.said_of(rows), asked
    )
    scores = GoldScore.objects.bulk_create(
        GoldScore(
            submission=submission,
            campaign_id=submission.campaign_id,
            labeler_id=submission.labeler_id,
            question=question,
            type=kind,
            score=score,
        )
        for question, kind, score in found
    )
    tallies.keep(campaign_id=submission.campaign_id, labeler_id=submission.labeler_id)
    campaign = assignment.campaign
    if scores and (campaign.gold_warn > 0 or campaign.gold_pause > 0):
        _hold_to_floors(campaign, submission.labeler_id)
    return scores


def _hold_to_floors(campaign: Campaign, labeler_id: int) -> None:
    """Nobody is judged before there are as many gold answers as the campaign looks at."""
    membership = (
        Membership.objects.select_for_update()
        .filter(campaign=campaign, user_id=labeler_id, role=Role.LABELER, suspended_at=None)
        .first()
    )
    if membership is None:
        return
    now = standing(campaign, membership)
    if now.mean is None or now.answers < campaign.gold_window:
        return
    told = {"mean": round(now.mean, 4), "answers": now.answers}
    if now.mean < campaign.gold_pause:
        _pause(membership, {**told, "floor": campaign.gold_pause})
    elif now.mean < campaign.gold_warn:
        if membership.gold_warned_at is None:
            Membership.objects.filter(pk=membership.pk).update(gold_warned_at=Now())
            _note(membership, "notice.gold_low", {**told, "floor": campaign.gold_warn})
    elif membership.gold_warned_at is not None:
        Membership.objects.filter(pk=membership.pk).update(gold_warned_at=None)


def _pause(membership: Membership, why: Mapping[str, Any]) -> None:
    """The labeler gets nothing more, and what they have in hand goes to others; what they typed stays as a draft."""
    Membership.objects.filter(pk=membership.pk).update(suspended_at=Now(), paused_by=PausedBy.GOLD)
    returned = queue.give_back(membership.campaign_id, membership.user_id)
    _note(membership, "role.pause_by_gold", {**why, "leases_given_back": returned})


def _note(membership: Membership, action: str, after: Mapping[str, Any]) -> None:
    record_audit(
        actor=None,
        campaign=membership.campaign,
        action=action,
        target=f"user:{membership.user_id}",
        after=dict(after),
    )
