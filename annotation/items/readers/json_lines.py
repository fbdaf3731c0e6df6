"""JSON lines: one object a line, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from annotation.items.jsonl import RowError, lines, object_of
from annotation.items.readers.base import Reader, Row, Source, StreamSource


class Lines(StreamSource):
    unit = "line"

    def rows(self, after: int = 0) -> Iterator[Row]:
        for number, raw in lines(self.stream):
            if number <= after:
                continue
            try:
                yield Row(number, object_of(raw))
            except RowError as error:
                yield Row(number, None, error)


class JsonLines(Reader):
    slug, label, order = "jsonl", _("JSON lines"), 30
    is_native = True

    def recognises(self, path: Path, head: bytes) -> bool:
        return head.lstrip().startswith(b"{")

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return Lines(path)


reader = JsonLines()
