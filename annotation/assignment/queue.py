"""The SQL of the queue, in one place: raw, because every statement was measured as it stands.

A `Slot` is one judgement still wanted, ordered by `pos`; taking one is a DELETE. A labeler's cursor only rises, so the next
item costs the same whether ten items are open or a million, and nobody is given an item twice.

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


def _run(sql: str, params: Any = None, *, prepare: bool = False) -> list[tuple[Any, ...]]:
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
INSERT INTO annotation_labelercursor (campaign_id, labeler_id, pos, held)
VALUES (%(campaign)s, %(labeler)s,
        coalesce((SELECT low_pos FROM annotation_queuestate WHERE campaign_id = %(campaign)s), 0), '{}')
ON CONFLICT DO NOTHING
"""

# In a statement of its own: the next statement's snapshot must be taken after the lock, or two tabs get two items.
LOCK_CURSOR = """
SELECT coalesce(swept_at < statement_timestamp() - interval '1 minute', true), given
FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s FOR UPDATE
"""

# What becomes of the item that was picked (`gone`): an assignment, and a lease more in the labeler's hands.
LEASE = """
ins AS (
  INSERT INTO annotation_assignment AS a
    (campaign_id, item_id, labeler_id, state, leased_at, lease_until, protocol_id, guidelines_id, order_seed, response_order,
     first_render_at)
  SELECT %(campaign)s::bigint, g.item_id, %(labeler)s::bigint, 1, statement_timestamp(),
         statement_timestamp() + make_interval(secs => %(lease_s)s::int), %(protocol)s::bigint, %(guidelines)s::bigint,
         %(seed)s::bigint,
         (SELECT array_agg(ir.response_id ORDER BY sha256(convert_to(%(seed)s::bigint || ':' || ir.response_id, 'UTF8')))
          FROM annotation_itemresponse ir WHERE ir.item_id = g.item_id),
         CASE WHEN %(on_screen)s THEN statement_timestamp() END
  FROM gone g
  ON CONFLICT (item_id, labeler_id) DO UPDATE
    SET state = 1, leased_at = excluded.leased_at, lease_until = excluded.lease_until, requeued_pos = NULL,
        protocol_id = excluded.protocol_id, guidelines_id = excluded.guidelines_id,
        first_render_at = excluded.first_render_at
    WHERE a.state = 4
  RETURNING a.id
), adv AS (
  UPDATE annotation_labelercursor c
  SET pos = {passed}, given = c.given + 1, held = ARRAY(SELECT id FROM live) || (SELECT id FROM ins)
  WHERE c.campaign_id = %(campaign)s AND c.labeler_id = %(labeler)s AND EXISTS (SELECT 1 FROM ins)
)
SELECT id, true FROM ins UNION ALL SELECT id, false FROM again
"""

# The scalar subqueries cannot be flattened into joins, so each stays an index probe for the one slot that is looked at.
# `{behind}` is empty for the cheap look ahead of the cursor, and opens the whole queue for the rare look behind it.
NEXT = """
WITH me AS MATERIALIZED (
  SELECT pos, held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s
), live AS MATERIALIZED (
  SELECT a.id FROM me JOIN annotation_assignment a ON a.id = ANY(me.held) WHERE a.state = 1
), again AS MATERIALIZED (
  SELECT id FROM live WHERE id <> ALL(%(beyond)s::bigint[]) ORDER BY id LIMIT 1
), pick AS MATERIALIZED (
  SELECT s.* FROM annotation_slot s
  WHERE s.campaign_id = %(campaign)s AND s.pos > {start}
    AND %(fresh)s AND NOT EXISTS (SELECT 1 FROM again) AND (SELECT count(*) FROM live) < 2
    AND (SELECT a.id FROM annotation_assignment a
         WHERE a.item_id = s.item_id AND a.labeler_id = %(labeler)s AND a.state <> 4) IS NULL
    AND (SELECT r.id FROM annotation_itemresponse ir JOIN annotation_response r ON r.id = ir.response_id
         WHERE ir.item_id = s.item_id AND r.source_name = %(name)s LIMIT 1) IS NULL
  ORDER BY s.campaign_id, s.pos, s.replica LIMIT 1 FOR UPDATE OF s SKIP LOCKED
), gone AS (
  DELETE FROM annotation_slot s USING pick p
  WHERE (s.campaign_id, s.pos, s.replica) = (p.campaign_id, p.pos, p.replica) RETURNING s.item_id, s.pos
), """
PASSED = "greatest(c.pos, (SELECT pos FROM gone))"
NEXT_AHEAD = NEXT.format(start="(SELECT pos FROM me)") + LEASE.format(passed=PASSED)
NEXT_BEHIND = NEXT.format(start="-1") + LEASE.format(passed=PASSED)
NAMED = NEXT.format(start="-1 AND s.item_id = %(item)s") + LEASE.format(passed="c.pos")

