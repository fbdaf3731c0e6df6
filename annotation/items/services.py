"""Items come in from files and from policies, and are taken out of the queue.

result = import_items(campaign, open("items.jsonl.gz", "rb"), actor=admin)
ids = add_items(campaign=campaign, items=[NewItem("Hello?", [NewResponse("Hi."), NewResponse("Yes?")])], actor=None)
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.assignment import order, queue
from annotation.assignment.models import Lane
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Invalid
from annotation.items import jsonl
from annotation.items.models import Item, ItemResponse, Prompt, Response
from annotation.items.writer import ItemRow, ResponseRow, Writer
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from feedback_types.protocol import arity

BATCH = 5_000
Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class ImportResult:
    """What an import did. `duplicate_prompts` are rows whose prompt reads the same as another one's; they were kept."""

    items: int
    updated: int
    unchanged: int
    responses: int
    slots: int
    duplicate_prompts: int
    seconds: float


@dataclass(frozen=True)
class NewResponse:
    """A candidate from a policy or a person. `source_name` is never shown to labelers; a person's is their username,
    and a labeler of that name is never given the item."""

    text: str
    source: str = Response.Source.POLICY
    source_name: str = ""
    checkpoint_id: int | None = None
    sampling: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class NewItem:
    """A prompt (text, messages, or one that is stored already) with its candidates."""

    prompt: str | Sequence[Mapping[str, str]] | Prompt
    responses: Sequence[NewResponse] = field(default_factory=tuple)
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    priority: int = 0
    language: str | None = None  # the stored prompt's, else the campaign's
    skills: Sequence[str] = ()


@in_transaction
def import_items(
    campaign: Campaign,
    stream: jsonl.Readable,
    *,
    actor: User | None,
    update: bool = False,
    progress: Progress | None = None,
    max_bytes: int = jsonl.MAX_UNPACKED_BYTES,
) -> ImportResult:
    """Imports JSON lines (`annotation/items/jsonl.py`), gzipped or not: all rows, or none.

    Args:
        update: rows whose id the campaign has already replace it, as long as nobody was given that item.
        progress: called with rows read and seconds taken, every few thousand rows.
    Raises:
        Invalid: `extra["errors"]` has the first 100 as {line, field, rule, remedy}, `extra["total"]` counts them all.
        Conflict `duplicate_ids`: the same, when ids that are there already are all that is wrong.
        TooLarge: beyond the unpacked limit or with an endless line.
    """
    started = time.monotonic()
    if campaign.state == Campaign.State.CLOSED:
        raise Conflict(_("The campaign is closed; open it again to add items."), code="campaign_closed")
    load = _Load(campaign, update)
    batch: list[jsonl.ParsedItem] = []
    n = 0
    for number, raw in jsonl.lines(stream, max_bytes=max_bytes):
        n += 1
        try:
            batch.append(jsonl.parse_line(number, raw, load.arity, campaign.skills))
        except jsonl.RowError as error:
            load.errors.add(number, error.field, error.rule, error.remedy)
        if len(batch) >= BATCH:
            load.take(batch)
            batch = []
            if progress:
                progress(n, time.monotonic() - started)
    load.take(batch)
    if n == 0:
        message = _("The file has no rows.")
        raise Invalid(message, code="empty_file", fields={"file": [message]})
    load.refuse_if_wrong(n)
    slots = load.writer.open_places()
    result = ImportResult(
        items=load.writer.items,
        updated=load.updated,
        unchanged=load.unchanged,
        responses=load.writer.responses,
        slots=slots,
        duplicate_prompts=load.duplicate_prompts,
        seconds=round(time.monotonic() - started, 3),
    )
    record_audit(
        actor=actor,
        campaign=campaign,
        action="items.import",
        target=campaign.slug,
        after={"items": result.items, "updated": result.updated, "unchanged": result.unchanged},
    )
    # By its number: who began to listen while the file was read is told.
    emit(
        "import.finished",
        campaign.pk,
        items=result.items,
        updated=result.updated,
        unchanged=result.unchanged,
    )
    if progress:
        progress(n, time.monotonic() - started)
    return result


@in_transaction
def add_items(
    *,
    campaign: Campaign,
    items: Iterable[NewItem],
    actor: User | None = None,
    round_number: int | None = None,
) -> list[int]:
    """Stores items whose responses were generated or written here; their ids, in order. All or none.

    Args: round_number: the campaign's own by default.
    Raises Invalid naming the item (from 0) and field, by the same rules as an import.
    """
    limits = _arity(campaign)
    writer = Writer(campaign, campaign.round_number if round_number is None else round_number)
    ids: list[int] = []
    rows: list[ItemRow] = []
    for n, item in enumerate(items):
        try:
            rows.append(_row(item, limits, campaign.skills))
        except jsonl.RowError as error:
            raise Invalid(
                _("Item %(n)d, %(field)s: %(rule)s. %(remedy)s")
                % {"n": n, "field": error.field, "rule": error.rule, "remedy": error.remedy},
                fields={f"items.{n}.{error.field}": [f"{error.rule}. {error.remedy}"]},
            ) from error
        if len(rows) == BATCH:
            ids += writer.write(rows)
            rows = []
    ids += writer.write(rows)
    writer.open_places()
    record_audit(
        actor=actor,
        campaign=campaign,
        action="items.add",
        target=f"round:{writer.round_number}",
        after={"items": len(ids)},
    )
    return ids


