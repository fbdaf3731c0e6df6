"""Parquet: batch by batch; what the footer claims is checked before anything is unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.errors import Invalid
from annotation.items.readers.base import MAX_ROWS, Reader, Row, Source, check_columns
from annotation.items.readers.columns import Meter, refuse_extensions, rows_of
from annotation.items.unpacking import MAX_UNPACKED_BYTES, too_large, unreadable

BATCH_ROWS = 512


class ParquetFile(Source):
    def __init__(self, path: Path) -> None:
        super().__init__()
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self.file = pq.ParquetFile(path, memory_map=True)
            schema = self.file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _broken(error) from error
        claimed = self.file.metadata
        if not 0 <= claimed.num_rows <= MAX_ROWS:
            raise unreadable(
                _("The file claims to hold %(n)d rows; at most %(most)d can be read. Split it.")
                % {"n": claimed.num_rows, "most": MAX_ROWS}
            )
        groups = [claimed.row_group(n).total_byte_size for n in range(claimed.num_row_groups)]
        if sum(groups) > MAX_UNPACKED_BYTES:
            raise too_large(MAX_UNPACKED_BYTES)
        self.columns, self.total_rows, self.done = list(schema.names), claimed.num_rows, 0
        check_columns(self.columns)
        refuse_extensions(schema)
        if claimed.num_rows == 0:
            raise Invalid(
                _("The file has no rows."), code="empty_file", fields={"file": [_("The file has no rows.")]}
            )

    def rows(self, after: int = 0) -> Iterator[Row]:
        import pyarrow as pa

        meter, number = Meter(), 0
        batches = self.file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _broken(error) from error
            if batch is None:
                return
            meter.add(batch)
            yield from rows_of(batch, number, after)
            number += batch.num_rows
            self.done = number

    def share_read(self) -> float:
        return self.done / max(1, self.total_rows or 1)

    def close(self) -> None:
        self.file.close()


def _broken(error: Exception) -> Invalid:
    said = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return unreadable(_("The Parquet file is broken or cut off (%(what)s). Write it again.") % {"what": said})


class Parquet(Reader):
    slug, label, order = "parquet", gettext_lazy("Parquet"), 10

    def recognises(self, path: Path, head: bytes) -> bool:
        return head.startswith(b"PAR1")

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return ParquetFile(path)


reader = Parquet()
