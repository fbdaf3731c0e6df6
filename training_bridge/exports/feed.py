"""What labelers say, as it comes in: events after a cursor, each of them once, none lost that commits late.

A row's number is drawn before its transaction commits, so "everything above the last number" would skip an answer whose
transaction took longer than its neighbour's. Here the order is that of the moment of the answer, then of the submission. A
page ends before the oldest moment that a transaction under way may still bring: nothing can appear behind a cursor any more.

    events, after, more = page(campaign, after="", limit=100)

A correction is a new submission that names the one it `supersedes`. Answers about gold items are not in it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection

from annotation.campaigns.models import Campaign
from training_bridge.exports.cut import LABELERS, pseudonym
from training_bridge.exports.filters import utc

MOST = 1_000
CURSOR = re.compile(r"([0-9]{1,17})\.([0-9a-f-]{36})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LAG_S = 1.0  # between the moment of a statement and when its process tells that it runs lie microseconds

# The moment of an answer is that of the statement that stores it. A transaction that has written may have done so at any
# moment since it began; a statement that runs without having written yet will do so with the moment at which it was sent;
# whatever is sent later has a later moment than now.
HORIZON = """
    SELECT least(clock_timestamp() - make_interval(secs => %s),
                 min(CASE WHEN backend_xid IS NULL THEN query_start ELSE xact_start END))
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (backend_xid IS NOT NULL OR state = 'active')
"""
PAGE = """
    SELECT s.submitted_at, s.id, s.supersedes_id, s.item_id, s.labeler_id, s.labeler_kind, s.revision, s.status,
           s.protocol_version, s.guidelines_version, s.active_ms, s.total_ms, s.device_class,
           i.prompt_id, i.round_number, a.response_order, a.chosen_by
    FROM annotation_submission s
    JOIN annotation_item i ON i.id = s.item_id
    JOIN annotation_assignment a ON a.id = s.assignment_id
    WHERE s.campaign_id = %(campaign)s AND s.submitted_at < %(horizon)s AND i.purpose = 'work'
      AND s.submitted_at >= %(since)s AND (s.submitted_at, s.id) > (%(since)s, %(last)s)
    ORDER BY s.submitted_at, s.id
    LIMIT %(limit)s
"""
FEEDBACK = """
    SELECT submission_id, id, question, type, version, target_id, payload, choice_set
    FROM annotation_feedback WHERE submission_id = ANY(%s) ORDER BY id
"""


class BadCursor(ValueError):
    """A cursor that did not come from here."""


@dataclass(frozen=True)
class Page:
    """Events in their order, the cursor behind them, and whether there is more that could be had at once."""

    events: list[dict[str, Any]]
    after: str
    more: bool


def page(campaign: Campaign, *, after: str = "", limit: int = 100) -> Page:
    """The events of the next `limit` submissions. Raises BadCursor; an empty page keeps the cursor."""
    since, last = _read(after)
    with connection.cursor() as cursor:
        cursor.execute(HORIZON, [LAG_S])  # before the rows are read: what ended by then can be seen
        (horizon,) = cursor.fetchone()
        cursor.execute(
            PAGE,
            {"campaign": campaign.pk, "horizon": horizon, "since": since, "last": last, "limit": limit + 1},
        )
        submissions = cursor.fetchall()
        more, submissions = len(submissions) > limit, submissions[:limit]
        said: dict[Any, list[Any]] = {}
        cursor.execute(FEEDBACK, [[row[1] for row in submissions]])
        for row in cursor.fetchall():
            said.setdefault(row[0], []).append(row)
        cursor.execute(LABELERS, {"campaign": campaign.pk})
        names = {pk: pseudonym(key, campaign.pk) for pk, key in cursor.fetchall()}
    events = [
        _event(campaign, row, feedback, names) for row in submissions for feedback in said.get(row[1], ())
    ]
    return Page(events, _cursor(*submissions[-1][:2]) if submissions else after, more)


def _event(
    campaign: Campaign, row: tuple[Any, ...], feedback: tuple[Any, ...], names: dict[int, str]
) -> dict[str, Any]:
    (submitted_at, submission, supersedes, item, labeler, kind, revision, status, protocol, guidelines,
     active_ms, total_ms, device_class, prompt, round_number, order, chosen_by) = row  # fmt: skip
    _, event, question, slug, version, target, payload, choice_set = feedback
    return {
        "id": event,
        "submission": str(submission),
        "supersedes": supersedes and str(supersedes),
        "campaign": campaign.pk,
        "item": item,
        "round": round_number,
        "prompt": prompt,
        "responses": order,
        "chosen_by": chosen_by,
        "question": question,
        "type": slug,
        "version": version,
        "target": target,
        "payload": _json(payload),
        "choice_set": _json(choice_set),
        "labeler": names[labeler],
        "labeler_kind": kind,
        "status": status,
        "revision": revision,
        "protocol_version": protocol,
        "guidelines_version": guidelines,
        "active_ms": active_ms,
        "total_ms": total_ms,
        "device_class": device_class,
        "submitted_at": utc(submitted_at),
    }


def _json(value: Any) -> Any:
    """Django's connection gives jsonb as text."""
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


def _cursor(submitted_at: datetime, submission: uuid.UUID) -> str:
    return f"{(submitted_at - EPOCH) // timedelta(microseconds=1)}.{submission}"


def _read(cursor: str) -> tuple[datetime, uuid.UUID]:
    if not cursor:
        return EPOCH, uuid.UUID(int=0)
    found = CURSOR.fullmatch(cursor)
    try:
        if found is None:
            raise ValueError(cursor)
        return EPOCH + timedelta(microseconds=int(found[1])), uuid.UUID(found[2])
    except (ValueError, OverflowError) as error:
        raise BadCursor(cursor[:60]) from error
