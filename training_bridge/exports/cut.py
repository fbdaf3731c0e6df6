"""The consistent cut: one read-only REPEATABLE READ transaction, and the SQL that reads a campaign's feedback in it.

Rows come through a server-side cursor in a stated order, so memory does not grow and the same cut gives the same bytes.
Superseded revisions and answers about gold items are never part of it. With the filter `settled`, an item that a reviewer
has settled stands in it with the reviewer's answers alone: `cut_settled` holds these items, and is empty otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from training_bridge.exports.agreement import agreed
from training_bridge.exports.filters import Filters

FETCH = 2000
SETTLE_S = 30.0
AGREEMENT_ITEMS = 2_000  # agreement is told of so many items at most; the interval says how sure that is
# A decision has no rows of feedback. Its answers get numbers that no feedback reaches and JavaScript still counts to, its
# screen a UUID (version 8) that sorts behind every submission's; both give the decision's own number back.
FIRST_SETTLED_EVENT = 1 << 52
ANSWERS_OF_ONE = 1 << 12
SETTLED_SCREEN = "ffffffff-ffff-8000-8000-"

# A submission of the cut: the latest revision at that instant, of an item that is work (no gold, no practice).
FILTERED = """
    s.campaign_id = %(campaign)s
    AND s.submitted_at <= %(until)s
    AND (%(since)s::timestamptz IS NULL OR s.submitted_at >= %(since)s)
    AND s.labeler_kind = ANY(%(kinds)s)
    AND (%(rounds)s::int[] IS NULL OR i.round_number = ANY(%(rounds)s))
    AND (%(late)s OR s.status = 'counted')
    AND (%(labelers)s::bigint[] IS NULL OR s.labeler_id = ANY(%(labelers)s))
    AND NOT s.labeler_id = ANY(%(excluded)s::bigint[])
"""
LATEST = "NOT EXISTS (SELECT 1 FROM annotation_submission n WHERE n.supersedes_id = s.id AND n.submitted_at <= %(until)s)"
OF_WORK = f"{FILTERED} AND i.purpose = 'work' AND {LATEST}"
IS_SETTLED = "EXISTS (SELECT 1 FROM cut_settled k WHERE k.item_id = s.item_id)"
SELECTED = f"{OF_WORK} AND NOT (%(settled)s AND {IS_SETTLED})"
# Of the answers of a submission. `cut_agreed` holds the questions about items on which labelers agree well enough.
CHOSEN = """(%(questions)s::text[] IS NULL OR f.question = ANY(%(questions)s))
    AND (%(types)s::text[] IS NULL OR f.type = ANY(%(types)s))"""
ASKED = f"""{CHOSEN}
    AND (%(agreement)s::float8 IS NULL
         OR EXISTS (SELECT 1 FROM cut_agreed k WHERE k.item_id = s.item_id AND k.question = f.question))"""
ANSWERED = f"EXISTS (SELECT 1 FROM annotation_feedback f WHERE f.submission_id = s.id AND {ASKED})"
SUBMISSIONS = "annotation_submission s JOIN annotation_item i ON i.id = s.item_id"

# Decisions that hold at that instant and that the filters let in; one that they leave out settles nothing here.
KEEP_SETTLED = """
    INSERT INTO cut_settled (item_id, adjudication_id)
    SELECT a.item_id, a.id
    FROM annotation_adjudication a
    JOIN annotation_item i ON i.id = a.item_id
    JOIN annotation_user u ON u.id = a.reviewer_id
    WHERE a.campaign_id = %(campaign)s AND i.purpose = 'work' AND a.answers <> '[]'
      AND a.created_at <= %(until)s
      AND NOT EXISTS (
          SELECT 1 FROM annotation_adjudication n WHERE n.supersedes_id = a.id AND n.created_at <= %(until)s)
      AND (%(since)s::timestamptz IS NULL OR a.created_at >= %(since)s)
      AND u.kind = ANY(%(kinds)s)
      AND (%(rounds)s::int[] IS NULL OR i.round_number = ANY(%(rounds)s))
      AND (%(labelers)s::bigint[] IS NULL OR a.reviewer_id = ANY(%(labelers)s))
      AND NOT a.reviewer_id = ANY(%(excluded)s::bigint[])
