"""Where the open places of a campaign stand in its queue: filling it, putting it in another order, and upkeep.

A strategy (`strategies/`) is an order. It is laid down in `pos`: new places go to the tail in its order, and a new order of
all places rewrites `pos` beyond the largest there is, batch after batch, so everybody's place in the queue is before it and
nobody is passed over. A share of the places is drawn at random instead and spread evenly over the order: what they are
answered with is a random sample of what was open, whatever the strategy preferred.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from annotation.assignment import lanes, strategies
from annotation.assignment.queue import lock_items, run
from annotation.assignment.strategies.base import Strategy

BATCH = 2_000  # places that are moved in one transaction: their items are locked for some ten milliseconds
CLAIM_S = 900  # an order that was not finished by then is begun again by somebody else
SETTLE_S = 300  # what comes in meanwhile is put in order together


# --- Filling ---------------------------------------------------------------------------------------------------------

# `source` has a row for each item: item, lane, places, covered, priority, score. Draws are by hash, so a seed says it all.
_UNIT = "(hashint8extended(item * 128 + nth, %(seed)s::bigint + {n}) & 9223372036854775807) / 9223372036854775807.0::float8"
_SIDE_BY_SIDE = "SELECT item, lane, places, covered, priority, score, 0 AS nth FROM source"
_APART = """
SELECT item, lane, 1 AS places, covered + nth - 1 AS covered, priority, score, nth
FROM source CROSS JOIN generate_series(1, places) AS nth
"""


def _ranked(strategy: Strategy) -> str:
    """Places with the `spot` in (0, 1) where each stands: evenly spread in the strategy's order, or anywhere by control."""
    return f"""
    SELECT item, lane, places, nth, is_control,
           CASE WHEN is_control THEN {_UNIT.format(n=2)}
           ELSE (row_number() OVER (PARTITION BY is_control ORDER BY {strategy.order}, item, nth) - 0.5)
                / count(*) OVER (PARTITION BY is_control) END AS spot
    FROM (SELECT *, hashint8extended(item, %(seed)s::bigint) AS shuffle, {_UNIT.format(n=1)} < %(share)s AS is_control
          FROM ({_APART if strategy.breadth else _SIDE_BY_SIDE}) places) drawn
    """


def fill(campaign_id: int, first_id: int, last_id: int, *, strategy: Strategy, share: float) -> int:
    """Slots for the new items of an id range at the tail, in the strategy's order.

    Args: share: of places that are drawn at random, 0 to 1.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH source AS (
              SELECT i.id AS item, i.lane, i.overlap AS places, 0 AS covered, i.priority,
                     (SELECT z.value FROM annotation_itemscore z WHERE z.item_id = i.id) AS score
              FROM annotation_item i
              WHERE i.campaign_id = %(campaign)s AND i.id BETWEEN %(first)s AND %(last)s
                AND i.counted = 0 AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
                AND (SELECT 1 FROM annotation_slot s WHERE s.item_id = i.id LIMIT 1) IS NULL
                AND (SELECT 1 FROM annotation_assignment a WHERE a.item_id = i.id LIMIT 1) IS NULL
            )
            INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
            SELECT %(campaign)s, p.lane, p.pos, r, p.item, CASE WHEN p.is_control THEN %(control)s ELSE %(strategy)s END
            FROM (SELECT o.*, nextval('annotation_slot_pos_seq') AS pos
                  FROM (SELECT * FROM ({_ranked(strategy)}) ranked ORDER BY spot, item, nth) o) p,
                 generate_series(1, p.places) r
            """,
            {
                "campaign": campaign_id,
                "first": first_id,
                "last": last_id,
                "seed": 0,
                "share": share,
                "control": strategies.CONTROL,
                "strategy": strategy.slug,
            },
        )
        return cursor.rowcount


