"""Prompts and responses of a snapshot by id, read from its JSONL files: 17 bytes of memory a text, whatever its length."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

KEPT = 1024  # texts at hand; a screen's texts are asked for again by its other labelers


class TextIndex:
    """Where each row of a JSONL file with rising ids begins."""

    def __init__(self, path: Path):
        self.path = path
        self._ids = array("q")
        self._starts = array("q", [0])
        self._marks = bytearray()
        self._fd = -1
        self.row = lru_cache(maxsize=KEPT)(self._row)

    def add(self, row_id: int, end: int, *, mark: bool = False) -> None:
        """Notes a row just written; `end` is the offset behind it, `mark` one bit to be asked for later."""
        self._marks.append(mark)
        self._ids.append(row_id)
        self._starts.append(end)

    def __len__(self) -> int:
        return len(self._ids)

    def __enter__(self) -> TextIndex:
        self._fd = os.open(self.path, os.O_RDONLY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
        self.row.cache_clear()

    def mark(self, row_id: int) -> bool:
        return bool(self._marks[self._at(row_id)])

    def marked(self) -> Iterator[int]:
        """The ids whose mark is set, rising."""
        return compress(self._ids, self._marks)

    def _at(self, row_id: int) -> int:
        at = bisect_left(self._ids, row_id)
        if at == len(self._ids) or self._ids[at] != row_id:
            raise KeyError(f"{self.path.name} has no row {row_id}")
        return at

    def _row(self, row_id: int) -> dict[str, Any]:
        at = self._at(row_id)
        start, end = self._starts[at], self._starts[at + 1]
        return orjson.loads(os.pread(self._fd, end - start, start))
