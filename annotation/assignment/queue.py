"""The SQL of the queue, in one place: raw, because every statement was measured as it stands.

A `Slot` is one judgement still wanted, ordered by `pos` within its lane (`lanes.py`); taking one is a DELETE. A labeler's
place in each lane only rises, so the next item costs the same whether ten items are open or a million, whatever the strategy
and the languages in the queue, and nobody is given an item twice. Where slots stand is decided in `order.py`.

What always holds for an item of work that is neither withdrawn nor held back (gold and practice items have no slots at all):

    counted <= overlap                                  a CHECK of the table
    slots = max(0, overlap - counted - live leases)     nobody starves, nobody works in vain

Rows are locked in the order cursor, assignment, item, slot. Time is the database's.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from django.utils.crypto import salted_hmac

from annotation.assignment import lanes
from annotation.assignment.strategies import ASSIGNED, GOLD

MAX_HELD = 2  # the item on the screen, and the one prepared behind it
LEASED, SUBMITTED, SKIPPED, EXPIRED = 1, 2, 3, 4


class Finished(IntEnum):
    """What became of an answer; false if it came late."""

    LATE = 0
    COUNTED = 1
    LAST = 2  # it counts, and its item needs no more


class Locked(NamedTuple):
    """An assignment under its row lock."""

    id: int
    campaign_id: int
    item_id: int
    state: int
    protocol_id: int
    guidelines_id: int
    response_order: list[int]
    total_ms: int


def run(sql: str, params: Any = None, *, prepare: bool = False) -> list[tuple[Any, ...]]:
    """Rows of one statement; `prepare` keeps its plan on the connection (planning costs more than running it)."""
    if not prepare:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else []
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as raw:
        raw.execute(sql, params, prepare=True)
        return raw.fetchall() if raw.description else []


# --- Lease -----------------------------------------------------------------------------------------------------------

OPEN_CURSOR = """
INSERT INTO annotation_labelercursor (campaign_id, labeler_id, pos, held, told_id)
VALUES (%(campaign)s, %(labeler)s,
        coalesce((SELECT low_pos FROM annotation_queuestate WHERE campaign_id = %(campaign)s), 0), '{}', %(guidelines)s)