# A gold item that the labeler has not seen, in an order that is the draw's; it has no slot to take. There are few of them.
ASIDE = """
WITH me AS MATERIALIZED (
  SELECT held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s
), live AS MATERIALIZED (
  SELECT a.id FROM me JOIN annotation_assignment a ON a.id = ANY(me.held) WHERE a.state = 1
), again AS MATERIALIZED (
  SELECT id FROM live WHERE id <> ALL(%(beyond)s::bigint[]) ORDER BY id LIMIT 1
), gone AS MATERIALIZED (
  SELECT i.id AS item_id FROM annotation_item i
  WHERE i.campaign_id = %(campaign)s AND i.purpose = 'gold' AND i.withdrawn_at IS NULL AND i.held_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM again) AND (SELECT count(*) FROM live) < 2
    AND NOT EXISTS (SELECT 1 FROM annotation_assignment a
                    WHERE a.item_id = i.id AND a.labeler_id = %(labeler)s AND a.state <> 4)
    AND NOT EXISTS (SELECT 1 FROM annotation_itemresponse ir JOIN annotation_response r ON r.id = ir.response_id
                    WHERE ir.item_id = i.id AND r.source_name = %(name)s)
  ORDER BY hashint8extended(i.id, %(draw)s::bigint), i.id LIMIT 1
), """ + LEASE.format(passed="c.pos")

# Nothing ahead of the cursor is for this labeler: pass it by, so that asking again costs nothing.
PASS_BY = """
UPDATE annotation_labelercursor c
SET pos = greatest(c.pos, coalesce((SELECT s.pos FROM annotation_slot s WHERE s.campaign_id = %(campaign)s
                                    ORDER BY s.campaign_id DESC, s.pos DESC LIMIT 1), c.pos)),
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
) -> tuple[int, bool] | None:
    """(assignment id, whether it is new): one that is held and not in `beyond`, else the next slot if `fresh`, else None.

    `aside` is the probability with which a new lease is a gold item instead.
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
    locked = _run(LOCK_CURSOR, params, prepare=True)
    if not locked:
        if not fresh:
            return None
        _run(OPEN_CURSOR, params)
        locked = _run(LOCK_CURSOR, params, prepare=True)
    rows = take_aside(params, locked[0][1], aside) if fresh and aside > 0 else []
    rows = rows or _run(NEXT_AHEAD, params, prepare=True)
    if not rows and fresh and locked[0][0] and _live(params) < MAX_HELD:
        # Slots can end up behind a cursor (a transaction that committed late); look there at most once a minute.
        rows = _run(NEXT_BEHIND, params)
        if not rows:
            _run(PASS_BY, params)
    return (rows[0][0], rows[0][1]) if rows else None


