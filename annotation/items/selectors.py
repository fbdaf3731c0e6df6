"""Items of a campaign, for those who oversee it."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Prefetch, QuerySet

from annotation.campaigns.models import Campaign
from annotation.items.models import Item, ItemResponse, Purpose


def items_of(campaign: Campaign) -> QuerySet[Item]:
    """Items with prompt and responses, for pages; filter and slice it."""
    links = ItemResponse.objects.select_related("response").order_by("position")
    return (
        Item.objects.filter(campaign=campaign)
        .select_related("prompt")
        .prefetch_related(Prefetch("itemresponse_set", queryset=links, to_attr="links"))
    )


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
