"""Counts as pages read them: what is folded and what is not yet, so that they are never late."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation.rollups.counting import MEASURES, WORKED
from annotation.rollups.models import WORK


@dataclass(frozen=True)
class Work:
    """What was done: first answers (`counted`, `late`), corrections, skips, reports; seconds of the `timed` ones of them."""

    counted: int = 0
    late: int = 0
    revised: int = 0
    skipped: int = 0
    flagged: int = 0
    timed: int = 0
    active_ms: int = 0
    idle_ms: int = 0
    earned_micros: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, m) + getattr(other, m) for m in WORK))

    @property
    def answers(self) -> int:
        return self.counted + self.late

    @property
    def active_s_per_answer(self) -> float | None:
        """Mean active seconds of an answer; None before one is timed."""
        return self.active_ms / 1000 / self.timed if self.timed else None

    @property
    def active_share(self) -> float | None:
        """Active time of the time between first render and arrival; None before there is any."""
        return self.active_ms / (self.active_ms + self.idle_ms) if self.active_ms + self.idle_ms else None


def counts(campaign_id: int) -> dict[str, int]:
    """Every measure of one campaign (`rollups/models.py`), as of now."""
    columns = ", ".join(MEASURES)
    rows = _rows(
        f"SELECT {_sums(MEASURES)} FROM (SELECT {columns} FROM annotation_campaigntally WHERE campaign_id = %(c)s"
        f" UNION ALL SELECT {columns} FROM annotation_tallychange WHERE campaign_id = %(c)s) t",
        c=campaign_id,
    )
    return dict(zip(MEASURES, (int(n) for n in rows[0]), strict=True))


def work_of_hours(campaign_id: int, since: dt.datetime) -> list[tuple[dt.datetime, Work]]:
    """(hour in UTC, work), oldest first, hours without any left out."""
    return [
        (hour, Work(*(int(n) for n in sums)))
        for hour, *sums in _rows(
            f"SELECT hour, {_sums(WORK)} FROM (SELECT hour, {_columns} FROM annotation_campaignhour"
            "   WHERE campaign_id = %(c)s AND hour >= %(since)s"
            f" UNION ALL SELECT date_trunc('hour', at, 'UTC'), {_columns} FROM annotation_tallychange"
            "   WHERE campaign_id = %(c)s AND at >= %(since)s) t GROUP BY hour ORDER BY hour",
            c=campaign_id,
            since=since.replace(minute=0, second=0, microsecond=0),
        )
    ]


def work_of_labelers(campaign_id: int) -> dict[int, Work]:
    """Labeler id → everything they did in the campaign."""
    return {
        labeler: Work(*(int(n) for n in sums))
        for labeler, *sums in _rows(
            f"SELECT labeler_id, {_sums(WORK)} FROM (SELECT labeler_id, {_columns} FROM annotation_labelertally"
            f"   WHERE campaign_id = %(c)s UNION ALL SELECT labeler_id, {_columns} FROM annotation_tallychange"
            "   WHERE campaign_id = %(c)s AND labeler_id IS NOT NULL) t GROUP BY labeler_id",
            c=campaign_id,
        )
    }


def own_days(
    labeler_id: int, campaign_id: int | None = None, since: dt.date | None = None
) -> list[tuple[dt.date, Work]]:
    """(day in UTC, one labeler's work on it, in one campaign or in all), oldest first, from a day on or from the first."""
    where = "labeler_id = %(l)s" + (" AND campaign_id = %(c)s" if campaign_id is not None else "")
    return [
        (day, Work(*(int(n) for n in sums)))
        for day, *sums in _rows(
            f"SELECT day, {_sums(WORK)} FROM (SELECT day, {_columns} FROM annotation_labelerday WHERE {where}"
            f" UNION ALL SELECT (at AT TIME ZONE 'UTC')::date, {_columns} FROM annotation_tallychange"
            f"   WHERE {where}) t WHERE day >= %(since)s GROUP BY day ORDER BY day",
            c=campaign_id,
            l=labeler_id,
            since=since or dt.date.min,
        )
    ]


def reasons(campaign_id: int) -> dict[str, int]:
    """ "skip:unclear" → how often; also "flag:…" (reports ever made) and "open:…" (that nobody has looked at yet)."""
    return {
        reason: int(n)
        for reason, n in _rows(
            "SELECT reason, sum(n) FROM (SELECT reason, n FROM annotation_reasontally WHERE campaign_id = %(c)s"
            "  UNION ALL SELECT reason, skipped + flagged + open_flags FROM annotation_tallychange"
            "   WHERE campaign_id = %(c)s AND reason <> '') t GROUP BY reason HAVING sum(n) <> 0",
            c=campaign_id,
        )
    }


_columns = ", ".join(WORKED)


def _sums(measures: Any) -> str:
    return ", ".join(f"coalesce(sum({m}), 0)" for m in measures)


def _rows(sql: str, **parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