def take_aside(params: dict[str, Any], given: int, share: float) -> list[tuple[Any, ...]]:
    """A lease of a gold item, if the draw says so and there is one that the labeler has not seen; the cursor is locked.

    The draw is a keyed hash of campaign, labeler and how many leases there were: the same for ever, and nobody without the
    site's secret key can tell it. It takes the place of the statement for the next slot, so the cost tells nothing either.
    """
    drawn = draw(params["campaign"], params["labeler"], given)
    if drawn >= share * 2**63:
        return []
    return _run(ASIDE, params | {"draw": drawn}, prepare=True)


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
    _run(OPEN_CURSOR, params)
    _run(LOCK_CURSOR, params)
    held = _run(
        "SELECT held FROM annotation_labelercursor WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s",
        params,
    )
    rows = _run(NAMED, params | {"beyond": held[0][0]})
    return rows[0][0] if rows else None


def _live(params: dict[str, Any]) -> int:
    return _run(
        "SELECT count(*) FROM annotation_labelercursor c JOIN annotation_assignment a ON a.id = ANY(c.held)"
        " WHERE c.campaign_id = %(campaign)s AND c.labeler_id = %(labeler)s AND a.state = 1",
        params,
    )[0][0]


# --- While it is out -------------------------------------------------------------------------------------------------


