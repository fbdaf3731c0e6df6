"""Rows of an import whose id the campaign has already: they replace that item, as long as nobody was given it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.utils.translation import gettext as _

from annotation.assignment import order, queue
from annotation.assignment.lanes import Lanes
from annotation.assignment.models import Lane
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict
from annotation.gold import answers
from annotation.gold.services import set_aside
from annotation.items.jsonl import Errors
from annotation.items.models import Item, ItemResponse, Prompt, Purpose, Response

AT_ONCE = 500

KNOWN = """
SELECT t.n, t.messages::text, t.prompt_sha256, t.responses::text, t.metadata::text, i.id,
       EXISTS (SELECT 1 FROM annotation_assignment a WHERE a.item_id = i.id), t.external_id, t.language, t.skills::text,
       t.priority, t.split_group, t.gold::text
FROM annotation_stagedrow t JOIN annotation_item i ON i.campaign_id = %(campaign)s AND i.external_id = t.external_id
WHERE t.import_id = %(stage)s AND t.n > %(after)s ORDER BY t.n LIMIT %(most)s
"""


@dataclass
class Changed:
    updated: int = 0
    unchanged: int = 0
    duplicate_prompts: int = 0
    gold: int = 0
    has_moved: bool = False  # an item has another place in the order


@dataclass(frozen=True)
class _Known:
    n: int
    messages: Any
    prompt_sha256: str
    responses: list[list[str]]  # text, sha256, source
    metadata: Any
    item_id: int
    is_given: bool
    external_id: str
    language: str | None
    skills: str | None  # JSON
    priority: int | None
    split_group: str
    gold: str | None  # JSON


def apply(campaign: Campaign, stage: int, errors: Errors, lanes: Lanes) -> Changed:
    """Changes the items that are known, and takes their rows off the stage; what may not be changed is an error."""
    changed, after = Changed(), -1
    before = _duplicates(stage)
    while rows := _known(campaign, stage, after):
        items = Item.objects.select_related("prompt").in_bulk([row.item_id for row in rows])
        for row in rows:
            _change(campaign, row, items[row.item_id], errors, changed, lanes)
        after = rows[-1].n
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM annotation_stagedrow WHERE import_id = %s AND n = ANY(%s)",
                [stage, [row.n for row in rows]],
            )
    changed.duplicate_prompts = before - _duplicates(stage)
    return changed


def _known(campaign: Campaign, stage: int, after: int) -> list[_Known]:
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"campaign": campaign.pk, "stage": stage, "after": after, "most": AT_ONCE})
        return [
            _Known(
                n, orjson.loads(messages), sha256, orjson.loads(responses), metadata and orjson.loads(metadata),
                item_id, given, external_id, *rest,
            )
            for n, messages, sha256, responses, metadata, item_id, given, external_id, *rest in cursor.fetchall()
        ]  # fmt: skip


def _change(
    campaign: Campaign, row: _Known, item: Item, errors: Errors, changed: Changed, lanes: Lanes
) -> None:
    links = list(ItemResponse.objects.filter(item=item).select_related("response"))
    same = (
        item.prompt.messages == row.messages
        and [(link.response.text, link.response.source_name) for link in links]
        == [(text, source) for text, _sha256, source in row.responses]
        and item.prompt.split_group == row.split_group
    )
    if not same and (problem := _problem(row, item)):
        errors.add(row.n, *problem)
    if errors.total:
        return  # nothing will be stored; the rows that follow are looked at for more errors
    has_changed = not same or item.metadata != row.metadata
    if not same:
        _replace(campaign, row, item, links)
    elif has_changed:
        Item.objects.filter(pk=item.pk).update(metadata=row.metadata)
    if not row.is_given and _move(campaign, row, item, lanes):
        changed.has_moved = has_changed = True
    if row.gold is not None and _expect(row, item, errors):
        changed.gold += 1
        has_changed = True
    if has_changed:
        changed.updated += 1
    else:
        changed.unchanged += 1


def _problem(row: _Known, item: Item) -> tuple[str, str, str] | None:
    """(field, rule, remedy) of a row whose prompt or responses may not take the place of the item's."""
    if row.is_given:
        return (
            "id", _("somebody was given item %(id)s already") % {"id": row.external_id},
            _("What was judged is never changed: withdraw the item and import the new one under another id."),
        )  # fmt: skip
    if item.purpose != Purpose.WORK and row.gold is None:
        return (
            "gold", _("what is expected of item %(id)s is about the responses it has") % {"id": row.external_id},
            _("Say in the row what is expected of the new ones."),
        )  # fmt: skip
    return None


def _expect(row: _Known, item: Item, errors: Errors) -> bool:
    """Sets the item aside with what its row says is expected; whether that is a change."""
    assert row.gold is not None
    gold = orjson.loads(row.gold)
    links = ItemResponse.objects.filter(item=item).order_by("position")
    stored = answers.renumbered(gold, list(links.values_list("response_id", flat=True)))
    if (item.purpose, item.gold_answers) == (gold["purpose"], stored):
        return False
    if row.is_given:
        rule = _("somebody was given item %(id)s already") % {"id": row.external_id}
        errors.add(row.n, "gold", rule, _("Say what is expected of it on its page."))
        return False
    try:
        set_aside(item_id=item.pk, purpose=gold["purpose"], stored=stored)
    except Conflict as refused:
        errors.add(row.n, "gold", refused.message.rstrip(".。"), _("Leave it out of this row."))
        return False
    return True


def _move(campaign: Campaign, row: _Known, item: Item, lanes: Lanes) -> bool:
    """Gives an item the priority, language and skills of its row, where the row says any; whether that is a change."""
    lane = Lane.objects.get(campaign=campaign, number=item.lane)
    number = lanes.number(
        lane.language if row.language is None else row.language,
        lane.skills if row.skills is None else orjson.loads(row.skills),
    )
    priority = item.priority if row.priority is None else row.priority
    if (number, priority) == (item.lane, item.priority):
        return False
    queue.lock_items([item.pk])
    if row.language is not None:
        Prompt.objects.filter(items=item).update(language=row.language)
    if number != item.lane:
        order.change_lane(item.pk, number)
    Item.objects.filter(pk=item.pk).update(priority=priority)
    return True


def _replace(campaign: Campaign, row: _Known, item: Item, links: Sequence[ItemResponse]) -> None:
    """New prompt and responses under the same item, which nobody has seen; the slots stay where they are."""
    prompt = Prompt.objects.create(
        campaign=campaign,
        messages=row.messages,
        language=row.language or item.prompt.language,
        external_id=row.external_id,
        sha256=row.prompt_sha256,
        split_group=row.split_group,
    )
    ItemResponse.objects.filter(item=item).delete()
    responses = Response.objects.bulk_create(
        Response(
            prompt=prompt,
            n_codepoints=len(text),
            source=Response.Source.IMPORT,
            source_name=source,
            text=text,
            sha256=sha256,
        )
        for text, sha256, source in row.responses
    )
    ItemResponse.objects.bulk_create(
        ItemResponse(item=item, response=response, position=n) for n, response in enumerate(responses)
    )
    Item.objects.filter(pk=item.pk).update(prompt=prompt, metadata=row.metadata)


def _duplicates(stage: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) - count(DISTINCT prompt_sha256) FROM annotation_stagedrow WHERE import_id = %s",
            [stage],
        )
        return int(cursor.fetchone()[0])
