"""Statistics that cost more than a page may: computed by a worker, kept in one row each, read by pages and API.

    read(campaign, "leaderboard")            what is known, and as of when; small campaigns are computed on the spot
    ask(actor=…, campaign=…, statistic=…)    a worker computes it again
    compute(campaign_id, statistic)          what the worker does

The row is the truth: who asked stays in it until it is answered, so a lost message loses nothing (`refresh` sends it again).
A report that is older than the newest answer is computed again by itself, but not more often than every ten minutes, and
never so often that a worker spends more than a twentieth of its time on it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.errors import NotFound
from annotation.locks import Work, held
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.quality import agreement, habits, leaderboard, reading, reliability
from annotation.quality.models import QualityReport
from annotation.submissions.models import Submission
from annotation.transactions import in_transaction

log = structlog.get_logger(__name__)

STATISTICS: Mapping[str, Callable[[Campaign], dict[str, Any]]] = {
    "agreement": agreement.report,
    "habits": habits.report,
    reliability.NAME: reliability.report,
    "leaderboard": leaderboard.report,
}
ON_THE_SPOT = 60  # submissions; so few are read and computed while a page is made
EVERY_S = 600
SHARE = 20  # a report that took a second waits twenty of them at least
LOST_S = 120  # a message that nobody took for so long is sent again


@dataclass(frozen=True)
class Report:
    """What a page shows. `data` is None before anything was computed; `computed_at` None when it was made for this page."""

    data: Any
    computed_at: dt.datetime | None
    is_old: bool  # answers came in since
    is_awaited: bool
    problem: str = ""


def read(campaign: Campaign, statistic: str) -> Report:
    """Raises NotFound for a statistic that there is not."""
    function = _function(statistic)
    row = QualityReport.objects.filter(campaign=campaign, statistic=statistic).first()
    if row is not None and row.computed_at is not None and not _is_old(row):
        return Report(row.data, row.computed_at, False, row.is_awaited, row.problem)
    if reading.size(campaign, at_most=ON_THE_SPOT) <= ON_THE_SPOT:
        return Report(function(campaign), None, False, False)
    if row is None:
        return Report(None, None, True, False)
    return Report(row.data, row.computed_at, True, row.is_awaited, row.problem)


@in_transaction
def ask(*, actor: User, campaign: Campaign, statistic: str) -> QualityReport:
    """Has a worker compute it. Raises NotFound for a statistic that there is not."""
    _function(statistic)
    row, _made = QualityReport.objects.update_or_create(
        campaign=campaign, statistic=statistic, defaults={"asked_at": Now()}
    )
    record_audit(actor=actor, campaign=campaign, action="quality.compute", target=f"quality:{statistic}")
    transaction.on_commit(lambda: _send(campaign.pk, statistic))
    row.refresh_from_db()
    return row


def compute(campaign_id: int, statistic: str) -> bool:
    """Computes and keeps it; whether it did. One worker at a time for each campaign; what is not out of date is left."""
    function = _function(statistic)
    with held(Work.QUALITY, campaign_id) as is_mine:
        return is_mine and _compute(campaign_id, statistic, function)


def _compute(campaign_id: int, statistic: str, function: Callable[[Campaign], dict[str, Any]]) -> bool:
    campaign = Campaign.objects.select_related("protocol").filter(pk=campaign_id).first()
    row = QualityReport.objects.filter(campaign_id=campaign_id, statistic=statistic).first()
    if campaign is None or (row is not None and not row.is_awaited and not _is_old(row)):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")  # what comes in from now on is newer than the report
        began = cursor.fetchone()[0]
    started = time.monotonic()
    try:
        kept: dict[str, Any] = {"data": function(campaign), "computed_at": began, "problem": ""}
    except Exception as error:  # whatever it is: the old figures stay, the page says so, the log says what
        log.exception("quality_report_failed", campaign=campaign_id, statistic=statistic)
        kept = {"problem": type(error).__name__}
    kept |= {"tried_at": began, "seconds": time.monotonic() - started}
    QualityReport.objects.update_or_create(campaign=campaign, statistic=statistic, defaults=kept)
    return True


def refresh() -> int:
    """Sends what was asked for and not taken, and what has become old; how many."""
    sent = 0
    rows = {(r.campaign_id, r.statistic): r for r in QualityReport.objects.defer("data")}
    now = timezone.now()
    for campaign in Campaign.objects.exclude(state=Campaign.State.DRAFT):
        if reading.size(campaign, at_most=ON_THE_SPOT) <= ON_THE_SPOT:
            continue
        for statistic in STATISTICS:
            row = rows.get((campaign.pk, statistic))
            if row is None or _is_due(row, now):
                _send(campaign.pk, statistic)
                sent += 1
    return sent


def _is_due(row: QualityReport, now: dt.datetime) -> bool:
    if row.asked_at is not None and row.is_awaited:
        return (now - row.asked_at).total_seconds() > LOST_S
    if row.tried_at is None:
        return True
    waits = max(EVERY_S, SHARE * row.seconds)
    return (now - row.tried_at).total_seconds() > waits and _is_old(row)


def _is_old(row: QualityReport) -> bool:
    """Whether an answer came in since it was computed: one look into an index."""
    newest = (
        Submission.objects.filter(campaign_id=row.campaign_id)
        .order_by("-submitted_at")
        .values_list("submitted_at", flat=True)[:1]
    )
    return row.computed_at is None or any(at > row.computed_at for at in newest)


def _function(statistic: str) -> Callable[[Campaign], dict[str, Any]]:
    if statistic not in STATISTICS:
        raise NotFound(
            _("There is no such statistic; there are: %(known)s.") % {"known": ", ".join(STATISTICS)}
        )
    return STATISTICS[statistic]


def _send(campaign_id: int, statistic: str) -> None:
    from annotation.tasks import compute_quality  # the tasks import this module

    try:
        compute_quality.delay(campaign_id, statistic)
    except compute_quality.OperationalError:
        pass  # the broker is away: `refresh` sends it again