ON CONFLICT DO NOTHING
"""

# In a statement of its own: the next statement's snapshot must be taken after the lock, or two tabs get two items.
LOCK_CURSOR = """
SELECT coalesce(swept_at < statement_timestamp() - interval '1 minute', true), given, told_id
FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s FOR UPDATE
"""

# What becomes of the item that was picked (`gone`: item_id, lane, pos, chosen_by): an assignment, and one more in hand.
LEASE = """
ins AS (
  INSERT INTO annotation_assignment AS a
    (campaign_id, item_id, labeler_id, state, leased_at, lease_until, protocol_id, guidelines_id, order_seed, response_order,
     first_render_at, chosen_by)
  SELECT %(campaign)s::bigint, g.item_id, %(labeler)s::bigint, 1, statement_timestamp(),
         statement_timestamp() + make_interval(secs => %(lease_s)s::int), %(protocol)s::bigint, %(guidelines)s::bigint,
         %(seed)s::bigint,
         (SELECT array_agg(ir.response_id ORDER BY sha256(convert_to(%(seed)s::bigint || ':' || ir.response_id, 'UTF8')))
          FROM annotation_itemresponse ir WHERE ir.item_id = g.item_id),
         CASE WHEN %(on_screen)s THEN statement_timestamp() END, {chosen_by}
  FROM gone g
  ON CONFLICT (item_id, labeler_id) DO UPDATE
    SET state = 1, leased_at = excluded.leased_at, lease_until = excluded.lease_until, requeued_pos = NULL,
        protocol_id = excluded.protocol_id, guidelines_id = excluded.guidelines_id,
        first_render_at = excluded.first_render_at, chosen_by = excluded.chosen_by
    WHERE a.state = 4
  RETURNING a.id
), adv AS (
  UPDATE annotation_labelercursor c
  SET lanes[g.lane] = {passed}, given = c.given + 1, told_id = coalesce(c.told_id, %(guidelines)s::bigint),
      held = ARRAY(SELECT id FROM live) || (SELECT id FROM ins)
  FROM gone g
  WHERE c.campaign_id = %(campaign)s AND c.labeler_id = %(labeler)s AND EXISTS (SELECT 1 FROM ins)
)
SELECT id, true FROM ins UNION ALL SELECT id, false FROM again
"""

# The scalar subqueries cannot be flattened into joins, so each stays an index probe for the one slot that is looked at.
# `mine` are the lanes that the labeler may be given and where they are in each; the lane whose first slot comes first is
# looked at first, and the next one only if it holds nothing for this labeler. `{start}` is where a look begins: ahead of the
# labeler's place, or, for the rare look behind it, at the beginning.
NEXT = """
WITH me AS MATERIALIZED (
  SELECT pos, lanes, held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s
), live AS MATERIALIZED (
  SELECT a.id FROM me JOIN annotation_assignment a ON a.id = ANY(me.held) WHERE a.state = 1
), again AS MATERIALIZED (
  SELECT id FROM live WHERE id <> ALL(%(beyond)s::bigint[]) ORDER BY id LIMIT 1
), mine AS MATERIALIZED (
  SELECT l.number, {start} AS start
  FROM me CROSS JOIN annotation_lane l LEFT JOIN annotation_membership m
    ON m.campaign_id = l.campaign_id AND m.user_id = %(labeler)s AND m.role = 'labeler'
  WHERE l.campaign_id = %(campaign)s AND {may}
    AND %(fresh)s AND NOT EXISTS (SELECT 1 FROM again) AND (SELECT count(*) FROM live) < 2
), ahead AS MATERIALIZED (
  SELECT m.number, (SELECT s.pos FROM annotation_slot s
                    WHERE s.campaign_id = %(campaign)s AND s.lane = m.number AND s.pos > m.start
                    ORDER BY s.campaign_id, s.lane, s.pos LIMIT 1) AS first
  FROM mine m
), pick AS MATERIALIZED (
  {pick}
), gone AS (
  DELETE FROM annotation_slot s USING pick p
  WHERE (s.campaign_id, s.lane, s.pos, s.replica) = (p.campaign_id, p.lane, p.pos, p.replica)
  RETURNING s.item_id, s.lane, s.pos, s.chosen_by
), """
# Free for this labeler: not had before, and not with a text of their own.
FREE = """
  (SELECT a.id FROM annotation_assignment a
   WHERE a.item_id = s.item_id AND a.labeler_id = %(labeler)s AND a.state <> 4) IS NULL
  AND (SELECT r.id FROM annotation_itemresponse ir JOIN annotation_response r ON r.id = ir.response_id
       WHERE ir.item_id = s.item_id AND r.source_name = %(name)s LIMIT 1) IS NULL
"""
# The limit stops the lanes after the first that has something, so one slot is locked at most.
FROM_LANES = f"""
  SELECT p.* FROM (SELECT number, first FROM ahead WHERE first IS NOT NULL ORDER BY first) lane
  CROSS JOIN LATERAL (
    SELECT s.* FROM annotation_slot s
    WHERE s.campaign_id = %(campaign)s AND s.lane = lane.number AND s.pos >= lane.first AND {FREE}
    ORDER BY s.campaign_id, s.lane, s.pos, s.replica LIMIT 1 FOR UPDATE OF s SKIP LOCKED
  ) p LIMIT 1
"""
FROM_ITEM = f"""
  SELECT s.* FROM annotation_slot s
  WHERE s.item_id = %(item)s AND s.campaign_id = %(campaign)s AND s.lane IN (SELECT number FROM mine) AND {FREE}
  ORDER BY s.pos, s.replica LIMIT 1 FOR UPDATE OF s SKIP LOCKED