def change_overlap(
    campaign_id: int, overlap: int, *, strategy: Strategy, first_id: int = 0, last_id: int = 2**63 - 1
) -> None:
    """Gives the items of an id range the new overlap: adds slots at the tail, or removes free ones; the items are locked.

    An item with an overlap of its own keeps it where it is larger, so that lowering all takes nothing from it; one that has
    more answers keeps as many places. Leases that are out stay; an answer that then finds its item complete is kept as late.
    """
    params = {
        "campaign": campaign_id,
        "overlap": overlap,
        "strategy": strategy.slug,
        "first": first_id,
        "last": last_id,
    }
    run(
        """
        UPDATE annotation_item SET overlap = greatest(%(overlap)s, counted), has_own_overlap = counted > %(overlap)s
        WHERE campaign_id = %(campaign)s AND id BETWEEN %(first)s AND %(last)s
          AND (overlap < %(overlap)s OR (overlap > %(overlap)s AND NOT has_own_overlap))
        """,
        params,
    )
    run(
        """
        WITH room AS MATERIALIZED (
          SELECT i.id, i.lane, i.overlap - i.counted - coalesce(s.n, 0) - coalesce(l.n, 0) AS n
          FROM annotation_item i
          LEFT JOIN (SELECT item_id, count(*) AS n FROM annotation_slot
                     WHERE campaign_id = %(campaign)s AND item_id BETWEEN %(first)s AND %(last)s GROUP BY 1) s
            ON s.item_id = i.id
          LEFT JOIN (SELECT item_id, count(*) AS n FROM annotation_assignment
                     WHERE campaign_id = %(campaign)s AND item_id BETWEEN %(first)s AND %(last)s AND state = 1 GROUP BY 1) l
            ON l.item_id = i.id
          WHERE i.campaign_id = %(campaign)s AND i.id BETWEEN %(first)s AND %(last)s
            AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
        ), more AS (
          INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
          SELECT %(campaign)s, p.lane, p.pos, r, p.id, %(strategy)s FROM (
            SELECT id, lane, n, nextval('annotation_slot_pos_seq') AS pos FROM (
              SELECT id, lane, n FROM room WHERE n > 0 ORDER BY hashint8(id)) o) p, generate_series(1, p.n) r
        ), ranked AS (
          SELECT s.campaign_id, s.lane, s.pos, s.replica, r.n,
                 row_number() OVER (PARTITION BY s.item_id ORDER BY s.pos DESC, s.replica DESC) AS place
          FROM annotation_slot s JOIN room r ON r.id = s.item_id WHERE s.campaign_id = %(campaign)s AND r.n < 0
        )
        DELETE FROM annotation_slot s USING ranked k
        WHERE (s.campaign_id, s.lane, s.pos, s.replica) = (k.campaign_id, k.lane, k.pos, k.replica) AND k.place <= -k.n
        """,
        params,
    )


def want_overlap(campaign_id: int, overlap: int | None) -> None:
    """The items are to be given this overlap one after the other; None: all have it."""
    run(
        """
        INSERT INTO annotation_queuestate AS q (campaign_id, low_pos, overlap_to, overlap_after) VALUES (%s, 0, %s, %s)
        ON CONFLICT (campaign_id) DO UPDATE SET overlap_to = excluded.overlap_to, overlap_after = excluded.overlap_after
        """,
        [campaign_id, overlap, None if overlap is None else 0],
    )


def spread_overlap(campaign_id: int, *, strategy: Strategy) -> bool:
    """Gives the next items of a campaign the overlap that is wanted. False if all have it, or somebody else is at it.

    Items are locked before the queue's own row, as everywhere. What was wanted may change meanwhile: then nothing is kept.
    """
    with transaction.atomic():
        if not run("SELECT pg_try_advisory_xact_lock(%s)", [(0x5753 << 40) + campaign_id])[0][0]:
            return False
        run("SET LOCAL plan_cache_mode = force_custom_plan")
        wanted = run(
            "SELECT overlap_to, overlap_after FROM annotation_queuestate"
            " WHERE campaign_id = %s AND overlap_to IS NOT NULL",
            [campaign_id],
        )
        if not wanted:
            return False
        overlap, after = wanted[0]
        ids = [
            row[0]
            for row in run(
                "SELECT id FROM annotation_item WHERE campaign_id = %s AND id > %s ORDER BY id LIMIT %s",
                [campaign_id, after, BATCH],
            )
        ]
        if ids:
            lock_items(ids)
            change_overlap(campaign_id, overlap, strategy=strategy, first_id=ids[0], last_id=ids[-1])
        kept = run(
            """
            UPDATE annotation_queuestate
            SET overlap_to = CASE WHEN %(last)s::bigint IS NULL THEN NULL ELSE overlap_to END, overlap_after = %(last)s
            WHERE campaign_id = %(campaign)s AND overlap_to = %(overlap)s AND overlap_after = %(after)s
            RETURNING 1
            """,
            {
                "campaign": campaign_id,
                "overlap": overlap,
                "after": after,
                "last": ids[-1] if ids else None,
            },
        )
        if not kept:
            transaction.set_rollback(True)
            return True
        if not ids:
            want_order(campaign_id, in_s=0)
        return bool(ids)


