"""How far a campaign is, for its admins and for one labeler."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q
from django.db.models.functions import Now, TruncDay
from django.utils import timezone

from annotation.assignment.models import Assignment, QueueState, Skip
from annotation.campaigns.models import Campaign
from annotation.people.models import User
from annotation.submissions.models import Submission

LIVE_ITEMS = 20_000  # up to so many items counting afresh takes a few milliseconds


@dataclass(frozen=True)
class Progress:
    """Counts of one campaign. `answers_wanted` is overlap summed over items that are not withdrawn."""

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
    """Counts afresh for a small campaign; for a large one as of the last roll-up, at most half a minute ago."""
    state = QueueState.objects.filter(campaign_id=campaign.pk).first()
    if state is None or state.progress is None or state.progress["items"] <= LIVE_ITEMS:
        return count_progress(campaign.pk)
    return Progress(**state.progress, at=state.progress_at or timezone.now())


def count_progress(campaign_id: int) -> Progress:
    """Counts afresh: a pass over the campaign's items and answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE counted >= overlap AND withdrawn_at IS NULL),
                   count(*) FILTER (WHERE counted > 0 AND counted < overlap AND withdrawn_at IS NULL),
                   count(*) FILTER (WHERE withdrawn_at IS NOT NULL), coalesce(sum(counted), 0),
                   coalesce(sum(overlap) FILTER (WHERE withdrawn_at IS NULL), 0)
            FROM annotation_item WHERE campaign_id = %s
            """,
            [campaign_id],
        )
        items = cursor.fetchone()
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM annotation_submission
                    WHERE campaign_id = %(c)s AND status = 'late' AND revision = 0),
                   (SELECT count(*) FROM annotation_skip s JOIN annotation_assignment a ON a.id = s.assignment_id
                    WHERE a.campaign_id = %(c)s),
                   (SELECT count(*) FROM annotation_flag f JOIN annotation_assignment a ON a.id = f.assignment_id
                    WHERE a.campaign_id = %(c)s AND f.resolved_at IS NULL),
                   (SELECT count(*) FROM annotation_assignment WHERE campaign_id = %(c)s AND state = 1),
                   (SELECT count(*) FROM annotation_labelercursor WHERE campaign_id = %(c)s), statement_timestamp()
            """,
            {"c": campaign_id},
        )
        others = cursor.fetchone()
    return Progress(*items, *others)


def roll_up(campaign_id: int) -> Progress:
    """Counts and keeps the result; the periodic task calls it."""
    progress = count_progress(campaign_id)
    kept: dict[str, Any] = asdict(progress)
    at = kept.pop("at")
    QueueState.objects.update_or_create(
        campaign_id=campaign_id, defaults={"progress": kept, "progress_at": at}
    )
    return progress


def labeler_progress(labeler: User, campaign: Campaign) -> LabelerProgress:
    """The labeler's own numbers; the day begins at midnight in the site's time zone."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    week = midnight - dt.timedelta(days=midnight.weekday())
    mine = Submission.objects.filter(labeler=labeler, campaign=campaign)
    counts = mine.filter(revision=0).aggregate(
        today=Count("pk", filter=Q(submitted_at__gte=midnight)),
        this_week=Count("pk", filter=Q(submitted_at__gte=week)),
        total=Count("pk"),
        late=Count("pk", filter=Q(status=Submission.Status.LATE)),
        last=Max("submitted_at"),
    )
    durations = mine.filter(submitted_at__gte=midnight).values_list("active_ms", flat=True)
    return LabelerProgress(
        today=counts["today"],
        this_week=counts["this_week"],
        total=counts["total"],
        late=counts["late"],
        skipped=Skip.objects.filter(assignment__labeler=labeler, assignment__campaign=campaign).count(),
        active_minutes_today=sum(ms or 0 for ms in durations) / 60_000,
        last_at=counts["last"],
        open_places=open_places(campaign),
    )


def open_places(campaign: Campaign, at_most: int = 10_000) -> int:
    """How many judgements are still wanted by nobody's hands, counted up to a bound."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM annotation_slot WHERE campaign_id = %s LIMIT %s) s",
            [campaign.pk, at_most],
        )
        return cursor.fetchone()[0]


def answers_per_day(campaign: Campaign, days: int = 30) -> list[tuple[dt.datetime, int]]:
    """(day, first answers that came in), oldest first, days without answers left out."""
    return list(
        Submission.objects.filter(
            campaign=campaign, revision=0, submitted_at__gte=Now() - dt.timedelta(days=days)
        )
        .annotate(day=TruncDay("submitted_at"))
        .values_list("day")
        .annotate(n=Count("pk"))
        .order_by("day")
    )


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