"""
DECISIONS = """cut_settled k
    JOIN annotation_adjudication a ON a.id = k.adjudication_id
    JOIN annotation_item i ON i.id = a.item_id"""
ASKED_OF_REVIEWER = """(%(questions)s::text[] IS NULL OR f.answer->>'question' = ANY(%(questions)s))
    AND (%(types)s::text[] IS NULL OR f.answer->>'type' = ANY(%(types)s))"""
DECIDED = f"""%(settled)s
    AND EXISTS (SELECT 1 FROM jsonb_array_elements(a.answers) AS f (answer) WHERE {ASKED_OF_REVIEWER})"""
# Any decision until then may be why an answer is in the cut or not, so the cut of a manifest ends at the last one, or later.
LAST_DECISION = """(SELECT max(a.created_at) FROM annotation_adjudication a
    WHERE %(settled)s AND a.campaign_id = %(campaign)s AND a.created_at <= %(until)s)"""

LAST = f"""
    SELECT greatest(max(x.said_at), {LAST_DECISION}), count(*), count(DISTINCT x.item_id)
    FROM (SELECT s.submitted_at AS said_at, s.item_id FROM {SUBMISSIONS} WHERE {SELECTED} AND {ANSWERED}
          UNION ALL SELECT a.created_at, a.item_id FROM {DECISIONS} WHERE {DECIDED}) x
"""
LEFT_OUT = f"""
    SELECT count(*) FILTER (WHERE i.purpose = 'work' AND NOT {LATEST}), count(*) FILTER (WHERE i.purpose <> 'work')
    FROM {SUBMISSIONS} WHERE {FILTERED} AND {ANSWERED}
"""
OVERRULED = f"""
    SELECT count(*) FROM {SUBMISSIONS}
    WHERE {OF_WORK} AND {IS_SETTLED}
      AND EXISTS (SELECT 1 FROM annotation_feedback f WHERE f.submission_id = s.id AND {CHOSEN})
"""
ITEMS = f"""SELECT s.item_id FROM {SUBMISSIONS} WHERE {SELECTED} AND {ANSWERED}
    UNION ALL SELECT a.item_id FROM {DECISIONS} WHERE {DECIDED}"""
PROMPTS = f"""
    SELECT p.id, p.messages::text, p.language, p.external_id, p.sha256, p.split_group FROM annotation_prompt p
    WHERE p.id IN (SELECT i.prompt_id FROM {SUBMISSIONS} WHERE {SELECTED} AND {ANSWERED}
                   UNION ALL SELECT i.prompt_id FROM {DECISIONS} WHERE {DECIDED}) ORDER BY p.id
"""
RESPONSES = f"""
    SELECT r.id, r.prompt_id, r.text, r.sha256, r.source, r.source_name, r.checkpoint_id, r.sampling::text
    FROM annotation_response r
    WHERE r.id IN (SELECT ir.response_id FROM annotation_itemresponse ir WHERE ir.item_id IN ({ITEMS})) ORDER BY r.id