def spreading() -> list[int]:
    """Campaigns whose items are being given a new overlap."""
    return [
        row[0]
        for row in run(
            "SELECT campaign_id FROM annotation_queuestate WHERE overlap_to IS NOT NULL ORDER BY campaign_id"
        )
    ]


def refill(item_ids: Sequence[int]) -> None:
    """Slots at the tail for what these items want again, after answers or leases of theirs are no more or they are held
    back no longer; items are locked."""
    run(
        """
        INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
        SELECT p.campaign_id, p.lane, p.pos, r, p.id, c.strategy FROM (
          SELECT id, campaign_id, lane, n, nextval('annotation_slot_pos_seq') AS pos FROM (
            SELECT i.id, i.campaign_id, i.lane, i.overlap - i.counted
                   - (SELECT count(*) FROM annotation_slot s WHERE s.item_id = i.id)
                   - (SELECT count(*) FROM annotation_assignment l WHERE l.item_id = i.id AND l.state = 1) AS n
            FROM annotation_item i
            WHERE i.id = ANY(%s) AND i.withdrawn_at IS NULL AND i.held_at IS NULL AND i.purpose = 'work'
            ORDER BY i.id) room
          WHERE n > 0) p JOIN annotation_campaign c ON c.id = p.campaign_id, generate_series(1, p.n) r
        """,
        [list(item_ids)],
    )


