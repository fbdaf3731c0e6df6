"""How far a campaign is, for its admins and for one labeler."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from annotation.assignment.lanes import MAY
from annotation.assignment.models import Assignment
from annotation.campaigns.models import Campaign
from annotation.people.models import User
from annotation.rollups import selectors as rollups
from annotation.submissions.models import Submission


@dataclass(frozen=True)
class Progress:
    """Counts of one campaign. `answers_wanted` is overlap summed over items that are not withdrawn.

    Gold and practice items are no part of it.
    """

    items: int
    items_complete: int
    items_begun: int
    items_withdrawn: int
    answers_counted: int
    answers_wanted: int
    answers_late: int
    skips: int
    open_flags: int
    leases: int
    labelers: int
    at: dt.datetime

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.answers_counted / self.answers_wanted if self.answers_wanted else 0.0


@dataclass(frozen=True)
class LabelerProgress:
    """What one labeler did in one campaign."""

    today: int
    this_week: int
    total: int
    late: int
    skipped: int
    active_minutes_today: float
    last_at: dt.datetime | None
    open_places: int  # places that the labeler might still get; an upper bound


def campaign_progress(campaign: Campaign) -> Progress:
    """From the counts that are kept, so it costs the same at ten items and at a million, and is never late."""
    n = rollups.counts(campaign.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM annotation_assignment WHERE campaign_id = %(c)s AND state = 1),
                   (SELECT count(*) FROM annotation_labelercursor WHERE campaign_id = %(c)s), statement_timestamp()
            """,
            {"c": campaign.pk},
        )
        leases, labelers, at = cursor.fetchone()
    return Progress(
        items=n["items"],
        items_complete=n["complete"],
        items_begun=n["begun"],
        items_withdrawn=n["withdrawn"],
        answers_counted=n["answers"],
        answers_wanted=n["wanted"],
        answers_late=n["late"],
        skips=n["skipped"],
        open_flags=n["open_flags"],
        leases=leases,
        labelers=labelers,
        at=at,
    )


def labeler_progress(labeler: User, campaign: Campaign) -> LabelerProgress:
    """The labeler's own numbers; a day is a day in UTC, a week begins on Monday."""
    today = timezone.now().astimezone(dt.UTC).date()
    monday = today - dt.timedelta(days=today.weekday())
    days = rollups.own_days(labeler.pk, campaign.pk)
    last = Submission.objects.filter(labeler=labeler, campaign=campaign).order_by("-submitted_at")
    return LabelerProgress(
        today=sum(work.answers for day, work in days if day >= today),
        this_week=sum(work.answers for day, work in days if day >= monday),
        total=sum(work.answers for _day, work in days),
        late=sum(work.late for _day, work in days),
        skipped=sum(work.skipped for _day, work in days),
        active_minutes_today=sum(work.active_ms for day, work in days if day >= today) / 60_000,
        last_at=last.values_list("submitted_at", flat=True).first(),
        open_places=open_places(campaign, labeler),
    )


def open_places(campaign: Campaign, labeler: User, at_most: int = 10_000) -> int:
    """How many judgements are still wanted by nobody's hands that this labeler may be given, counted up to a bound."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM (
              SELECT 1 FROM annotation_lane l LEFT JOIN annotation_membership m
                ON m.campaign_id = l.campaign_id AND m.user_id = %(labeler)s AND m.role = 'labeler'
              JOIN annotation_slot s ON s.campaign_id = l.campaign_id AND s.lane = l.number
              WHERE l.campaign_id = %(campaign)s AND {MAY} LIMIT %(most)s) s
            """,
            {"campaign": campaign.pk, "labeler": labeler.pk, "most": at_most},
        )
        return cursor.fetchone()[0]


def own_answers_per_day(
    labeler: User, campaigns: Sequence[Campaign], days: int = 30
) -> list[tuple[dt.date, int]]:
    """(day in UTC, first answers of one labeler in these campaigns), oldest first, the last `days` of them or, for somebody
    who began lately, the last fourteen; a day without answers is a day with 0."""
    today = timezone.now().astimezone(dt.UTC).date()
    found: dict[dt.date, int] = {}
    for campaign in campaigns:
        for day, work in rollups.own_days(labeler.pk, campaign.pk):
            if day > today - dt.timedelta(days=days):
                found[day] = found.get(day, 0) + work.answers
    first = min([*found, today - dt.timedelta(days=13)])
    return [
        (day, found.get(day, 0))
        for n in range((today - first).days + 1)
        if (day := first + dt.timedelta(days=n))
    ]


def seconds_per_answer(campaign: Campaign, sample: int = 500) -> float | None:
    """Median active seconds of the latest answers; None before there are any."""
    recent = Submission.objects.filter(campaign=campaign, active_ms__isnull=False).order_by("-submitted_at")
    durations = sorted(ms or 0 for ms in recent.values_list("active_ms", flat=True)[:sample])
    return durations[len(durations) // 2] / 1000 if durations else None


def labelers_at_work(campaign: Campaign) -> int:
    """Labelers who hold a lease now."""
    return (
        Assignment.objects.filter(campaign=campaign, state=Assignment.State.LEASED)
        .values("labeler")
        .distinct()
        .count()
    )
