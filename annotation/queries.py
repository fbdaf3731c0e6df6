"""Small helpers for querysets."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def the_one(rows: QuerySet[M]) -> M | None:
    """The row of a query by a unique key, or None.

    As `first()`, which would order by the key as well: over joined tables, writing that takes longer than the query itself.
    """
    return next(iter(rows), None)
