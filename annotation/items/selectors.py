"""Items of a campaign, for those who oversee it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, Prefetch, QuerySet
from django.utils import timezone

from annotation.campaigns.models import Campaign
from annotation.items.models import Import, Item, ItemResponse, Purpose

READING = 0.6  # of an import; making items of what was read is the rest

REPORTED = "reported"
INDEXED = (
    "withdrawn",
    "held",
    "gold",
    "practice",
)  # states that few items are in, each with an index of its own
LOOKED_THROUGH = 50_000


def items_of(campaign: Campaign) -> QuerySet[Item]:
    """Items with prompt and responses, for pages; filter and slice it."""
    links = ItemResponse.objects.select_related("response").order_by("position")
    return (
        Item.objects.filter(campaign=campaign)
        .select_related("prompt")
        .prefetch_related(Prefetch("itemresponse_set", queryset=links, to_attr="links"))
    )


@dataclass(frozen=True)
class ItemsPage:
    """`after` continues the list; None at its end. `looked` is set when a page is not full although the list goes on: so
    many items were looked through, and no more of them are in the state that was asked for."""

    items: list[Item]
    after: int | None
    looked: int | None = None


def page_of(
    campaign: Campaign, *, state: str = "", query: str = "", after: int | None = None, size: int = 50
) -> ItemsPage:
    """Items, newest first, continued behind an id; as fast at a million as at ten.

    Args:
        state: one of `item_state`, or "reported": with a report that nobody has looked at.
        query: an id, of the campaign's own or of the table; exact.
    An item's state changes with every answer, so no index holds it: a page looks through `LOOKED_THROUGH` items at most.
    """
    found = items_of(campaign).order_by("-pk")
    if query:
        found = found.filter(pk__in=_named(campaign, query))
    if after is not None:
        found = found.filter(pk__lt=after)
    if state == REPORTED:
        found = found.filter(pk__in=_reported(campaign, after, size + 1))
    elif state in INDEXED or query:
        found = state_filter(found, state) if state else found
    elif state:
        return _looked_through(campaign, state_filter(found, state), after, size)
    rows = list(found[: size + 1])
    return ItemsPage(rows[:size], rows[size - 1].pk if len(rows) > size else None)


def _looked_through(campaign: Campaign, found: QuerySet[Item], after: int | None, size: int) -> ItemsPage:
    window = Item.objects.filter(campaign=campaign).order_by("-pk")
    if after is not None:
        window = window.filter(pk__lt=after)
    ends = list(window.values_list("pk", flat=True)[LOOKED_THROUGH - 1 : LOOKED_THROUGH + 1])
    last = ends[0] if len(ends) == 2 else None
    rows = list((found if last is None else found.filter(pk__gte=last))[: size + 1])
    if len(rows) > size:
        return ItemsPage(rows[:size], rows[size - 1].pk)
    return ItemsPage(rows, last, None if last is None else LOOKED_THROUGH)


def _named(campaign: Campaign, query: str) -> list[int]:
    named = list(Item.objects.filter(campaign=campaign, external_id=query).values_list("pk", flat=True))
    return [*named, int(query)] if query.isascii() and query.isdigit() and len(query) < 19 else named


def _reported(campaign: Campaign, after: int | None, size: int) -> list[int]:
    # From the open reports, which are few, to their items; the planner alone would walk through all assignments.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH open AS MATERIALIZED (SELECT assignment_id FROM annotation_flag WHERE resolved_at IS NULL)
            SELECT DISTINCT a.item_id FROM open JOIN annotation_assignment a ON a.id = open.assignment_id
            WHERE a.campaign_id = %(c)s AND a.item_id < %(after)s ORDER BY a.item_id DESC LIMIT %(size)s
            """,
            {"c": campaign.pk, "after": 2**63 - 1 if after is None else after, "size": size},
        )
        return [row[0] for row in cursor.fetchall()]


def item_state(item: Item) -> str:
    """In a word: withdrawn, held, complete, begun or waiting; gold or practice for an item that nobody waits for."""
    if item.withdrawn_at:
        return "withdrawn"
    if item.held_at:
        return "held"
    if item.purpose != Purpose.WORK:
        return str(item.purpose)
    if item.counted >= item.overlap:
        return "complete"
    return "begun" if item.counted else "waiting"


def state_filter(items: QuerySet[Item], state: str) -> QuerySet[Item]:
    """The items in one of the states of `item_state`."""
    conditions: dict[str, dict[str, Any]] = {
        "held": {"held_at__isnull": False},
        "complete": {"held_at__isnull": True, "counted__gte": F("overlap")},
        "begun": {"held_at__isnull": True, "counted__gt": 0, "counted__lt": F("overlap")},
        "waiting": {"held_at__isnull": True, "counted": 0, "purpose": Purpose.WORK},
        "gold": {"held_at__isnull": True, "purpose": Purpose.GOLD},
        "practice": {"held_at__isnull": True, "purpose": Purpose.PRACTICE},
    }
    if state == "withdrawn":
        return items.filter(withdrawn_at__isnull=False)
    return items.filter(withdrawn_at__isnull=True, **conditions[state])


@dataclass(frozen=True)
class ImportProgress:
    """How far an import is. `share` from 0 to 1; the others are None before anything can be said."""

    share: float
    rate: float | None  # rows a second, of what it does now
    seconds_left: float | None

    @property
    def percent(self) -> int:
        return round(100 * self.share)


def import_progress(job: Import) -> ImportProgress:
    """Reading is counted by the file, making items by rows."""
    if job.publishing_at is not None:
        part = job.published / job.staged if job.staged else 0.0
        share, began, rows = READING + (1 - READING) * part, job.publishing_at, job.published
    else:
        share, began, rows = READING * job.share, job.started_at or timezone.now(), job.rows
    seconds = (timezone.now() - began).total_seconds()
    total = (timezone.now() - job.started_at).total_seconds() if job.started_at else 0
    return ImportProgress(
        share,
        rows / seconds if seconds > 1 and rows else None,
        total * (1 - share) / share if share > 0.02 and total > 2 else None,
    )
