"""Where a newcomer stands: held back until qualified, or at which practice item."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from annotation.campaigns.models import Campaign
from annotation.items.models import Item, Purpose
from annotation.people.models import User
from annotation.qualification.models import PracticeAnswer, Qualification
from annotation.submissions.models import Submission


@dataclass(frozen=True)
class Standing:
    """The labeler's last attempt, how far it is, and how many further attempts there may be."""

    attempt: int
    state: str  # of Qualification
    answered: int
    of: int
    mean: float | None
    retries_left: int


def is_held_back(labeler_id: int, campaign: Campaign) -> bool:
    """Whether the campaign wants practice first, and this labeler has neither qualified nor been given work before."""
    if not campaign.practice_first:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT NOT EXISTS (SELECT 1 FROM annotation_qualification
                               WHERE campaign_id = %(c)s AND labeler_id = %(l)s AND state = 'qualified')
               AND NOT EXISTS (SELECT 1 FROM annotation_labelercursor
                               WHERE campaign_id = %(c)s AND labeler_id = %(l)s AND given > 0)
               AND EXISTS (SELECT 1 FROM annotation_item
                           WHERE campaign_id = %(c)s AND purpose = 'practice' AND withdrawn_at IS NULL)
            """,
            {"c": campaign.pk, "l": labeler_id},
        )
        return bool(cursor.fetchone()[0])


def practice_items(labeler_id: int, campaign: Campaign) -> QuerySet[Item]:
    """The set in its order; what this labeler once answered as work is no practice for them."""
    known = Submission.objects.filter(item=OuterRef("pk"), labeler_id=labeler_id)
    return Item.objects.filter(
        ~Exists(known), campaign=campaign, purpose=Purpose.PRACTICE, withdrawn_at=None, held_at=None
    ).order_by("pk")


def last_attempt(labeler_id: int, campaign: Campaign) -> Qualification | None:
    return Qualification.objects.filter(campaign=campaign, labeler_id=labeler_id).order_by("-attempt").first()


def unseen(attempt: Qualification) -> PracticeAnswer | None:
    """The answer whose comparison is on the labeler's screen."""
    rows = PracticeAnswer.objects.filter(qualification=attempt, seen_at=None)
    return rows.select_related("assignment__item__prompt", "assignment__campaign", "qualification").first()


def standing(labeler: User, campaign: Campaign) -> Standing:
    """Also before the first attempt has begun."""
    last = last_attempt(labeler.pk, campaign)
    total = practice_items(labeler.pk, campaign).count()
    if last is None:
        return Standing(1, Qualification.State.QUALIFYING, 0, total, None, campaign.practice_retries)
    answered = PracticeAnswer.objects.filter(qualification=last).count()
    left = max(0, campaign.practice_retries + 1 - last.attempt)
    return Standing(last.attempt, last.state, answered, max(total, answered), last.mean, left)


def standings(campaign: Campaign) -> dict[int, Qualification]:
    """Labeler id -> the last attempt, for those who oversee the campaign."""
    rows = Qualification.objects.filter(campaign=campaign).order_by("labeler", "-attempt").distinct("labeler")
    return {row.labeler_id: row for row in rows}
