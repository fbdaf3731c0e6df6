"""What the overview of a campaign says at a glance: when it will be done, how the days went, who needs help.

Everything comes from the counts of `rollups/`: a few hundred rows, whatever the campaign's size.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from annotation.campaigns.forecast import WINDOW_H, Forecast, forecast, units_of
from annotation.campaigns.models import Campaign
from annotation.people.models import User
from annotation.rollups import selectors as rollups
from annotation.rollups.selectors import Work

# When somebody needs a word. Each rule wants enough to go by, so that a beginner's third skip is no alarm.
HASTY, HASTY_ANSWERS = 1 / 3, 20  # of the mean active time of an answer, from so many on
SKIPS, SKIPS_AT_LEAST = 0.3, 10  # of what was given to them
LATE, LATE_AT_LEAST = 0.2, 5  # of their answers


@dataclass(frozen=True)
class Need:
    """A labeler who may need help, and why: "hasty", "skips", "late"."""

    user: User
    work: Work
    why: tuple[str, ...]


def when_done(campaign: Campaign, left: int) -> Forecast:
    """From the answers of the last week that count."""
    now = timezone.now()
    hours = rollups.work_of_hours(campaign.pk, now - dt.timedelta(hours=WINDOW_H - 1))
    counts, unit_h = units_of([(hour, work.counted) for hour, work in hours], now)
    return forecast(counts, unit_h=unit_h, left=left)


def days_of(campaign: Campaign, days: int = 30) -> list[tuple[dt.date, Work]]:
    """(day in UTC, everything done on it) from the first of the last `days` on which something was done to today."""
    today = timezone.now().astimezone(dt.UTC).date()
    since = dt.datetime.combine(today - dt.timedelta(days=days - 1), dt.time(), dt.UTC)
    found: dict[dt.date, Work] = {}
    for hour, work in rollups.work_of_hours(campaign.pk, since):
        day = hour.astimezone(dt.UTC).date()
        found[day] = found.get(day, Work()) + work
    first = min(found, default=today)
    all_days = [first + dt.timedelta(days=n) for n in range((today - first).days + 1)]
    return [(day, found.get(day, Work())) for day in all_days] if found else []


def busiest(work: dict[int, Work], most: int = 8) -> list[tuple[User, Work]]:
    """The labelers with the most active time, and what they did."""
    ids = sorted(work, key=lambda pk: (-work[pk].active_ms, pk))[:most]
    people = User.objects.in_bulk(ids)
    return [(people[pk], work[pk]) for pk in ids if pk in people and work[pk].answers]


def in_need(work: dict[int, Work], most: int = 10) -> list[Need]:
    """Labelers who may need help, those with the most to say for it first."""
    timed, active_ms = sum(w.timed for w in work.values()), sum(w.active_ms for w in work.values())
    found = []
    for pk, own in work.items():
        others = (active_ms - own.active_ms) / (timed - own.timed) if timed > own.timed else None
        why = []
        if own.timed >= HASTY_ANSWERS and others and own.active_ms / own.timed < HASTY * others:
            why.append("hasty")
        if own.skipped >= SKIPS_AT_LEAST and own.skipped > SKIPS * (own.answers + own.skipped):
            why.append("skips")
        if own.late >= LATE_AT_LEAST and own.late > LATE * own.answers:
            why.append("late")
        if why:
            found.append((pk, own, tuple(why)))
    found.sort(key=lambda row: (-len(row[2]), -row[1].answers - row[1].skipped, row[0]))
    people = User.objects.in_bulk([pk for pk, _own, _why in found[:most]])
    return [Need(people[pk], own, why) for pk, own, why in found[:most] if pk in people]