def lock_assignment(assignment_id: int, labeler_id: int) -> Locked | None:
    """The labeler's assignment under its row lock; None if it is somebody else's."""
    rows = _run(
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
    return _run(
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
    _run(LOCK_CURSOR, {"campaign": campaign_id, "labeler": labeler_id})


def reclaim(assignment: Locked, labeler_id: int, lease_s: int) -> bool:
    """Takes an expired lease up again if its item has a free slot and the labeler a free hand; the cursor is locked."""
    params = {"campaign": assignment.campaign_id, "labeler": labeler_id}
    if _live(params) >= MAX_HELD or not (_take_slot(assignment.item_id) or _is_aside(assignment.item_id)):
        return False
    _run(
        "UPDATE annotation_assignment SET state = 1, requeued_pos = NULL,"
        " lease_until = statement_timestamp() + make_interval(secs => %s) WHERE id = %s",
        [lease_s, assignment.id],
    )
    _run(
        "UPDATE annotation_labelercursor SET held = held || %(id)s::bigint"
        " WHERE campaign_id = %(campaign)s AND labeler_id = %(labeler)s",
        params | {"id": assignment.id},
    )
    return True


# --- When it ends ----------------------------------------------------------------------------------------------------


def lock_items(item_ids: Sequence[int]) -> None:
    """In the order of their ids, so that two who lock several never wait for each other in a circle."""
    _run(
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
    counted = _run(
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
    _run("UPDATE annotation_assignment SET state = 2, draft = NULL WHERE id = %s", [assignment.id])
    return Finished.COUNTED if is_wanted else Finished.LATE


def _is_aside(item_id: int) -> bool:
    return bool(
        _run(
            "SELECT 1 FROM annotation_item"
            " WHERE id = %s AND purpose <> 'work' AND withdrawn_at IS NULL AND held_at IS NULL",
            [item_id],
        )
    )


def _take_slot(item_id: int) -> bool:
    return bool(
        _run(
            """
            DELETE FROM annotation_slot WHERE (campaign_id, pos, replica) = (
              SELECT campaign_id, pos, replica FROM annotation_slot WHERE item_id = %s
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
        for row in _run(
            "UPDATE annotation_assignment SET state = %s, requeued_pos = NULL WHERE id = ANY(%s) RETURNING item_id",
            [state, list(assignment_ids)],
        )
    ]


def requeue(assignment_ids: Sequence[int]) -> int:
    """Puts slots of ended assignments at the tail, as many as their items still want; the items are locked."""
    return _run(
        """
        WITH ended AS (
          SELECT id, campaign_id, item_id, row_number() OVER (PARTITION BY item_id ORDER BY id) AS n
          FROM annotation_assignment WHERE id = ANY(%s)
        ), room AS (
          SELECT i.id, i.overlap - i.counted
                 - (SELECT count(*) FROM annotation_slot s WHERE s.item_id = i.id)
                 - (SELECT count(*) FROM annotation_assignment l WHERE l.item_id = i.id AND l.state = 1) AS n
          FROM annotation_item i WHERE i.id IN (SELECT item_id FROM ended)
            AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
        ), back AS MATERIALIZED (
          SELECT e.id, e.campaign_id, e.item_id, nextval('annotation_slot_pos_seq') AS pos
          FROM ended e JOIN room r ON r.id = e.item_id WHERE e.n <= r.n
        ), put AS (
          INSERT INTO annotation_slot (campaign_id, pos, replica, item_id) SELECT campaign_id, pos, 0, item_id FROM back
        ), noted AS (
          UPDATE annotation_assignment a SET requeued_pos = b.pos FROM back b WHERE a.id = b.id
        )
        SELECT count(*) FROM back
        """,
        [list(assignment_ids)],
    )[0][0]


def overdue(limit: int, now: dt.datetime | None = None) -> list[int]:
    """Ids of leases whose time is up, locked; those that somebody is busy with are left for the next time."""
    return [
        row[0]
        for row in _run(
            """
            SELECT id FROM annotation_assignment
            WHERE state = 1 AND lease_until < coalesce(%s, statement_timestamp())
            ORDER BY lease_until LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [now, limit],
        )
    ]


# --- Filling and upkeep ----------------------------------------------------------------------------------------------


def fill(campaign_id: int, first_id: int, last_id: int) -> int:
    """Slots for the new items of an id range, in a stable shuffle; an item's places lie together, so items get finished."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO annotation_slot (campaign_id, pos, replica, item_id)
            SELECT %(campaign)s, p.pos, r, p.id FROM (
              SELECT id, overlap, nextval('annotation_slot_pos_seq') AS pos FROM (
                SELECT id, overlap FROM annotation_item i
                WHERE campaign_id = %(campaign)s AND id BETWEEN %(first)s AND %(last)s
                  AND counted = 0 AND withdrawn_at IS NULL AND held_at IS NULL AND purpose = 'work'
                  AND (SELECT 1 FROM annotation_slot s WHERE s.item_id = i.id LIMIT 1) IS NULL
                  AND (SELECT 1 FROM annotation_assignment a WHERE a.item_id = i.id LIMIT 1) IS NULL
                ORDER BY hashint8(id)) o) p, generate_series(1, p.overlap) r
            """,
            {"campaign": campaign_id, "first": first_id, "last": last_id},
        )
        return cursor.rowcount


def lock_writers(campaign_id: int) -> None:
    """One who adds items or changes the overlap at a time, until the transaction ends; labelers are not held up."""
    _run("SET LOCAL statement_timeout = 0")
    _run("SELECT pg_advisory_xact_lock(%s)", [(0x5754 << 40) + campaign_id])


def lock_all_items(campaign_id: int) -> int:
    """Holds answers back until the transaction ends; gives the most answers of an item with its campaign's overlap."""
    return _run(
        "SELECT coalesce(max(counted) FILTER (WHERE NOT has_own_overlap), 0) FROM (SELECT counted, has_own_overlap"
        " FROM annotation_item WHERE campaign_id = %s ORDER BY id FOR NO KEY UPDATE) locked",
        [campaign_id],
    )[0][0]


def change_overlap(campaign_id: int, overlap: int) -> None:
    """Gives every item the new overlap: adds slots at the tail, or removes free ones; the items are locked.

    An item with an overlap of its own keeps it where it is larger, so that lowering all takes nothing from it.
    Leases that are out stay; an answer that then finds its item complete is kept as late.
    """
    params = {"campaign": campaign_id, "overlap": overlap}
    _run(
        """
        UPDATE annotation_item SET overlap = %(overlap)s, has_own_overlap = false
        WHERE campaign_id = %(campaign)s
          AND (overlap < %(overlap)s OR (overlap > %(overlap)s AND NOT has_own_overlap))
        """,
        params,
    )
    _run(
        """
        WITH room AS MATERIALIZED (
          SELECT i.id, i.overlap - i.counted - coalesce(s.n, 0) - coalesce(l.n, 0) AS n
          FROM annotation_item i
          LEFT JOIN (SELECT item_id, count(*) AS n FROM annotation_slot WHERE campaign_id = %(campaign)s GROUP BY 1) s
            ON s.item_id = i.id
          LEFT JOIN (SELECT item_id, count(*) AS n FROM annotation_assignment
                     WHERE campaign_id = %(campaign)s AND state = 1 GROUP BY 1) l ON l.item_id = i.id
          WHERE i.campaign_id = %(campaign)s AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
        ), more AS (
          INSERT INTO annotation_slot (campaign_id, pos, replica, item_id)
          SELECT %(campaign)s, p.pos, r, p.id FROM (
            SELECT id, n, nextval('annotation_slot_pos_seq') AS pos FROM (
              SELECT id, n FROM room WHERE n > 0 ORDER BY hashint8(id)) o) p, generate_series(1, p.n) r
        ), ranked AS (
          SELECT s.campaign_id, s.pos, s.replica, r.n,
                 row_number() OVER (PARTITION BY s.item_id ORDER BY s.pos DESC, s.replica DESC) AS place
          FROM annotation_slot s JOIN room r ON r.id = s.item_id WHERE s.campaign_id = %(campaign)s AND r.n < 0
        )
        DELETE FROM annotation_slot s USING ranked k
        WHERE (s.campaign_id, s.pos, s.replica) = (k.campaign_id, k.pos, k.replica) AND k.place <= -k.n
        """,
        params,
    )


def recount(item_ids: Sequence[int]) -> None:
    """Says again how many counted answers these items have, after some were erased; items are locked."""
    _run(
        """
        UPDATE annotation_item i SET counted = (
          SELECT count(*) FROM annotation_submission s
          WHERE s.item_id = i.id AND s.revision = 0 AND s.status = 'counted')
        WHERE i.id = ANY(%s) AND i.purpose = 'work'
        """,
        [list(item_ids)],
    )


def refill(item_ids: Sequence[int]) -> None:
    """Slots at the tail for what these items want again, after answers or leases of theirs are no more or they are held
    back no longer; items are locked."""
    _run(
        """
        INSERT INTO annotation_slot (campaign_id, pos, replica, item_id)
        SELECT p.campaign_id, p.pos, r, p.id FROM (
          SELECT id, campaign_id, n, nextval('annotation_slot_pos_seq') AS pos FROM (
            SELECT i.id, i.campaign_id, i.overlap - i.counted
                   - (SELECT count(*) FROM annotation_slot s WHERE s.item_id = i.id)
                   - (SELECT count(*) FROM annotation_assignment l WHERE l.item_id = i.id AND l.state = 1) AS n
            FROM annotation_item i
            WHERE i.id = ANY(%s) AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
            ORDER BY i.id) room
          WHERE n > 0) p, generate_series(1, p.n) r
        """,
        [list(item_ids)],
    )


def give_back(campaign_id: int, labeler_id: int) -> int:
    """Ends every lease that one labeler holds and opens their places to others at once; drafts stay. How many."""
    lock_cursor(campaign_id, labeler_id)
    ids = [
        row[0]
        for row in _run(
            "SELECT id FROM annotation_assignment WHERE campaign_id = %s AND labeler_id = %s AND state = 1"
            " ORDER BY id FOR UPDATE",
            [campaign_id, labeler_id],
        )
    ]
    if ids:
        lock_items(end(ids, EXPIRED))
        requeue(ids)
    return len(ids)


def add_place(item_ids: Sequence[int], *, up_to: int) -> list[int]:
    """One answer more is wanted of those of these items that are complete and below `up_to`; locks them, gives their ids."""
    lock_items(item_ids)
    raised = [
        row[0]
        for row in _run(
            """
            UPDATE annotation_item SET overlap = overlap + 1, has_own_overlap = true
            WHERE id = ANY(%s) AND counted >= overlap AND overlap < %s AND withdrawn_at IS NULL AND held_at IS NULL
            RETURNING id
            """,
            [list(item_ids), up_to],
        )
    ]
    refill(raised)
    return sorted(raised)


def set_overlap(item_id: int, overlap: int) -> None:
    """Gives one item an overlap of its own: opens places at the tail, or takes free ones away; the item is locked.

    Leases that are out stay, as with `change_overlap`.
    """
    params = {"item": item_id, "overlap": overlap}
    _run(
        "UPDATE annotation_item SET overlap = %(overlap)s, has_own_overlap = true WHERE id = %(item)s", params
    )
    _run(
        """
        DELETE FROM annotation_slot WHERE (campaign_id, pos, replica) IN (
          SELECT s.campaign_id, s.pos, s.replica FROM annotation_slot s WHERE s.item_id = %(item)s
          ORDER BY s.pos DESC, s.replica DESC LIMIT greatest(0, (
            SELECT (SELECT count(*) FROM annotation_slot n WHERE n.item_id = i.id)
                   - greatest(0, i.overlap - i.counted - (SELECT count(*) FROM annotation_assignment l
                                                          WHERE l.item_id = i.id AND l.state = 1))
            FROM annotation_item i WHERE i.id = %(item)s)))
        """,
        params,
    )
    refill([item_id])


def withdraw(item_ids: Sequence[int]) -> None:
    """Takes items out of everybody's queue; the items are locked."""
    _run("DELETE FROM annotation_slot WHERE item_id = ANY(%s)", [list(item_ids)])


def advance_low_marks() -> None:
    """Newcomers start where the live part of a queue begins."""
    _run(
        """
        INSERT INTO annotation_queuestate (campaign_id, low_pos)
        SELECT c.id, coalesce((SELECT s.pos - 1 FROM annotation_slot s WHERE s.campaign_id = c.id
                               ORDER BY s.campaign_id, s.pos LIMIT 1), 0)
        FROM annotation_campaign c WHERE c.state IN ('open', 'paused') ORDER BY c.id
        ON CONFLICT (campaign_id) DO UPDATE SET low_pos = greatest(annotation_queuestate.low_pos, excluded.low_pos)
        """
    )


def move_stranded(limit: int) -> int:
    """Slots that every cursor has passed, though one of the labelers may still take them, go to the tail.

    That happens when a transaction commits late, after cursors went by.
    """
    return _run(
        """
        WITH passed AS (
          SELECT campaign_id, min(pos) AS pos FROM annotation_labelercursor GROUP BY campaign_id
        ), stranded AS MATERIALIZED (
          SELECT s.campaign_id, s.pos, s.replica, s.item_id
          FROM passed p JOIN annotation_slot s ON s.campaign_id = p.campaign_id AND s.pos <= p.pos
          WHERE EXISTS (SELECT 1 FROM annotation_labelercursor c WHERE c.campaign_id = s.campaign_id
                        AND (SELECT a.id FROM annotation_assignment a WHERE a.item_id = s.item_id
                             AND a.labeler_id = c.labeler_id AND a.state <> 4) IS NULL)
          ORDER BY s.pos LIMIT %s FOR UPDATE OF s SKIP LOCKED
        ), gone AS (
          DELETE FROM annotation_slot s USING stranded t
          WHERE (s.campaign_id, s.pos, s.replica) = (t.campaign_id, t.pos, t.replica)
          RETURNING s.campaign_id, s.item_id
        ), put AS (
          INSERT INTO annotation_slot (campaign_id, pos, replica, item_id)
          SELECT campaign_id, nextval('annotation_slot_pos_seq'), 0, item_id FROM gone
        )
        SELECT count(*) FROM gone
        """,
        [limit],
    )[0][0]