@in_transaction
def withdraw_items(*, campaign: Campaign, item_ids: Sequence[int], actor: User) -> int:
    """Takes items out of everybody's queue; answers given so far stay. How many there were."""
    queue.lock_items(item_ids)
    mine = list(
        Item.objects.filter(campaign=campaign, pk__in=item_ids, withdrawn_at=None).values_list(
            "pk", flat=True
        )
    )
    Item.objects.filter(pk__in=mine).update(withdrawn_at=Now())
    queue.withdraw(mine)
    if mine:
        record_audit(
            actor=actor,
            campaign=campaign,
            action="items.withdraw",
            target=campaign.slug,
            after={"items": sorted(mine)[:1000]},
        )
    return len(mine)


# --- Helpers ---------------------------------------------------------------------------------------------------------


class _Load:
    """One import under way: writes batch after batch until the first error, then only goes on looking for more errors."""

    def __init__(self, campaign: Campaign, update: bool) -> None:
        self.campaign, self.update = campaign, update
        self.arity = _arity(campaign)
        self.writer = Writer(campaign, campaign.round_number)
        self.errors = jsonl.Errors()
        self.updated = self.unchanged = self.duplicate_prompts = 0
        self._ids: set[bytes] = set()
        self._prompts: set[bytes] = set()

    def take(self, batch: Sequence[jsonl.ParsedItem]) -> None:
        known = self._known([p.external_id for p in batch if p.external_id is not None])
        fresh: list[ItemRow] = []
        for parsed in batch:
            self._note_prompt(parsed.prompt_sha256)
            if parsed.external_id is not None:
                digest = hashlib.blake2b(parsed.external_id.encode(), digest_size=12).digest()
                if digest in self._ids:
                    self._duplicate(
                        parsed, _("the id %(id)s is in the file twice"), _("Give each row its own id.")
                    )
                    continue
                self._ids.add(digest)
                if parsed.external_id in known:
                    self._known_row(parsed, known[parsed.external_id])
                    continue
            fresh.append(_parsed_row(parsed))
        if not self.errors.total:
            self.writer.write(fresh)

    def refuse_if_wrong(self, rows: int) -> None:
        errors = self.errors
        if not errors.total:
            return
        first = errors.shown[0]
        where = f"{first['field']}: " if first["field"] else ""
        message = _("Nothing was imported: %(total)d errors. Line %(line)d, %(where)s%(rule)s. %(remedy)s") % {
            "total": errors.total, "line": first["line"], "where": where, "rule": first["rule"], "remedy": first["remedy"],
        }  # fmt: skip
        extra = {"errors": errors.shown, "total": errors.total, "rows": rows}
        fields = {
            f"line {e['line']}" + (f", {e['field']}" if e["field"] else ""): [f"{e['rule']}. {e['remedy']}"]
            for e in errors.shown[:10]
        }
        if errors.only_duplicates:
            raise Conflict(message, code="duplicate_ids", fields=fields, extra=extra)
        raise Invalid(message, code="bad_rows", fields=fields, extra=extra)

    def _known(self, external_ids: list[str]) -> dict[str, tuple[int, bool]]:
        """external id -> (item id, whether somebody was given it), for the ids that the campaign has already."""
        if not external_ids:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT external_id, id, EXISTS (SELECT 1 FROM annotation_assignment a WHERE a.item_id = i.id)"
                " FROM annotation_item i WHERE campaign_id = %s AND external_id = ANY(%s)",
                [self.campaign.pk, external_ids],
            )
            return {external_id: (item_id, given) for external_id, item_id, given in cursor.fetchall()}

    def _known_row(self, parsed: jsonl.ParsedItem, known: tuple[int, bool]) -> None:
        item_id, given = known
        if not self.update:
            self._duplicate(
                parsed,
                _("the campaign has an item %(id)s already"),
                _("Give it another id, or ask for an update."),
            )
            return
        item = Item.objects.select_related("prompt").get(pk=item_id)
        links = list(ItemResponse.objects.filter(item=item).select_related("response"))
        same = item.prompt.messages == orjson.loads(parsed.messages) and [
            (link.response.text, link.response.source_name) for link in links
        ] == [(r.text, r.source) for r in parsed.responses]
        metadata = None if parsed.metadata is None else orjson.loads(parsed.metadata)
        if same and not given and not self.errors.total and self._change_place(item, parsed):
            self.updated += 1
            Item.objects.filter(pk=item_id).update(metadata=metadata)
        elif same and item.metadata == metadata:
            self.unchanged += 1
        elif same:
            Item.objects.filter(pk=item_id).update(metadata=metadata)
            self.updated += 1
        elif given:
            self.errors.add(
                parsed.line, "id", _("somebody was given item %(id)s already") % {"id": parsed.external_id},
                _("What was judged is never changed: withdraw the item and import the new one under another id."),
            )  # fmt: skip
        elif not self.errors.total:
            self._replace(item, links, parsed)
            self._change_place(item, parsed)
            self.updated += 1

    def _change_place(self, item: Item, parsed: jsonl.ParsedItem) -> bool:
        """Gives an item the priority, language and skills of its row, where the row says any; whether that is a change."""
        lane = Lane.objects.get(campaign=self.campaign, number=item.lane)
        number = self.writer.lanes.number(
            lane.language if parsed.language is None else parsed.language,
            lane.skills if parsed.skills is None else parsed.skills,
        )
        priority = item.priority if parsed.priority is None else parsed.priority
        if (number, priority) == (item.lane, item.priority):
            return False
        queue.lock_items([item.pk])
        if parsed.language is not None:
            Prompt.objects.filter(items=item).update(language=parsed.language)
        if number != item.lane:
            order.change_lane(item.pk, number)
        Item.objects.filter(pk=item.pk).update(priority=priority)
        self.writer.has_changed = True
        return True

    def _replace(self, item: Item, links: Sequence[ItemResponse], parsed: jsonl.ParsedItem) -> None:
        """New prompt and responses under the same item, which nobody has seen; the slots stay where they are."""
        prompt = Prompt.objects.create(
            campaign=self.campaign,
            messages=orjson.loads(parsed.messages),
            language=parsed.language or item.prompt.language,
            external_id=parsed.external_id,
            sha256=parsed.prompt_sha256,
        )
        ItemResponse.objects.filter(item=item).delete()
        responses = Response.objects.bulk_create(
            Response(
                prompt=prompt,
                n_codepoints=len(r.text),
                source=Response.Source.IMPORT,
                source_name=r.source,
                text=r.text,
                sha256=r.sha256,
            )
            for r in parsed.responses
        )
        ItemResponse.objects.bulk_create(
            ItemResponse(item=item, response=response, position=n) for n, response in enumerate(responses)
        )
        metadata = None if parsed.metadata is None else orjson.loads(parsed.metadata)
        Item.objects.filter(pk=item.pk).update(prompt=prompt, metadata=metadata)

    def _note_prompt(self, sha256: str) -> None:
        digest = bytes.fromhex(sha256[:24])
        if digest in self._prompts:
            self.duplicate_prompts += 1
        self._prompts.add(digest)

    def _duplicate(self, parsed: jsonl.ParsedItem, rule: str, remedy: str) -> None:
        self.errors.add(parsed.line, "id", rule % {"id": parsed.external_id}, remedy, is_duplicate=True)