"""


def _next(*, start: str, pick: str, chosen_by: str, passed: str) -> str:
    return NEXT.format(may=lanes.MAY, start=start, pick=pick) + LEASE.format(
        chosen_by=chosen_by, passed=passed
    )


PLACE = "coalesce({c}.lanes[{lane}], {c}.pos)"
PASSED = f"greatest({PLACE.format(c='c', lane='g.lane')}, g.pos)"
NEXT_AHEAD = _next(
    start=PLACE.format(c="me", lane="l.number"), pick=FROM_LANES, chosen_by="g.chosen_by", passed=PASSED
)
NEXT_BEHIND = _next(start="-1", pick=FROM_LANES, chosen_by="g.chosen_by", passed=PASSED)
NAMED = _next(start="-1", pick=FROM_ITEM, chosen_by=f"'{ASSIGNED}'", passed="c.lanes[g.lane]")

# A gold item that the labeler has not seen, in an order that is the draw's; it has no slot to take. There are few of them.
ASIDE = f"""
WITH me AS MATERIALIZED (
  SELECT held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s
), live AS MATERIALIZED (
  SELECT a.id FROM me JOIN annotation_assignment a ON a.id = ANY(me.held) WHERE a.state = 1
), again AS MATERIALIZED (
  SELECT id FROM live WHERE id <> ALL(%(beyond)s::bigint[]) ORDER BY id LIMIT 1
), gone AS MATERIALIZED (
  SELECT i.id AS item_id, i.lane FROM annotation_item i
  JOIN annotation_lane l ON l.campaign_id = i.campaign_id AND l.number = i.lane
  LEFT JOIN annotation_membership m
    ON m.campaign_id = l.campaign_id AND m.user_id = %(labeler)s AND m.role = 'labeler'
  WHERE {lanes.MAY} AND i.campaign_id = %(campaign)s AND i.purpose = 'gold' AND i.withdrawn_at IS NULL AND i.held_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM again) AND (SELECT count(*) FROM live) < 2
    AND NOT EXISTS (SELECT 1 FROM annotation_assignment a
                    WHERE a.item_id = i.id AND a.labeler_id = %(labeler)s AND a.state <> 4)
    AND NOT EXISTS (SELECT 1 FROM annotation_itemresponse ir JOIN annotation_response r ON r.id = ir.response_id
                    WHERE ir.item_id = i.id AND r.source_name = %(name)s)
  ORDER BY hashint8extended(i.id, %(draw)s::bigint), i.id LIMIT 1
), """ + LEASE.format(chosen_by=f"'{GOLD}'", passed="c.lanes[g.lane]")

# Nothing ahead of the labeler is for them: pass it by, so that asking again costs nothing.
PASS_BY = f"""
UPDATE annotation_labelercursor c
SET lanes = ARRAY(
      SELECT CASE WHEN {lanes.MAY}
             THEN greatest({PLACE.format(c="c", lane="l.number")},
                           (SELECT s.pos FROM annotation_slot s WHERE s.campaign_id = %(campaign)s AND s.lane = l.number
                            ORDER BY s.campaign_id DESC, s.lane DESC, s.pos DESC LIMIT 1))
             ELSE c.lanes[l.number] END
      FROM annotation_lane l LEFT JOIN annotation_membership m
        ON m.campaign_id = l.campaign_id AND m.user_id = %(labeler)s AND m.role = 'labeler'
      WHERE l.campaign_id = %(campaign)s ORDER BY l.number),
    swept_at = statement_timestamp()
