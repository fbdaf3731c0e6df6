"""Items go in by chunks, each of which is stored whole or not at all; giving the same rows again adds nothing.

A row without an `id` gets one from the import's id and its place, so an import that broke off is finished by running it
again under the same `import_id`: rows that are there are counted as unchanged.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from whetstone_client.errors import ApiError, ImportRefused, Json
from whetstone_client.transport import Transport

CHUNK_ROWS = 5_000
CHUNK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Imported:
    """What an import did so far."""

    import_id: str
    rows: int = 0
    items: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate_prompts: int = 0
    gold: int = 0  # with an expected answer

    def plus(self, rows: int, said: Json) -> Imported:
        counts = ("items", "updated", "unchanged", "duplicate_prompts", "gold")
        added = {n: getattr(self, n) + said[n] for n in counts}
        return replace(self, rows=self.rows + rows, **added)


Progress = Callable[[Imported], None]


def import_items(
    transport: Transport,
    slug: str,
    rows: Iterable[Json],
    *,
    import_id: str = "",
    update: bool = True,
    chunk_rows: int = CHUNK_ROWS,
    progress: bool | Progress = False,
) -> Imported:
    """See `Campaign.import_items`."""
    done = Imported(import_id or uuid.uuid4().hex[:12])
    show, close = _shower(progress, rows)
    try:
        for lines in _chunks(rows, done.import_id, chunk_rows):
            try:
                said = transport.send(
                    "POST",
                    f"campaigns/{slug}/items/import/",
                    content=b"".join(lines),
                    params={"update": "true" if update else "false"},
                    headers={"Content-Type": "application/x-ndjson"},
                    is_safe=update,  # the same rows again are unchanged; without `update` they would be refused
                )
            except ApiError as error:
                if "errors" in error.extra:
                    raise _refused(error, done) from error
                raise
            done = done.plus(len(lines), said)
            show(done)
    finally:
        close()
    return done


def _chunks(rows: Iterable[Json], import_id: str, most: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for n, row in enumerate(rows, start=1):
        whole = row if row.get("id") is not None else {**row, "id": f"{import_id}-{n:08d}"}
        line = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if lines and (len(lines) >= most or size + len(line) > CHUNK_BYTES):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines


def _refused(error: ApiError, done: Imported) -> ImportRefused:
    """With lines counted over all rows, not over the chunk."""
    errors = [{**e, "line": e["line"] + done.rows} for e in error.extra["errors"]]
    first = errors[0]
    where = f"row {first['line']}" + (f", {first['field']}" if first["field"] else "")
    refused = ImportRefused(
        error.status, code=error.code, message=f"{where}: {first['rule']}. {first['remedy']}",
        extra={**error.extra, "errors": errors}, request_id=error.request_id,
    )  # fmt: skip
    refused.errors, refused.imported, refused.import_id = errors, done, done.import_id
    return refused


def _shower(progress: bool | Progress, rows: Any) -> tuple[Progress, Callable[[], None]]:
    """What shows how far it is, and what ends that: a bar (tqdm) if it is installed, else lines."""
    if not isinstance(progress, bool):
        return progress, lambda: None
    if not progress:
        return lambda done: None, lambda: None
    total = len(rows) if hasattr(rows, "__len__") else None
    try:
        from tqdm import tqdm
    except ImportError:
        return lambda done: print(f"{done.rows:,} rows", file=sys.stderr), lambda: None
    bar = tqdm(total=total, unit=" rows")
    return lambda done: bar.update(done.rows - bar.n), bar.close
