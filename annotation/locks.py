"""Locks of the database for work that one worker does at a time, such as an import or a batch of candidates.

with held(Work.IMPORT, job.pk) as is_mine:
    if is_mine: ...

A lock belongs to the connection: whoever is killed lets go of it. Every kind of work has a number of its own here, so that
import 5 and the statistics of campaign 5 do not keep each other waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from django.db import connection


@unique
class Work(IntEnum):
    """The first of the two numbers of an advisory lock; the second says which one of its kind."""

    CANDIDATES = 7_314
    IMPORT = 7_315
    QUALITY = 7_316


@contextmanager
def held(work: Work, number: int) -> Iterator[bool]:
    """Gives whether this is the only one; does not wait for anybody."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [work, number])
        taken = bool(cursor.fetchone()[0])
    try:
        yield taken
    finally:
        if taken:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [work, number])