WHERE c.campaign_id = %(campaign)s AND c.labeler_id = %(labeler)s
"""


def take_next(
    *,
    campaign_id: int,
    labeler_id: int,
    labeler_name: str,
    protocol_id: int | None,
    guidelines_id: int | None,
    lease_s: int,
    beyond: Sequence[int],
    fresh: bool,
    on_screen: bool,
    aside: float = 0.0,
    must_know: bool = False,
) -> tuple[int, bool] | None:
    """(assignment id, whether it is new): one that is held and not in `beyond`, else the next slot if `fresh`, else None.

    `aside` is the probability with which a new lease is a gold item instead. With `must_know` nothing new comes before the
    labeler has acknowledged these guidelines.
    """
    params = {
        "campaign": campaign_id,
        "labeler": labeler_id,
        "name": labeler_name,
        "protocol": protocol_id,
        "guidelines": guidelines_id,
        "lease_s": lease_s,
        "beyond": list(beyond),
        "fresh": fresh,
        "on_screen": on_screen,
        "seed": secrets.randbits(62),
    }
    locked = run(LOCK_CURSOR, params, prepare=True)
    if not locked:
        if not fresh:
            return None
        run(OPEN_CURSOR, params)
        locked = run(LOCK_CURSOR, params, prepare=True)
    if must_know and locked[0][2] not in (None, guidelines_id):
        fresh = params["fresh"] = False
    rows = take_aside(params, locked[0][1], aside) if fresh and aside > 0 else []
    rows = rows or run(NEXT_AHEAD, params, prepare=True)
    if not rows and fresh and locked[0][0] and _live(params) < MAX_HELD:
        # Slots can end up behind a cursor (a transaction that committed late); look there at most once a minute.
        rows = run(NEXT_BEHIND, params)
        if not rows:
            run(PASS_BY, params)
    return (rows[0][0], rows[0][1]) if rows else None


def take_aside(params: dict[str, Any], given: int, share: float) -> list[tuple[Any, ...]]:
    """A lease of a gold item, if the draw says so and there is one that the labeler has not seen; the cursor is locked.

    The draw is a keyed hash of campaign, labeler and how many leases there were: the same for ever, and nobody without the
    site's secret key can tell it. It takes the place of the statement for the next slot, so the cost tells nothing either.
    """
    drawn = draw(params["campaign"], params["labeler"], given)
    if drawn >= share * 2**63:
        return []
    return run(ASIDE, params | {"draw": drawn}, prepare=True)


def draw(campaign_id: int, labeler_id: int, given: int) -> int:
    """A number below 2^63, uniform over leases."""
    mac = salted_hmac("annotation.gold", f"{campaign_id}:{labeler_id}:{given}", algorithm="sha256")
    return int.from_bytes(mac.digest()[:8]) >> 1


def take_named(
    *,
    campaign_id: int,
    item_id: int,
    labeler_id: int,
    labeler_name: str,
    protocol_id: int | None,
    guidelines_id: int | None,
    lease_s: int,
) -> int | None:
    """A lease of one named item, by the same rules; the cursor stays where it is. None if no place of it is free for this
    labeler, or the labeler holds two leases already."""
    params = {
        "campaign": campaign_id,
        "item": item_id,
        "labeler": labeler_id,
        "name": labeler_name,
        "protocol": protocol_id,
        "guidelines": guidelines_id,
        "lease_s": lease_s,
        "fresh": True,
        "on_screen": False,
        "seed": secrets.randbits(62),
    }
    run(OPEN_CURSOR, params)
    run(LOCK_CURSOR, params)
    held = run(
        "SELECT held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s",
        params,
    )
    rows = run(NAMED, params | {"beyond": held[0][0]})
    return rows[0][0] if rows else None


def _live(params: dict[str, Any]) -> int:
    return run(
        "SELECT count(*) FROM annotation_labelercursor c JOIN annotation_assignment a ON a.id = ANY(c.held)"
        " WHERE c.campaign_id = %(campaign)s AND c.labeler_id = %(labeler)s AND a.state = 1",
        params,
    )[0][0]


# --- While it is out -------------------------------------------------------------------------------------------------


def lock_assignment(assignment_id: int, labeler_id: int) -> Locked | None:
    """The labeler's assignment under its row lock; None if it is somebody else's."""
    rows = run(
        """
        SELECT id, campaign_id, item_id, state, protocol_id, guidelines_id, response_order,
               least(2147483647, greatest(0, extract(epoch FROM statement_timestamp()
                                                     - coalesce(first_render_at, leased_at)) * 1000))::int
        FROM annotation_assignment WHERE id = %s AND labeler_id = %s FOR UPDATE
        """,
        [assignment_id, labeler_id],
    )
    return Locked(*rows[0]) if rows else None


def extend(assignment_id: int, lease_s: int, *, rendered: bool) -> dt.datetime:
    """Starts the lease time anew; `rendered` also notes when it was first on a screen."""
    return run(
        """
        UPDATE annotation_assignment
        SET lease_until = statement_timestamp() + make_interval(secs => %s),
            first_render_at = CASE WHEN %s THEN coalesce(first_render_at, statement_timestamp()) ELSE first_render_at END
        WHERE id = %s RETURNING lease_until
        """,
        [lease_s, rendered, assignment_id],
    )[0][0]


def lock_cursor(campaign_id: int, labeler_id: int) -> None:
    """Serialises what one labeler does in one campaign."""
    run(LOCK_CURSOR, {"campaign": campaign_id, "labeler": labeler_id})


def reclaim(assignment: Locked, labeler_id: int, lease_s: int) -> bool:
    """Takes an expired lease up again if its item has a free slot and the labeler a free hand; the cursor is locked."""
    params = {"campaign": assignment.campaign_id, "labeler": labeler_id}
    if _live(params) >= MAX_HELD or not (_take_slot(assignment.item_id) or _is_aside(assignment.item_id)):
        return False
    run(
        "UPDATE annotation_assignment SET state = 1, requeued_pos = NULL,"
        " lease_until = statement_timestamp() + make_interval(secs => %s) WHERE id = %s",
        [lease_s, assignment.id],
    )
    run(
        "UPDATE annotation_labelercursor SET held = held || %(id)s::bigint"
        " WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s",
        params | {"id": assignment.id},
    )
    return True


# --- When it ends ----------------------------------------------------------------------------------------------------


def lock_items(item_ids: Sequence[int]) -> None:
    """In the order of their ids, so that two who lock several never wait for each other in a circle."""
    run(
        "SELECT 1 FROM annotation_item WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        [sorted(set(item_ids))],
    )


def finish(assignment: Locked, *, is_wanted: bool) -> Finished:
    """Marks an assignment answered; says whether the answer counts, or came late and its place is taken.

    A late answer takes a free slot of its item back. `counted < overlap` is asked again here: an admin may have
    lowered the overlap.
    """
    wanted = is_wanted
    if wanted and assignment.state != LEASED:
        lock_items([assignment.item_id])
        wanted = _take_slot(assignment.item_id)
    counted = run(
        """
        WITH done AS (
          UPDATE annotation_assignment SET state = 2, draft = NULL WHERE id = %(id)s
        ), counted AS (
          UPDATE annotation_item SET counted = counted + 1
          WHERE id = %(item)s AND purpose = 'work' AND counted < overlap AND %(wanted)s
          RETURNING id, counted >= overlap AS complete
        ), surplus AS (
          DELETE FROM annotation_slot s USING counted c WHERE c.complete AND s.item_id = c.id
        )
        SELECT count(*) + count(*) FILTER (WHERE complete) FROM counted
        """,
        {"id": assignment.id, "item": assignment.item_id, "wanted": wanted},
        prepare=True,
    )
    if (
        not counted[0][0] and assignment.state == LEASED
    ):  # its place is still wanted if the campaign opens again
        lock_items([assignment.item_id])
        requeue([assignment.id])
    return Finished(counted[0][0])


def finish_aside(assignment: Locked, *, is_wanted: bool) -> Finished:
    """Marks an assignment of a gold item answered: nothing is counted and no place taken, but it reads like any other."""
    run("UPDATE annotation_assignment SET state = 2, draft = NULL WHERE id = %s", [assignment.id])
    return Finished.COUNTED if is_wanted else Finished.LATE


def _is_aside(item_id: int) -> bool:
    return bool(
        run(
            "SELECT 1 FROM annotation_item"
            " WHERE id = %s AND purpose <> 'work' AND withdrawn_at IS NULL AND held_at IS NULL",
            [item_id],
        )
    )


def _take_slot(item_id: int) -> bool:
    return bool(
        run(
            """
            DELETE FROM annotation_slot WHERE (campaign_id, lane, pos, replica) = (
              SELECT campaign_id, lane, pos, replica FROM annotation_slot WHERE item_id = %s
              ORDER BY pos DESC, replica DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING 1
            """,
            [item_id],
        )
    )


def end(assignment_ids: Sequence[int], state: int) -> list[int]:
    """Ends leases without an answer; gives the item ids, whose slots `requeue` puts back once they are locked."""
    return [
        row[0]
        for row in run(
            "UPDATE annotation_assignment SET state = %s, requeued_pos = NULL WHERE id = ANY(%s) RETURNING item_id",
            [state, list(assignment_ids)],
        )
    ]


def requeue(assignment_ids: Sequence[int]) -> int:
    """Puts slots of ended assignments at the tail, as many as their items still want; the items are locked."""
    return run(
        """
        WITH ended AS (
          SELECT id, campaign_id, item_id, chosen_by, row_number() OVER (PARTITION BY item_id ORDER BY id) AS n
          FROM annotation_assignment WHERE id = ANY(%(ids)s)
        ), room AS (
          SELECT i.id, i.lane, i.overlap - i.counted
                 - (SELECT count(*) FROM annotation_slot s WHERE s.item_id = i.id)
                 - (SELECT count(*) FROM annotation_assignment l WHERE l.item_id = i.id AND l.state = 1) AS n
          FROM annotation_item i WHERE i.id IN (SELECT item_id FROM ended)
            AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
        ), back AS MATERIALIZED (
          SELECT e.id, e.campaign_id, e.item_id, r.lane, nextval('annotation_slot_pos_seq') AS pos,
                 CASE WHEN e.chosen_by <> %(assigned)s THEN e.chosen_by
                 ELSE (SELECT c.strategy FROM annotation_campaign c WHERE c.id = e.campaign_id) END AS chosen_by
          FROM ended e JOIN room r ON r.id = e.item_id WHERE e.n <= r.n
        ), put AS (
          INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
          SELECT campaign_id, lane, pos, 0, item_id, chosen_by FROM back
        ), noted AS (
          UPDATE annotation_assignment a SET requeued_pos = b.pos FROM back b WHERE a.id = b.id
        )
        SELECT count(*) FROM back
        """,
        {"ids": list(assignment_ids), "assigned": ASSIGNED},
    )[0][0]


def overdue(limit: int, now: dt.datetime | None = None) -> list[int]:
    """Ids of leases whose time is up, locked; those that somebody is busy with are left for the next time."""
    return [
        row[0]
        for row in run(
            """
            SELECT id FROM annotation_assignment
            WHERE state = 1 AND lease_until < coalesce(%s, statement_timestamp())
            ORDER BY lease_until LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [now, limit],
        )
    ]