def add_place(item_ids: Sequence[int], *, up_to: int) -> list[int]:
    """One answer more is wanted of those of these items that are complete and below `up_to`; locks them, gives their ids."""
    lock_items(item_ids)
    raised = [
        row[0]
        for row in run(
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
    run(
        "UPDATE annotation_item SET overlap = %(overlap)s, has_own_overlap = true WHERE id = %(item)s", params
    )
    run(
        """
        DELETE FROM annotation_slot WHERE (campaign_id, lane, pos, replica) IN (
          SELECT s.campaign_id, s.lane, s.pos, s.replica FROM annotation_slot s WHERE s.item_id = %(item)s
          ORDER BY s.pos DESC, s.replica DESC LIMIT greatest(0, (
            SELECT (SELECT count(*) FROM annotation_slot n WHERE n.item_id = i.id)
                   - greatest(0, i.overlap - i.counted - (SELECT count(*) FROM annotation_assignment l
                                                          WHERE l.item_id = i.id AND l.state = 1))
            FROM annotation_item i WHERE i.id = %(item)s)))
        """,
        params,
    )
    refill([item_id])


def change_lane(item_id: int, lane: int) -> None:
    """Puts the places of an item into another lane, at its tail; the item is locked."""
    run("UPDATE annotation_item SET lane = %s WHERE id = %s", [lane, item_id])
    run(
        """
        WITH gone AS (
          DELETE FROM annotation_slot WHERE item_id = %(item)s RETURNING campaign_id, item_id, chosen_by
        ), tail AS MATERIALIZED (SELECT nextval('annotation_slot_pos_seq') AS pos)
        INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
        SELECT campaign_id, %(lane)s, tail.pos, row_number() OVER (), item_id, chosen_by FROM gone, tail
        """,
        {"item": item_id, "lane": lane},
    )


# --- Another order ---------------------------------------------------------------------------------------------------


def want_order(campaign_id: int, *, in_s: int = SETTLE_S) -> None:
    """The open places are to be put in order anew, in so many seconds at the latest."""
    run(
        """
        INSERT INTO annotation_queuestate AS q (campaign_id, low_pos, order_due_at)
        VALUES (%s, 0, statement_timestamp() + make_interval(secs => %s))
        ON CONFLICT (campaign_id) DO UPDATE SET order_due_at = least(q.order_due_at, excluded.order_due_at)
        """,
        [campaign_id, in_s],
    )


def save_scores(campaign_id: int, scores: Mapping[int, float], source: str) -> int:
    """Writes `ItemScore` rows for those of the items that are the campaign's, in two arrays; how many.

    What contradicting answers to them are worth changes with it: the worker that compares them looks again.
    """
    return run(
        """
        WITH saved AS (
          INSERT INTO annotation_itemscore (item_id, value, source, scored_at)
          SELECT i.id, s.value, %(source)s, statement_timestamp()
          FROM unnest(%(items)s::bigint[], %(values)s::float8[]) AS s(item_id, value)
          JOIN annotation_item i ON i.id = s.item_id AND i.campaign_id = %(campaign)s
          ON CONFLICT (item_id) DO UPDATE
            SET value = excluded.value, source = excluded.source, scored_at = excluded.scored_at
          RETURNING 1
        ), compared AS (
          INSERT INTO annotation_recount (item_id)
          SELECT d.item_id FROM annotation_disagreement d
          WHERE d.campaign_id = %(campaign)s AND d.item_id = ANY(%(items)s::bigint[]) AND d.answers > 1)
        SELECT count(*) FROM saved
        """,
        {
            "campaign": campaign_id,
            "source": source,
            "items": list(scores),
            "values": [float(value) for value in scores.values()],
        },
    )[0][0]


def claim() -> tuple[int, Any] | None:
    """(campaign, until when it is ours) of a queue whose order is due; nobody else takes it meanwhile. None if none is."""
    rows = run(
        """
        UPDATE annotation_queuestate SET order_due_at = statement_timestamp() + make_interval(secs => %s)
        WHERE campaign_id = (SELECT campaign_id FROM annotation_queuestate WHERE order_due_at <= statement_timestamp()
                             ORDER BY order_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING campaign_id, order_due_at
        """,
        [CLAIM_S],
    )
    return rows[0] if rows else None


def finish(campaign_id: int, claimed: Any, seed: int) -> None:
    """Notes that the places stand in order, unless another order has come due meanwhile."""
    run(
        "UPDATE annotation_queuestate SET ordered_at = statement_timestamp(), order_seed = %s,"
        " order_due_at = CASE WHEN order_due_at = %s THEN NULL ELSE order_due_at END WHERE campaign_id = %s",
        [seed, claimed, campaign_id],
    )


def reorder(
    campaign_id: int, *, strategy: Strategy, share: float, seed: int | None = None
) -> tuple[int, int]:
    """Puts all open places in the strategy's order, batch after batch, the first in rank first; (places moved, seed).

    Memory holds eight bytes a place. A place that is taken meanwhile is left alone, and one that comes in stays behind.
    """
    seed = secrets.randbits(60) if seed is None else seed
    with transaction.atomic():
        run("SET LOCAL statement_timeout = 0")
        until = run("SELECT last_value FROM annotation_slot_pos_seq")[0][0]
        ranked = _ranks(campaign_id, strategy, share, seed)
    moved = 0
    for start in range(0, len(ranked), BATCH):
        part = ranked[start : start + BATCH]
        with transaction.atomic():
            # A plan for arrays of any length expects ten places and joins two thousand in nested loops.
            run("SET LOCAL plan_cache_mode = force_custom_plan")
            lock_items([abs(item) for item in part])
            moved += _move(campaign_id, part, until, strategy)
    return moved, seed


def _ranks(campaign_id: int, strategy: Strategy, share: float, seed: int) -> array[int]:
    """Item ids in the order in which they are to stand, a place drawn by control as the negative id."""
    ranks = array("q")
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"""
            WITH source AS (
              SELECT s.item_id AS item, i.lane, s.places, i.overlap - s.places AS covered, i.priority, z.value AS score
              FROM (SELECT item_id, count(*)::int AS places FROM annotation_slot WHERE campaign_id = %(campaign)s
                    GROUP BY item_id) s
              JOIN annotation_item i ON i.id = s.item_id LEFT JOIN annotation_itemscore z ON z.item_id = s.item_id
            )
            SELECT CASE WHEN is_control THEN -item ELSE item END FROM ({_ranked(strategy)}) ranked ORDER BY spot, item, nth
            """,
            {"campaign": campaign_id, "seed": seed, "share": share},
        )
        while rows := cursor.fetchmany(10_000):
            ranks.extend(row[0] for row in rows)
    return ranks


def _move(campaign_id: int, part: Sequence[int], until: int, strategy: Strategy) -> int:
    """Gives the places of a batch new positions beyond all others, in its order; the items are locked.

    A place that somebody is taking at this moment is skipped, not waited for.
    """
    matching = "w.nth = o.nth" if strategy.breadth else "w.nth = 1"
    return run(
        f"""
        WITH wanted AS (
          SELECT abs(item) AS item, item < 0 AS is_control, rank,
                 row_number() OVER (PARTITION BY abs(item) ORDER BY rank) AS nth
          FROM unnest(%(items)s::bigint[]) WITH ORDINALITY AS w(item, rank)
        ), locked AS MATERIALIZED (
          SELECT s.* FROM annotation_slot s
          WHERE s.item_id IN (SELECT item FROM wanted) AND s.campaign_id = %(campaign)s AND s.pos <= %(until)s
          FOR UPDATE OF s SKIP LOCKED
        ), chosen AS MATERIALIZED (
          SELECT o.*, w.rank, w.is_control FROM (
            SELECT l.*, row_number() OVER (PARTITION BY item_id ORDER BY pos, replica) AS nth FROM locked l) o
          JOIN wanted w ON w.item = o.item_id AND {matching}
        ), tail AS MATERIALIZED (
          SELECT rank, nextval('annotation_slot_pos_seq') AS pos FROM (SELECT DISTINCT rank FROM chosen ORDER BY rank) r
        ), gone AS (
          DELETE FROM annotation_slot s USING chosen c
          WHERE (s.campaign_id, s.lane, s.pos, s.replica) = (c.campaign_id, c.lane, c.pos, c.replica)
        ), put AS (
          INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
          SELECT c.campaign_id, c.lane, t.pos, c.nth, c.item_id,
                 CASE WHEN c.is_control THEN %(control)s ELSE %(strategy)s END
          FROM chosen c JOIN tail t ON t.rank = c.rank
        )
        SELECT count(*) FROM chosen
        """,
        {
            "items": list(part),
            "campaign": campaign_id,
            "until": until,
            "control": strategies.CONTROL,
            "strategy": strategy.slug,
        },
    )[0][0]


# --- Upkeep ----------------------------------------------------------------------------------------------------------


def advance_low_marks() -> None:
    """Newcomers start where the live part of a queue begins."""
    run(
        """
        INSERT INTO annotation_queuestate (campaign_id, low_pos)
        SELECT c.id, coalesce((
          SELECT min((SELECT s.pos - 1 FROM annotation_slot s WHERE s.campaign_id = l.campaign_id AND s.lane = l.number
                      ORDER BY s.campaign_id, s.lane, s.pos LIMIT 1))
          FROM annotation_lane l WHERE l.campaign_id = c.id), 0)
        FROM annotation_campaign c WHERE c.state IN ('open', 'paused') ORDER BY c.id
        ON CONFLICT (campaign_id) DO UPDATE SET low_pos = greatest(annotation_queuestate.low_pos, excluded.low_pos)
        """
    )


def move_stranded(limit: int) -> int:
    """Slots that everybody who may be given them has passed, though somebody may still take them, go to the tail.

    That happens when a transaction commits late, after cursors went by.
    """
    return run(
        f"""
        WITH reader AS MATERIALIZED (
          SELECT l.campaign_id, l.number AS lane, c.labeler_id, coalesce(c.lanes[l.number], c.pos) AS pos
          FROM annotation_lane l JOIN annotation_labelercursor c ON c.campaign_id = l.campaign_id
          LEFT JOIN annotation_membership m
            ON m.campaign_id = l.campaign_id AND m.user_id = c.labeler_id AND m.role = 'labeler'
          WHERE {lanes.MAY}
        ), passed AS MATERIALIZED (
          SELECT campaign_id, lane, min(pos) AS pos FROM reader GROUP BY campaign_id, lane
        ), stranded AS MATERIALIZED (
          SELECT s.*
          FROM passed p JOIN annotation_slot s ON s.campaign_id = p.campaign_id AND s.lane = p.lane AND s.pos <= p.pos
          WHERE EXISTS (SELECT 1 FROM reader r WHERE r.campaign_id = s.campaign_id AND r.lane = s.lane
                        AND (SELECT a.id FROM annotation_assignment a WHERE a.item_id = s.item_id
                             AND a.labeler_id = r.labeler_id AND a.state <> 4) IS NULL)
          ORDER BY s.pos LIMIT %s FOR UPDATE OF s SKIP LOCKED
        ), gone AS (
          DELETE FROM annotation_slot s USING stranded t
          WHERE (s.campaign_id, s.lane, s.pos, s.replica) = (t.campaign_id, t.lane, t.pos, t.replica)
          RETURNING s.campaign_id, s.lane, s.item_id, s.chosen_by
        ), put AS (
          INSERT INTO annotation_slot (campaign_id, lane, pos, replica, item_id, chosen_by)
          SELECT campaign_id, lane, nextval('annotation_slot_pos_seq'), 0, item_id, chosen_by FROM gone
        )
        SELECT count(*) FROM gone
        """,
        [limit],
    )[0][0]
