"""Items come in from files and from policies, and are taken out of the queue.

result = import_items(campaign, open("items.jsonl.gz", "rb"), actor=admin)
ids = add_items(campaign=campaign, items=[NewItem("Hello?", [NewResponse("Hi."), NewResponse("Yes?")])], actor=None)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.assignment import queue
from annotation.campaigns.models import Campaign
from annotation.errors import Invalid
from annotation.items import jsonl
from annotation.items.models import Item, Prompt, Response
from annotation.items.staging import Finished, Stage, refuse_if_closed
from annotation.items.unpacking import MAX_UNPACKED_BYTES, Readable
from annotation.items.writer import ItemRow, ResponseRow, Writer
from annotation.people.models import User
from annotation.people.services import record_audit
from annotation.transactions import in_transaction
from annotation.webhooks.events import emit
from feedback_types.base import Question
from feedback_types.protocol import arity

BATCH = 5_000
Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class ImportResult(Finished):
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
    stream: Readable,
    *,
    actor: User | None,
    update: bool = False,
    progress: Progress | None = None,
    max_bytes: int = MAX_UNPACKED_BYTES,
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
    refuse_if_closed(campaign)
    stage, errors, limits = Stage(campaign), jsonl.Errors(), arity_of(campaign)
    questions = questions_of(campaign)
    batch: list[jsonl.ParsedItem] = []
    n = good = 0
    for number, raw in jsonl.lines(stream, max_bytes=max_bytes):
        n += 1
        try:
            batch.append(jsonl.parse_line(number, raw, limits, campaign.skills, questions))
        except jsonl.RowError as error:
            errors.add(number, error.field, error.rule, error.remedy)
        if len(batch) >= BATCH:
            good += len(batch)
            stage.add(batch)
            batch = []
            if progress:
                progress(n, time.monotonic() - started)
    stage.add(batch)
    if n == 0:
        raise empty_file()
    done = stage.finish(errors, update=update, expected=good + len(batch), rows=n)
    result = ImportResult(**asdict(done), seconds=round(time.monotonic() - started, 3))
    note_import(actor, campaign, done)
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
    limits = arity_of(campaign)
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


def note_import(actor: User | None, campaign: Campaign, done: Finished) -> None:
    """The one audit row of an import, and its event, however it came in."""
    record_audit(
        actor=actor,
        campaign=campaign,
        action="items.import",
        target=campaign.slug,
        after={
            "items": done.items,
            "updated": done.updated,
            "unchanged": done.unchanged,
            **({"gold": done.gold} if done.gold else {}),
        },
    )
    # By its number: who began to listen while the file was read is told.
    emit(
        "import.finished",
        campaign.pk,
        items=done.items,
        updated=done.updated,
        unchanged=done.unchanged,
    )


def empty_file() -> Invalid:
    message = _("The file has no rows.")
    return Invalid(message, code="empty_file", fields={"file": [message]})


def questions_of(campaign: Campaign) -> Sequence[Question]:
    return campaign.protocol.questions if campaign.protocol else ()


def arity_of(campaign: Campaign) -> tuple[int, int] | None:
    return arity(campaign.protocol.questions) if campaign.protocol else None


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
