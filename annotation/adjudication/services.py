"""A reviewer settles what labelers could not; a worker keeps how far they are apart, and wants more answers where it is far.

adjudication = adjudicate(reviewer=rita, item=item, act="choose", chosen=submission.pk, reason="The other one …",
                          errors={other.pk: "misread"}, seen=None, idempotency_key=key)
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.adjudication import tallies
from annotation.adjudication.models import Adjudication, AnswerError, Disagreement
from annotation.adjudication.selectors import (
    Apart,
    apart,
    categories_of,
    current,
    order_of,
    protocol_id_of,
    questions_of,
    screen_of,
)
from annotation.assignment import order
from annotation.assignment.models import ItemScore
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid, TooLarge
from annotation.inputs import is_text, object_id, request_key
from annotation.items.models import Item, Purpose
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.submissions.models import Submission
from annotation.transactions import in_transaction
from feedback_types import registry
from feedback_types.base import Answer

REASON_CHARACTERS = 2_000
TURN = 0x5745 << 40  # of the worker that compares answers: one at a time


@in_transaction
def adjudicate(
    *,
    reviewer: User,
    item: Item,
    act: str,
    reason: str,
    answers: Sequence[Answer] = (),
    chosen: uuid.UUID | str | None = None,
    errors: Mapping[Any, str] | None = None,
    seen: int | None = None,
    idempotency_key: uuid.UUID | str,
) -> Adjudication:
    """The final word on an item, as a new row; the same key with the same words gives the same row again.

    Args:
        act: `blind` (answered as a labeler, before seeing what others said), `choose` (one of the answers given), `write`.
        answers: of `blind` and `write`, as `read_form` or `read_json` gives them for this item's questions and screen.
        chosen: of `choose`, the id of a submission in its latest revision.
        reason: why, at most 2,000 characters; whoever was overruled may be told it.
        errors: submission id -> category of the campaign, for answers that are overruled; not together with `blind`.
        seen: id of the adjudication that holds now, as far as the reviewer knows.
    Raises:
        Invalid naming the field. Conflict `settled_meanwhile` when another decision holds than `seen`; `not_blind` for a
        reviewer who has answered or settled the item before; `nothing_to_settle` where nobody has answered;
        `key_reused` for a key that was used for another decision.
    """
    key = request_key(idempotency_key)
    if act not in Adjudication.Act.values:
        raise Invalid(
            _("Say how you decided."),
            fields={"act": [_("One of: %(acts)s.") % {"acts": ", ".join(Adjudication.Act.values)}]},
        )
    row = _lock(item)
    same = Adjudication.objects.filter(reviewer=reviewer, idempotency_key=key).first()
    picked = _chosen(item, chosen) if act == Adjudication.Act.CHOOSE else None
    said = _stored(picked, item, answers)
    wrong = _errors(item, act, picked, errors or {})
    words = _reason(reason)
    if same is not None:
        if (same.item_id, same.act, same.answers, same.reason) == (item.pk, act, said, words):
            return same
        raise Conflict(
            _("This key was used for another decision. Draw a new key for each."), code="key_reused"
        )
    before = current(item)
    if (before.pk if before else None) != seen:
        raise Conflict(
            _("Somebody else settled this item meanwhile. Look at their decision first."),
            code="settled_meanwhile",
            extra={"adjudication": before.pk if before else None},
        )
    if act == Adjudication.Act.BLIND:
        _check_blind(reviewer, item)
    protocol_id = picked.assignment.protocol_id if picked else protocol_id_of(item)
    guidelines_id = picked.assignment.guidelines_id if picked else item.campaign.guidelines_id
    assert protocol_id is not None and guidelines_id is not None  # somebody has answered
    made = Adjudication.objects.create(
        campaign_id=item.campaign_id,
        item=item,
        reviewer=reviewer,
        act=act,
        answers=said,
        chosen=picked,
        reason=words,
        supersedes=before,
        protocol_id=protocol_id,
        guidelines_id=guidelines_id,
        response_order=picked.assignment.response_order if picked else _order(item, reviewer, act),
        idempotency_key=key,
    )
    AnswerError.objects.bulk_create(
        AnswerError(
            adjudication=made,
            submission=submission,
            campaign_id=item.campaign_id,
            labeler_id=submission.labeler_id,
            category=category,
        )
        for submission, category in wrong
    )
    tallies.follow(made)
    if not row.is_settled:
        Disagreement.objects.filter(pk=item.pk).update(is_settled=True)
    record_audit(
        actor=reviewer,
        campaign=item.campaign,
        action="item.adjudicate",
        target=f"item:{item.pk}",
        before={"adjudication": before.pk} if before else None,
        after={"adjudication": made.pk, "act": act, "errors": len(wrong)},
    )
    made.refresh_from_db()
    return made


def worth(*, spread: float, answers: int, uncertainty: float | None) -> float:
    """How much settling an item is worth: spread × answers × (1 + uncertainty of a model about it, if one is stored).

    An unsettled item leaves that many answers in the data that contradict one another by `spread` each; where a model is
    unsure as well, the right answer teaches it most.
    """
    return spread * answers * (1.0 + (uncertainty or 0.0))


@in_transaction
def compare_answers(*, limit: int = 500) -> int:
    """Compares the answers to items that got new ones, at most `limit` changes; how many changes were taken in.

    Each item costs a pass over its own answers, whatever else there is. One worker at a time; what is written is what a
    recount would give. Items that are complete and on which labelers agree too little get another place, if their campaign
    says so.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [TURN])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "DELETE FROM annotation_recount WHERE id IN (SELECT id FROM annotation_recount ORDER BY id LIMIT %s)"
            " RETURNING item_id",
            [limit],
        )
        changed = [row[0] for row in cursor.fetchall()]
    if changed:
        items = {
            item.pk: item
            for item in Item.objects.filter(pk__in=set(changed), purpose=Purpose.WORK).only(
                "pk", "campaign_id"
            )
        }
        found = _compare(items)
        _want_more(items, found)
    return len(changed)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _compare(items: Mapping[int, Item]) -> dict[int, Apart]:
    Disagreement.objects.bulk_create(
        (Disagreement(item_id=pk, campaign_id=item.campaign_id) for pk, item in sorted(items.items())),
        ignore_conflicts=True,
    )
    # The rows are held before the answers are read: a decision that is under way is waited for, and not overwritten.
    rows = {
        row.pk: row
        for row in Disagreement.objects.select_for_update().filter(pk__in=items).order_by("item_id")
    }
    found = apart(list(items))
    settled = set(
        Adjudication.objects.filter(item__in=items, superseded_by=None)
        .exclude(answers=[])
        .values_list("item_id", flat=True)
    )
    scores = dict(ItemScore.objects.filter(item__in=items).values_list("item_id", "value"))
    for pk, row in rows.items():
        here = found.setdefault(pk, Apart(0, 0.0, ""))
        row.answers, row.spread, row.question = here.answers, here.spread, here.question
        row.uncertainty = _uncertainty(scores.get(pk))
        row.value = worth(spread=row.spread, answers=row.answers, uncertainty=row.uncertainty)
        row.is_settled = pk in settled
        row.counted_at = Now()
    Disagreement.objects.bulk_update(
        rows.values(), ["answers", "spread", "question", "uncertainty", "value", "is_settled", "counted_at"]
    )
    return found


