"""Writes prompts, responses and items in bulk by COPY, with ids drawn beforehand, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection

from annotation.assignment import queue
from annotation.assignment.lanes import Lanes
from annotation.assignment.services import fill_slots, refresh_order
from annotation.campaigns.models import Campaign


class ResponseRow(NamedTuple):
    text: str
    sha256: str
    source: str
    source_name: str
    checkpoint_id: int | None
    sampling: bytes | None  # JSON


class ItemRow(NamedTuple):
    external_id: str | None
    prompt_id: int | None  # an existing prompt, or None for a new one:
    messages: bytes  # JSON
    prompt_sha256: str
    responses: Sequence[ResponseRow]
    metadata: bytes | None
    priority: int = 0
    language: str = ""  # the campaign's if nothing is said
    skills: Sequence[str] = ()


class Writer:
    """Holds the writers' lock, and the id range of what it wrote: the slots are filled in one shuffle at the end."""

    def __init__(self, campaign: Campaign, round_number: int) -> None:
        queue.lock_writers(campaign.pk)
        self.campaign, self.round_number = campaign, round_number
        self.overlap = Campaign.objects.values_list("overlap", flat=True).get(
            pk=campaign.pk
        )  # as it is under the lock
        self.lanes = Lanes(campaign.pk)
        self.has_changed = False  # the place of an item that was there already
        self.first_id: int | None = None
        self.last_id = 0
        self.items = self.responses = 0

    def write(self, rows: Sequence[ItemRow]) -> list[int]:
        """Stores one batch; item ids in the order of the rows."""
        if not rows:
            return []
        campaign_id = self.campaign.pk
        new_prompts = sum(row.prompt_id is None for row in rows)
        prompt_ids = iter(_draw("annotation_prompt_id_seq", new_prompts))
        item_ids = _draw("annotation_item_id_seq", len(rows))
        response_ids = iter(_draw("annotation_response_id_seq", sum(len(row.responses) for row in rows)))
        groups = self._split_groups([row.prompt_sha256 for row in rows if row.prompt_id is None])
        prompts, responses, items, links = [], [], [], []
        for item_id, row in zip(item_ids, rows, strict=True):
            prompt_id, language = row.prompt_id, row.language or self.campaign.language
            if prompt_id is None:
                prompt_id = next(prompt_ids)
                prompts.append(
                    (
                        prompt_id,
                        campaign_id,
                        row.messages.decode(),
                        language,
                        row.external_id,
                        row.prompt_sha256,
                        groups.get(row.prompt_sha256, ""),
                    )
                )
            items.append(
                (item_id, campaign_id, prompt_id, row.external_id, self.round_number, row.priority, self.overlap,
                 self.lanes.number(language, row.skills), 0, row.metadata and row.metadata.decode())
            )  # fmt: skip
            for position, response in enumerate(row.responses):
                response_id = next(response_ids)
                responses.append(
                    (response_id, prompt_id, response.text, len(response.text), response.sha256, response.source,
                     response.source_name, response.checkpoint_id, response.sampling and response.sampling.decode())
                )  # fmt: skip
                links.append((item_id, response_id, position))
        copy_rows(
            "prompt",
            ("id", "campaign_id", "messages", "language", "external_id", "sha256", "split_group"),
            prompts,
        )
        copy_rows(
            "response",
            (
                "id",
                "prompt_id",
                "text",
                "n_codepoints",
                "sha256",
                "source",
                "source_name",
                "checkpoint_id",
                "sampling",
            ),
            responses,
        )
        copy_rows(
            "item",
            (
                "id",
                "campaign_id",
                "prompt_id",
                "external_id",
                "round_number",
                "priority",
                "overlap",
                "lane",
                "counted",
                "metadata",
            ),
            items,
        )
        copy_rows("itemresponse", ("item_id", "response_id", "position"), links)
        with (
            connection.cursor() as cursor
        ):  # check foreign keys batch by batch instead of all of them at the commit
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        self.first_id = item_ids[0] if self.first_id is None else min(self.first_id, item_ids[0])
        self.last_id = max(self.last_id, item_ids[-1])
        self.items += len(items)
        self.responses += len(responses)
        return item_ids

    def _split_groups(self, prompts: Sequence[str]) -> dict[str, str]:
        """Prompt hash -> its group, for prompts that the campaign has in one: the same prompt is never on both sides."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sha256, min(split_group) FROM annotation_prompt"
                " WHERE campaign_id = %s AND split_group <> '' AND sha256 = ANY(%s) GROUP BY sha256",
                [self.campaign.pk, list(prompts)],
            )
            return dict(cursor.fetchall())

    def open_places(self) -> int:
        """Fills the queue with the slots of everything written."""
        if self.has_changed:
            refresh_order(campaign=self.campaign)
        if self.first_id is None:
            return 0
        return fill_slots(campaign=self.campaign, first_item_id=self.first_id, last_item_id=self.last_id)


def _draw(sequence: str, n: int) -> list[int]:
    if n == 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(nextval(%s)) FROM generate_series(1, %s)", [sequence, n])
        return cursor.fetchone()[0]


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """COPY into `annotation_<table>` by the text format, by hand: two to three times as fast as adapting each value."""
    names = ", ".join(columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY annotation_{table} ({names}) FROM STDIN") as copy:
        buffer: list[str] = []
        for row in rows:
            buffer.append("\t".join([_field(value) for value in row]))
            if len(buffer) == 500:
                copy.write("\n".join(buffer) + "\n")
                buffer.clear()
        if buffer:
            copy.write("\n".join(buffer) + "\n")


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return str(value)  # integers and booleans: "False" is read as false
