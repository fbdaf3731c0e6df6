"""What is on a screen, and what a labeler has in hand."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from django.db import connection
from django.db.models import QuerySet

from annotation.assignment.lanes import MAY
from annotation.assignment.models import Assignment, Flag, LabelerCursor, QueueState
from annotation.campaigns.models import Campaign, Guidelines, Protocol
from annotation.consents.selectors import given
from annotation.items.models import Response
from annotation.people.models import Membership, Role, User
from feedback_types.base import Message, Question, Screen, ShownResponse
from feedback_types.protocol import asked_with

# Responses that were shown lately: they are never edited, and what was shown is what comes back answered a minute later.
MAX_SHOWN = 500
_shown: dict[int, ShownResponse] = {}


@lru_cache(maxsize=256)
def protocol(protocol_id: int) -> Protocol:
    """A protocol version; it never changes, so a process reads it once."""
    return Protocol.objects.get(pk=protocol_id)


@lru_cache(maxsize=256)
def guidelines(guidelines_id: int) -> Guidelines:
    """A guidelines version; it never changes, so a process reads it once."""
    return Guidelines.objects.get(pk=guidelines_id)


def questions_for(assignment: Assignment) -> tuple[Question, ...]:
    """What is asked on the screen of an assignment, in the version that it was leased under."""
    return asked_of(assignment.labeler_id, assignment.protocol_id)


def asked_of(labeler_id: int, protocol_id: int) -> tuple[Question, ...]:
    """What a protocol asks one labeler: a question that needs a consent is there only for those who have given it."""
    questions = protocol(protocol_id).questions
    if not any(q.type.needs_consent for q in questions):
        return questions
    return asked_with(questions, given(labeler_id))


def asks(campaign: Campaign, labeler_id: int) -> bool:
    """Whether there is anything that this campaign asks this labeler."""
    return campaign.protocol_id is None or bool(asked_of(labeler_id, campaign.protocol_id))


def closed_to(campaign: Campaign, labeler_id: int) -> dict[str, str] | None:
    """Languages and skills, in words, of open places that this labeler may not be given; None if there are none."""
    member = Membership.objects.filter(campaign=campaign, user_id=labeler_id, role=Role.LABELER).first()
    if member is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.language, l.skills FROM annotation_lane l JOIN annotation_membership m ON m.id = %(member)s
            WHERE l.campaign_id = %(campaign)s AND NOT {MAY}
              AND (SELECT s.item_id FROM annotation_slot s WHERE s.campaign_id = l.campaign_id AND s.lane = l.number
                   LIMIT 1) IS NOT NULL
            ORDER BY l.number
            """,
            {"campaign": campaign.pk, "member": member.pk},
        )
        lanes = cursor.fetchall()
    if not lanes:
        return None
    missing = {skill for _language, skills in lanes for skill in skills} - set(member.skills)
    languages = {language for language, skills in lanes if set(skills) <= set(member.skills)}
    return {"languages": ", ".join(sorted(languages)), "skills": ", ".join(sorted(missing))}


def unread_guidelines(labeler: User, campaign: Campaign) -> Guidelines | None:
    """The version that the labeler knows, if the campaign has a newer one that they must acknowledge first; else None."""
    if labeler.kind != User.Kind.HUMAN or campaign.guidelines_id is None:
        return None
    told = (
        LabelerCursor.objects.filter(campaign_id=campaign.pk, labeler_id=labeler.pk)
        .values_list("told_id", flat=True)
        .first()
    )
    return None if told in (None, campaign.guidelines_id) else guidelines(told)


def screen_for(assignment: Assignment) -> Screen:
    """Prompt and responses in the order in which this labeler sees them.

    Raises RuntimeError when a text is not the one that its hash was made of: what was shown must be what is recorded.
    """
    found = {i: shown for i in assignment.response_order if (shown := _shown.get(i))}
    missing = [i for i in assignment.response_order if i not in found]
    if missing:
        rows = Response.objects.filter(pk__in=missing).values_list("pk", "text", "sha256")
        for response_id, text, sha256 in rows:
            if hashlib.sha256(text.encode()).hexdigest() != sha256:
                raise RuntimeError(
                    f"response {response_id} is not the text that was stored: its hash differs"
                )
            found[response_id] = _shown[response_id] = ShownResponse(response_id, text)
        while len(_shown) > MAX_SHOWN:
            _shown.pop(next(iter(_shown)), None)
    messages = tuple(Message(m["role"], m["content"]) for m in assignment.item.prompt.messages)
    return Screen(messages, tuple(found[i] for i in assignment.response_order))


def order_for(seed: int, response_ids: list[int]) -> list[int]:
    """The order that a seed gives: by SHA-256 of `seed:id`, in this process as in the database."""
    return sorted(response_ids, key=lambda id_: hashlib.sha256(f"{seed}:{id_}".encode()).digest())


def held_by(labeler: User, campaign: Campaign) -> QuerySet[Assignment]:
    """The labeler's leases, first leased first."""
    return Assignment.objects.filter(
        labeler=labeler, campaign=campaign, state=Assignment.State.LEASED
    ).order_by("leased_at", "id")


def open_flags(campaign: Campaign) -> QuerySet[Flag]:
    """Reports that nobody has looked at yet."""
    return Flag.objects.filter(assignment__campaign=campaign, resolved_at=None).select_related(
        "assignment__item__prompt", "assignment__labeler"
    )


def overlap_under_way(campaign: Campaign) -> int | None:
    """The overlap that a worker is giving to the items of a large campaign; None when all have it."""
    rows = QueueState.objects.filter(pk=campaign.pk, overlap_to__isnull=False)
    return rows.values_list("overlap_to", flat=True).first()