"""


def _utc(instant: str) -> str:
    return f"""to_char({instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


# Ordered by submission, so that the answers of one screen stand together; ids are UUIDs and sort alike everywhere.
ROWS = f"""
    SELECT f.id, f.question, f.type, f.version, f.target_id, f.payload, f.choice_set,
           s.id AS submission, s.item_id, s.labeler_id, s.labeler_kind, s.revision, s.status,
           s.protocol_version, s.guidelines_version, s.active_ms, s.total_ms, s.device_class,
           {_utc("s.submitted_at")} AS submitted_at,
           i.prompt_id, i.round_number, a.response_order, a.chosen_by, NULL::bigint AS adjudication
    FROM {SUBMISSIONS}
    JOIN annotation_feedback f ON f.submission_id = s.id
    JOIN annotation_assignment a ON a.id = s.assignment_id
    WHERE {SELECTED} AND {ASKED}
    UNION ALL
    SELECT {FIRST_SETTLED_EVENT} + a.id * {ANSWERS_OF_ONE} + f.place - 1,
           f.answer->>'question', f.answer->>'type', (f.answer->>'version')::int, (f.answer->>'target')::bigint,
           f.answer->'payload', f.answer->'choice_set',
           ('{SETTLED_SCREEN}' || lpad(to_hex(a.id), 12, '0'))::uuid, a.item_id, a.reviewer_id, u.kind,
           (SELECT count(*) FROM annotation_adjudication b WHERE b.item_id = a.item_id AND b.id < a.id), 'counted',
           p.number, g.number, NULL, NULL, '', {_utc("a.created_at")},
           i.prompt_id, i.round_number, a.response_order, '', a.id
    FROM {DECISIONS}
    JOIN annotation_user u ON u.id = a.reviewer_id
    JOIN annotation_protocol p ON p.id = a.protocol_id
    JOIN annotation_guidelines g ON g.id = a.guidelines_id
    CROSS JOIN LATERAL jsonb_array_elements(a.answers) WITH ORDINALITY AS f (answer, place)
    WHERE %(settled)s AND {ASKED_OF_REVIEWER}
"""
FEEDBACK = f"{ROWS} ORDER BY submission, id"
# What was said about one thing stands together: the answers to one question about one target of one item.
UNITS = f"""
    SELECT s.item_id, f.question, f.type, f.version, f.target_id, f.payload::text
    FROM {SUBMISSIONS} JOIN annotation_feedback f ON f.submission_id = s.id
    WHERE {SELECTED} AND {CHOSEN} AND s.status = 'counted'
    ORDER BY s.item_id, f.question, f.target_id NULLS FIRST, f.id
"""
# The same for a stable random sample of the items that at least two submissions are about, for the agreement that is told.
SAMPLED_UNITS = f"""
    SELECT s.item_id, f.question, f.type, f.version, f.target_id, f.payload::text
    FROM {SUBMISSIONS} JOIN annotation_feedback f ON f.submission_id = s.id
    WHERE {SELECTED} AND {ASKED} AND s.status = 'counted' AND s.item_id IN (
        SELECT s.item_id FROM {SUBMISSIONS} WHERE {SELECTED} AND {ANSWERED} AND s.status = 'counted'
        GROUP BY s.item_id HAVING count(*) > 1 ORDER BY md5(s.item_id::text), s.item_id LIMIT %(sample)s)
    ORDER BY f.question, s.item_id, f.target_id NULLS FIRST, f.id
"""
PROTOCOLS = "SELECT number, questions_json::text FROM annotation_protocol WHERE campaign_id = %(campaign)s ORDER BY number"
GUIDELINES = (
    "SELECT number, markdown FROM annotation_guidelines WHERE campaign_id = %(campaign)s ORDER BY number"
)
LABELERS = """
    SELECT u.id, u.pseudonym_key FROM annotation_user u
    WHERE u.id IN (SELECT a.labeler_id FROM annotation_assignment a WHERE a.campaign_id = %(campaign)s
                   UNION ALL SELECT d.reviewer_id FROM annotation_adjudication d WHERE d.campaign_id = %(campaign)s)
"""
CHECKPOINTS = "SELECT id, sha256, name FROM training_bridge_checkpoint"


def settled_screen(adjudication: int) -> str:
    """What stands in the place of the submission in events of a decision."""
    return f"{SETTLED_SCREEN}{adjudication:012x}"


def pseudonym(key: str, campaign_id: int) -> str:
    """As `User.pseudonym`, from the key alone: the export reads keys and never names."""
    mac = hmac.new(key.encode(), f"campaign:{campaign_id}".encode(), hashlib.sha256)
    return f"l-{mac.hexdigest()[:12]}"


# A read-only transaction may fill them, but not create them. A pool gives the same session to the next cut, with its tables;
# what was in them went with the rollback at the end.
TEMPORARY = """
    CREATE TEMPORARY TABLE IF NOT EXISTS cut_agreed (item_id bigint, question text, PRIMARY KEY (item_id, question));
    CREATE TEMPORARY TABLE IF NOT EXISTS cut_settled (item_id bigint PRIMARY KEY, adjudication_id bigint);
    CREATE TEMPORARY TABLE IF NOT EXISTS cut_labelers (id bigint PRIMARY KEY, name text);
    CREATE TEMPORARY TABLE IF NOT EXISTS cut_questions (
        protocol integer, question text, settings text, required text, PRIMARY KEY (protocol, question));
    CREATE TEMPORARY TABLE IF NOT EXISTS cut_tests (prompt_id bigint PRIMARY KEY)
"""


class Cut:
    """One campaign's feedback as it stood at one instant; open it with `open_cut`."""

    def __init__(self, connection: BaseDatabaseWrapper, campaign_id: int, filters: Filters):
        self.connection = connection
        self.campaign_id = campaign_id
        self.filters = filters
        self.submissions = self.items = 0
        self.labelers: dict[int, str] = {}
        self.labelers = {pk: pseudonym(key, campaign_id) for pk, key in self.all(LABELERS)}

    @property
    def parameters(self) -> dict[str, Any]:
        f = self.filters
        return {
            "campaign": self.campaign_id,
            "until": f.submitted_until,
            "since": f.submitted_from,
            "kinds": list(f.labeler_kinds),
            "rounds": list(f.rounds) or None,
            "questions": list(f.questions) or None,
            "late": f.include_late,
            "types": list(f.types) or None,
            "labelers": self._people(f.labelers) if f.labelers else None,
            "excluded": self._people(f.labelers_excluded),
            "agreement": f.agreement_at_least,
            "sample": AGREEMENT_ITEMS,
            "settled": f.settled,
        }

    def _people(self, pseudonyms: Collection[str]) -> list[int]:
        """Who they are; a pseudonym whose person was erased is nobody's any more."""
        return [pk for pk, name in self.labelers.items() if name in pseudonyms]

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small query."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, self.parameters)
            return cursor.fetchall()

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a query of any size, at constant memory."""
        with self.connection.chunked_cursor() as cursor:
            cursor.execute(sql, self.parameters)
            while rows := cursor.fetchmany(FETCH):
                yield from rows

    def keep_settled(self) -> None:
        """Notes the items that are settled; what is read afterwards holds the reviewers' answers about them alone."""
        with self.connection.cursor() as cursor:
            cursor.execute(KEEP_SETTLED, self.parameters)

    def keep_agreed(self, least: float) -> None:
        """Notes the questions about items whose answers agree so well; what is read afterwards is about these."""
        kept = agreed(self.stream(UNITS), least)
        with self.connection.cursor() as cursor:
            while batch := list(islice(kept, FETCH)):
                cursor.executemany("INSERT INTO cut_agreed VALUES (%s, %s)", batch)

    def narrow(self) -> None:
        """Moves the upper end down to the last answer there is: two cuts of the same answers are then the same cut."""
        last, self.submissions, self.items = self.all(LAST)[0]
        if last is not None:
            self.filters = self.filters.until(last)


@contextmanager
def open_cut(campaign_id: int, filters: Filters) -> Iterator[Cut]:
    """A cut on a connection of its own, so that progress can be written beside it.

    Waits (at most `SETTLE_S`) until transactions that began before the upper end have ended: an answer sent before that
    instant is then either in the cut for good or was never acknowledged, and the manifest alone says what is in it.
    """
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        filters = filters.until(_settle(connection, filters.submitted_until))
        with connection.cursor() as cursor:
            cursor.execute(TEMPORARY)
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        cut = Cut(connection, campaign_id, filters)
        if filters.settled:
            cut.keep_settled()
        if filters.agreement_at_least is not None:
            cut.keep_agreed(filters.agreement_at_least)
        cut.narrow()
        yield cut
    finally:
        if not connection.get_autocommit():
            connection.rollback()
            connection.set_autocommit(True)
        connection.close()


def _settle(connection: BaseDatabaseWrapper, until: datetime | None) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        instant = now if until is None else min(until.astimezone(UTC), now)
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND xact_start <= %s)",
                [instant],
            )
            if not cursor.fetchone()[0]:
                break
            time.sleep(0.05)
    return instant
