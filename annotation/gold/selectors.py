"""How labelers do on gold items, for the floors and for those who oversee a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from annotation.campaigns.models import Campaign
from annotation.gold.models import GoldTally
from annotation.gold.tallies import ANSWERS
from annotation.people.models import Membership, Role, User
from annotation.quality.selectors import consensus


@dataclass(frozen=True)
class Standing:
    """The latest gold answers of one labeler: how many there are (at most `Campaign.gold_window`), and their mean score."""

    answers: int
    mean: float | None


@dataclass(frozen=True)
class GoldReport:
    """One labeler on the gold items of a campaign: all of them, and the latest that the floors look at."""

    user: User
    answers: int
    mean: float
    latest: Standing
    is_paused: bool
    is_warned: bool


def standing(campaign: Campaign, membership: Membership) -> Standing:
    """Of the gold answers since a pause was last lifted, the latest `gold_window`."""
    rows = _rows(
        f"""
        SELECT count(*), avg(score) FROM ({ANSWERS}) a
        WHERE place <= %(window)s AND (%(since)s::timestamptz IS NULL OR at > %(since)s)
        """,
        {
            "campaign": campaign.pk,
            "labeler": membership.user_id,
            "window": campaign.gold_window,
            "since": membership.gold_since,
        },
    )
    return Standing(rows[0][0], rows[0][1])


def gold_reports(
    campaign: Campaign, *, after: tuple[float, int] | None = None, size: int = 100
) -> list[GoldReport]:
    """A page of labelers with gold answers, those who need a word first; continued after (mean of latest, labeler id)."""
    rows = GoldTally.objects.filter(campaign_id=campaign.pk)
    if after is not None:
        mean, labeler_id = after
        rows = rows.filter(
            Q(latest_mean__gt=mean) | Q(latest_mean=mean, labeler_id__gt=labeler_id), latest_mean__gte=mean
        )
    shown = list(rows.order_by("latest_mean", "labeler_id")[:size])
    ids = [row.labeler_id for row in shown]
    people = User.objects.in_bulk(ids)
    labelers = Membership.objects.filter(campaign=campaign, role=Role.LABELER, user__in=ids)
    members = {member.user_id: member for member in labelers}
    return [_report(row, people[row.labeler_id], members.get(row.labeler_id)) for row in shown]


def _report(row: GoldTally, user: User, member: Membership | None) -> GoldReport:
    return GoldReport(
        user,
        row.answers,
        row.mean,
        Standing(row.latest_answers, row.latest_mean),
        is_paused=bool(member and member.suspended_at and member.paused_by),
        is_warned=bool(member and member.gold_warned_at),
    )


def consensus_answers(item: Any) -> list[dict[str, Any]]:
    """What the group says about an item, as answers that `make_gold` takes; empty when nobody has answered."""
    return [
        {"question": c.question, "target": c.target, "payload": c.payload.dump()} for c in consensus(item)
    ]


def _rows(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