def _uncertainty(score: float | None) -> float | None:
    """As a model said last of the item (`save_scores`); a score on another scale than 0 to 1 says nothing here."""
    return score if score is not None and 0 <= score <= 1 else None


def _want_more(items: Mapping[int, Item], found: Mapping[int, Apart]) -> None:
    """Another place at items on which labelers agree too little; one audit row for what a campaign's batch got."""
    wanting = Campaign.objects.filter(
        pk__in={item.campaign_id for item in items.values()},
        extra_below__isnull=False,
        state__in=(Campaign.State.OPEN, Campaign.State.PAUSED),
    )
    for campaign in wanting.order_by("pk"):
        assert campaign.extra_below is not None and campaign.extra_up_to is not None
        low = {
            pk: round(1 - found[pk].spread, 4)
            for pk, item in items.items()
            if item.campaign_id == campaign.pk
            and found[pk].answers > 1
            and 1 - found[pk].spread < campaign.extra_below
        }
        if low and (raised := order.add_place(sorted(low), up_to=campaign.extra_up_to)):
            record_audit(
                actor=None,
                campaign=campaign,
                action="items.extra_places",
                target=f"{len(raised)} items",
                after={"items": len(raised), "agreement": {str(pk): low[pk] for pk in raised[:100]}},
            )


