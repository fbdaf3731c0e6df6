"""How labelers do on gold items, for the floors and for those who oversee a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation.campaigns.models import Campaign
from annotation.people.models import Membership, User
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


# One row for each answer in its latest revision, newest first.
ANSWERS = """
SELECT g.labeler_id, avg(g.score) AS score, min(g.created_at) AS at,
       row_number() OVER (PARTITION BY g.labeler_id ORDER BY max(g.id) DESC) AS place
FROM annotation_goldscore g
WHERE g.campaign_id = %(campaign)s AND (%(labeler)s::bigint IS NULL OR g.labeler_id = %(labeler)s)
  AND NOT EXISTS (SELECT 1 FROM annotation_submission n WHERE n.supersedes_id = g.submission_id)
GROUP BY g.labeler_id, g.submission_id
"""


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


def gold_reports(campaign: Campaign) -> list[GoldReport]:
    """Labelers with gold answers, those who need a word first."""
    rows = _rows(
        f"""
        SELECT labeler_id, count(*), avg(score), count(*) FILTER (WHERE place <= %(window)s),
               avg(score) FILTER (WHERE place <= %(window)s)
        FROM ({ANSWERS}) a GROUP BY labeler_id
        """,
        {"campaign": campaign.pk, "labeler": None, "window": campaign.gold_window},
    )
    people = User.objects.in_bulk([row[0] for row in rows])
    members = {m.user_id: m for m in Membership.objects.filter(campaign=campaign, role="labeler")}
    found = []
    for labeler_id, answers, mean, latest, latest_mean in rows:
        member = members.get(labeler_id)
        found.append(
            GoldReport(
                people[labeler_id],
                answers,
                mean,
                Standing(latest, latest_mean),
                is_paused=bool(member and member.suspended_at and member.paused_by),
                is_warned=bool(member and member.gold_warned_at),
            )
        )
    return sorted(found, key=lambda r: (r.latest.mean or 0.0, r.user.username))


def consensus_answers(item: Any) -> list[dict[str, Any]]:
    """What the group says about an item, as answers that `make_gold` takes; empty when nobody has answered."""
    return [
        {"question": c.question, "target": c.target, "payload": c.payload.dump()} for c in consensus(item)
    ]


def _rows(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
