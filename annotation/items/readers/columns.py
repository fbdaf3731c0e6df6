"""What the two columnar formats share: batches become rows, and no batch is larger than a worker can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotation.items.readers.base import Row
from annotation.items.unpacking import MAX_UNPACKED_BYTES, too_large, unreadable

MAX_BATCH_BYTES = 1024**3
EXTENSION = b"ARROW:extension:name"  # of a type that this installation does not know, kept with its column
SMALL = 64  # rows that become Python objects at a time


class Meter:
    """Adds up what was unpacked, and ends a file that grows without end."""

    def __init__(self) -> None:
        self.bytes = 0

    def add(self, batch: Any) -> None:
        size = batch.get_total_buffer_size()
        self.bytes += size
        if size > MAX_BATCH_BYTES or self.bytes > MAX_UNPACKED_BYTES:
            raise too_large(min(MAX_BATCH_BYTES if size > MAX_BATCH_BYTES else MAX_UNPACKED_BYTES, size))


def rows_of(batch: Any, before: int, after: int) -> Iterator[Row]:
    """Rows of one batch, numbered from `before` + 1, those beyond `after`."""
    skip = max(0, min(batch.num_rows, after - before))
    for start in range(skip, batch.num_rows, SMALL):
        part = batch.slice(start, SMALL)
        try:
            values = part.to_pylist()
        except (UnicodeDecodeError, ValueError, OverflowError) as error:
            raise unreadable(
                _("Rows %(first)d to %(last)d cannot be read: %(what)s.")
                % {
                    "first": before + start + 1,
                    "last": before + start + part.num_rows,
                    "what": str(error)[:120],
                }
            ) from error
        for n, row in enumerate(values, before + start + 1):
            yield Row(n, row)


def refuse_extensions(schema: Any) -> None:
    """Columns of types that only some program knows. Raises Invalid naming the column."""
    import pyarrow as pa

    for field in schema:
        if _has_extension(field, pa):
            raise unreadable(
                _(
                    "Column %(name)s has a type that only the program that wrote it knows; write it as text or numbers."
                )
                % {"name": field.name[:60]}
            )


def _has_extension(field: Any, pa: Any) -> bool:
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType) or EXTENSION in (field.metadata or {}):
        return True
    return any(_has_extension(kind.field(n), pa) for n in range(kind.num_fields))