def _arity(campaign: Campaign) -> tuple[int, int] | None:
    return arity(campaign.protocol.questions) if campaign.protocol else None


def _parsed_row(parsed: jsonl.ParsedItem) -> ItemRow:
    responses = [
        ResponseRow(r.text, r.sha256, Response.Source.IMPORT.value, r.source, None, None)
        for r in parsed.responses
    ]
    return ItemRow(
        parsed.external_id,
        None,
        parsed.messages,
        parsed.prompt_sha256,
        responses,
        parsed.metadata,
        parsed.priority or 0,
        parsed.language or "",
        parsed.skills or (),
    )


def _row(item: NewItem, limits: tuple[int, int] | None, skills: Sequence[str]) -> ItemRow:
    stored = item.prompt if isinstance(item.prompt, Prompt) else None
    if isinstance(item.prompt, Prompt):
        prompt: Any = item.prompt.messages
    else:
        prompt = item.prompt if isinstance(item.prompt, str) else [dict(message) for message in item.prompt]
    messages, prompt_sha256 = jsonl.messages_of(prompt)
    checked = jsonl.responses_of([r.text for r in item.responses], limits)
    responses = []
    for response, parsed in zip(item.responses, checked, strict=True):
        if response.source not in Response.Source.values:
            raise jsonl.RowError("source", _("unknown source"), _("policy, person or import"))
        responses.append(
            ResponseRow(
                parsed.text, parsed.sha256, str(response.source), response.source_name, response.checkpoint_id,
                None if response.sampling is None else orjson.dumps(dict(response.sampling)),
            )
        )  # fmt: skip
    return ItemRow(
        jsonl.external_id_of(item.external_id),
        stored.pk if stored else None,
        messages,
        prompt_sha256,
        responses,
        None if item.metadata is None else orjson.dumps(dict(item.metadata)),
        jsonl.priority_of(item.priority) or 0,
        jsonl.language_of(item.language) or (stored.language if stored else ""),
        jsonl.skills_of(list(item.skills), skills) or (),
    )