# --- Items as a whole -------------------------------------------------------------------------------------------------


def lock_writers(campaign_id: int) -> None:
    """One who adds items or changes the overlap at a time, until the transaction ends; labelers are not held up."""
    run("SET LOCAL statement_timeout = 0")
    run("SELECT pg_advisory_xact_lock(%s)", [(0x5754 << 40) + campaign_id])


def has_more_items(campaign_id: int, n: int) -> bool:
    found = run(
        "SELECT 1 FROM annotation_item WHERE campaign_id = %s ORDER BY id OFFSET %s LIMIT 1", [campaign_id, n]
    )
    return bool(found)


def most_counted(campaign_id: int, *, lock: bool) -> int:
    """The most answers of an item with its campaign's overlap; with `lock`, answers are held back until the end."""
    return run(
        "SELECT coalesce(max(counted) FILTER (WHERE NOT has_own_overlap), 0) FROM (SELECT counted, has_own_overlap"
        f" FROM annotation_item WHERE campaign_id = %s{' ORDER BY id FOR NO KEY UPDATE' if lock else ''}) items",
        [campaign_id],
    )[0][0]


def recount(item_ids: Sequence[int]) -> None:
    """Says again how many counted answers these items have, after some were erased; items are locked."""
    run(
        """
        UPDATE annotation_item i SET counted = (
          SELECT count(*) FROM annotation_submission s
          WHERE s.item_id = i.id AND s.revision = 0 AND s.status = 'counted')
        WHERE i.id = ANY(%s) AND i.purpose = 'work'
        """,
        [list(item_ids)],
    )


def give_back(campaign_id: int, labeler_id: int) -> int:
    """Ends every lease that one labeler holds and opens their places to others at once; drafts stay. How many."""
    lock_cursor(campaign_id, labeler_id)
    ids = [
        row[0]
        for row in run(
            "SELECT id FROM annotation_assignment WHERE campaign_id = %s AND labeler_id = %s AND state = 1"
            " ORDER BY id FOR UPDATE",
            [campaign_id, labeler_id],
        )
    ]
    if ids:
        lock_items(end(ids, EXPIRED))
        requeue(ids)
    return len(ids)


def withdraw(item_ids: Sequence[int]) -> None:
    """Takes items out of everybody's queue; the items are locked."""
    run("DELETE FROM annotation_slot WHERE item_id = ANY(%s)", [list(item_ids)])
