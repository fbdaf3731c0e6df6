"""Events from a snapshot directory, one at a time, without Django's models.

    native/feedback.jsonl   one event a line, with the ids of its prompt and responses
    native/prompts.jsonl    {"id": 21, "messages": [{"role": "user", "content": "Hi"}], ...}
    native/responses.jsonl  {"id": 87, "prompt": 21, "text": "Hello!", ...}

    >>> for event in read_events(Path("snapshots/3f9a..."), split="train"):
    ...     event.type, event.labeler, event.screen.responses[0].text
    ('comparison', 'l-3f9a0c2e11d4', 'Hello!')

Memory holds two numbers for each prompt and response and the few texts read last, however large the snapshot.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from feedback_types import registry
from feedback_types.base import Event, InvalidPayload, Message, Screen, ShownResponse

# Columns of a row that are fields of an Event; all the others go into `Event.extra` as they are.
FIELDS = {
    "id", "type", "version", "labeler", "question", "prompt", "responses",
    "target", "payload", "settings", "choice_set", "submission", "item",
}  # fmt: skip


class UnreadableSnapshot(ValueError):
    """The directory is no complete snapshot, or a line of it cannot be understood; says which."""


class Table:
    """Rows of a JSONL file by their id, read from disk when asked for."""

    def __init__(self, path: Path, kept: int = 10_000):
        self.path = path
        self.places: dict[int, int] = {}
        with path.open("rb") as file:
            place = 0
            for line in file:
                self.places[int(json.loads(line)["id"])] = place
                place += len(line)
        self.file = path.open("rb")
        self.row = lru_cache(maxsize=kept)(self._read)

    def _read(self, row_id: int) -> dict[str, Any]:
        try:
            self.file.seek(self.places[row_id])
        except KeyError:
            raise UnreadableSnapshot(f"{self.path.name} has no row {row_id}.") from None
        row: dict[str, Any] = json.loads(self.file.readline())
        return row

    def close(self) -> None:
        self.file.close()


def check_complete(snapshot: Path) -> None:
    """Raise UnreadableSnapshot unless the manifest, which is written last, is there."""
    if not (snapshot / "manifest.json").is_file():
        raise UnreadableSnapshot(f"{snapshot} holds no complete snapshot: there is no manifest.json.")


def verify(snapshot: Path, sha256: str = "") -> str:
    """The content address (SHA-256 of the manifest), once the native files are found to be as the manifest says.

    Raises UnreadableSnapshot when one differs, or when the address is not the one that was expected.
    """
    check_complete(snapshot)
    content = (snapshot / "manifest.json").read_bytes()
    address = hashlib.sha256(content).hexdigest()
    if sha256 and address != sha256:
        raise UnreadableSnapshot(f"{snapshot} is snapshot {address[:12]}…, but {sha256[:12]}… was asked for.")
    for name, entry in json.loads(content)["files"].items():
        if name.startswith("native/") and name.endswith(".jsonl"):
            with (snapshot / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    raise UnreadableSnapshot(f"{snapshot}: {name} is not as it was written.")
    return address


def read_rows(snapshot: Path, *, split: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row) of native/feedback.jsonl, in its order; only one split when given."""
    path = snapshot / "native" / "feedback.jsonl"
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UnreadableSnapshot(f"{path.name}, line {number}: {error}.") from error
            if split is None or row["split"] == split:
                yield number, row


def read_events(snapshot: Path, *, split: str | None = None) -> Iterator[Event]:
    """Events in the order of the snapshot (by id). Raises UnreadableSnapshot naming the line at fault."""
    check_complete(snapshot)
    prompts, responses = (
        Table(snapshot / "native" / "prompts.jsonl"),
        Table(snapshot / "native" / "responses.jsonl"),
    )
    try:
        for number, row in read_rows(snapshot, split=split):
            try:
                yield event_of(row, prompts, responses)
            except (KeyError, TypeError, InvalidPayload, registry.UnknownType) as error:
                raise UnreadableSnapshot(f"feedback.jsonl, line {number}: {error!r}") from error
    finally:
        prompts.close()
        responses.close()


def event_of(row: Mapping[str, Any], prompts: Table, responses: Table) -> Event:
    """One row with its texts, payload and settings as its type reads them, whatever version they were stored in."""
    feedback_type = registry.get(row["type"])
    messages = tuple(Message(m["role"], m["content"]) for m in prompts.row(row["prompt"])["messages"])
    shown = tuple(ShownResponse(i, responses.row(i)["text"]) for i in row["responses"])
    return Event(
        id=str(row["id"]),
        type=row["type"],
        labeler=str(row["labeler"]),
        question=row["question"],
        screen=Screen(messages, shown),
        target=row["target"],
        payload=feedback_type.load(row["payload"], row["version"]),
        settings=_settings(row["type"], json.dumps(row["settings"], sort_keys=True)),
        choice_set=row["choice_set"],
        submission=str(row["submission"]),
        item=str(row["item"]),
        extra={**{k: v for k, v in row.items() if k not in FIELDS}, "prompt": row["prompt"]},
    )


@lru_cache(maxsize=1024)
def _settings(slug: str, stored: str) -> Any:
    return registry.get(slug).settings(json.loads(stored))