def _lock(item: Item) -> Disagreement:
    """The item's row, held until the transaction ends: two reviewers decide one after the other."""
    Disagreement.objects.bulk_create(
        [Disagreement(item=item, campaign_id=item.campaign_id)], ignore_conflicts=True
    )
    row = Disagreement.objects.select_for_update().get(pk=item.pk)
    if not Submission.objects.filter(item=item).exists():
        raise Conflict(
            _("Nobody has answered this item yet; there is nothing to settle."), code="nothing_to_settle"
        )
    return row


def _chosen(item: Item, chosen: Any) -> Submission:
    if chosen:
        submission = (
            Submission.objects.filter(pk=object_id(chosen, "chosen"), item=item, superseded_by=None)
            .select_related("assignment")
            .first()
        )
        if submission is not None:
            return submission
    raise Invalid(
        _("Choose one of the answers to this item, in its latest version."),
        fields={"chosen": [_("Name one of the answers shown.")]},
    )


def _stored(picked: Submission | None, item: Item, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers as JSON rows. What is observed about a labeler stays theirs and is not taken over."""
    if picked is not None:
        rows = [
            {
                "question": row.question, "type": row.type, "version": row.version, "target": row.target_id,
                "payload": row.payload, "choice_set": row.choice_set,
            }
            for row in picked.feedback.order_by("id")
            if not registry.get(row.type).needs_consent
        ]  # fmt: skip
    else:
        protocol_id = protocol_id_of(item)
        questions = {q.key: q for q in questions_of(protocol_id)} if protocol_id else {}
        screen = screen_of(item, order_of(item))
        rows = []
        for answer in answers:
            question = questions.get(answer.question)
            if question is None:
                raise Invalid(
                    _("This item asks: %(keys)s.") % {"keys": ", ".join(questions)},
                    fields={answer.question: [_("There is no such question on this screen.")]},
                )
            rows.append(
                {
                    "question": question.key, "type": question.type.slug, "version": question.type.version,
                    "target": answer.target, "payload": answer.payload.dump(),
                    "choice_set": question.type.choice_set(screen, question.settings, answer.payload),
                }
            )  # fmt: skip
    if not rows:
        raise Invalid(
            _("A decision says something: answer at least one question."),
            fields={"answers": [_("Answer at least one question.")]},
        )
    return json.loads(json.dumps(rows))


def _errors(
    item: Item, act: str, picked: Submission | None, errors: Mapping[Any, str]
) -> list[tuple[Submission, str]]:
    given = {object_id(pk, "errors"): category for pk, category in errors.items() if category}
    if given and act == Adjudication.Act.BLIND:
        raise Invalid(
            _("Errors of others are named after looking at their answers, not blind."),
            fields={"errors": [_("Leave them out; you may name them in a second decision.")]},
        )
    known = categories_of(item.campaign)
    submissions = Submission.objects.filter(item=item, superseded_by=None).in_bulk(list(given))
    sentences = []
    for pk, category in given.items():
        if pk not in submissions or (picked is not None and pk == picked.pk):
            sentences.append(_("%(id)s is no answer to this item that is overruled.") % {"id": pk})
        elif category not in known:
            sentences.append(
                _("%(category)s is none of this campaign's errors: %(known)s.")
                % {"category": str(category)[:60], "known": ", ".join(known)}
            )
    if sentences:
        raise Invalid(_("The errors were not understood."), fields={"errors": sentences})
    return [(submissions[pk], category) for pk, category in sorted(given.items())]


def _check_blind(reviewer: User, item: Item) -> None:
    if (
        Submission.objects.filter(item=item, labeler=reviewer).exists()
        or Adjudication.objects.filter(item=item, reviewer=reviewer).exists()
    ):
        raise Conflict(
            _("You have answered or settled this item before, so you are not blind to it. Choose or write."),
            code="not_blind",
        )


def _order(item: Item, reviewer: User, act: str) -> list[int]:
    return order_of(item, reviewer=reviewer if act == Adjudication.Act.BLIND else None)


def _reason(reason: Any) -> str:
    text = reason.strip().replace("\r\n", "\n") if is_text(reason) else ""
    if not text:
        raise Invalid(
            _("Say why; a sentence is enough."), fields={"reason": [_("Write a sentence of plain text.")]}
        )
    if len(text) > REASON_CHARACTERS:
        message = _("At most %(n)d characters.") % {"n": REASON_CHARACTERS}
        raise TooLarge(_("The reason is too long."), fields={"reason": [message]})
    return text
