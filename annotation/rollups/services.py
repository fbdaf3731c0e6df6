"""Changes are folded into the counts, and the counts are compared with the rows.

fold()            the worker, every few seconds; as often as anybody likes, also two at once
differences()     what a recount of every row finds otherwise; nothing, unless triggers were switched off
repair()          adds what is missing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from annotation.rollups.counting import FOLD, TABLES
from annotation.transactions import in_transaction

BATCH = 10_000  # changes in one statement
ONE_AT_A_TIME = 0x57_54_46_4F  # key of the advisory lock of whoever writes counts


@dataclass(frozen=True)
class Difference:
    """A row of counts that is not what its rows say; `missing` is what has to be added, by column."""

    table: str
    keys: dict[str, Any]
    missing: dict[str, float]


@in_transaction
def fold(*, limit: int = BATCH) -> int:
    """Moves changes into the counts; how many. Both in one statement, so that a worker that is killed has done all or
    nothing of it. Whoever comes while another folds leaves it to them: 0."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(FOLD, [limit])
        return cursor.fetchone()[0]


def fold_all() -> int:
    """Folds until fewer than a batch is left; how many changes."""
    total = 0
    while (folded := fold()) > 0:
        total += folded
        if folded < BATCH:
            break
    return total


def differences() -> list[Difference]:
    """Counts every row of every campaign again and says where the counts say otherwise. Also while people work."""
    found = []
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(table.difference())
            for row in cursor.fetchall():
                keys = dict(zip(table.keys, row, strict=False))
                sums = dict(zip(table.measures, row[len(keys) :], strict=True))
                found.append(Difference(table.name, keys, {name: n for name, n in sums.items() if n}))
    return found


@in_transaction
def repair() -> int:
    """Adds what is missing to every table of counts; how many rows were wrong. What comes in meanwhile stays a change."""
    wrong = 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        for table in TABLES:
            cursor.execute(table.add(table.difference()))
            wrong += cursor.rowcount
    return wrong
