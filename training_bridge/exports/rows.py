"""Single events of a snapshot, found by halving its event file, which is ordered by submission: no index, no full read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson


def rows_from(snapshot: Path, submission: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """The first events of this submission or a later one, in the order of the file; `limit` of them at most."""
    with open(snapshot / "native" / "feedback.jsonl", "rb") as file:
        return list(islice(_from(file, submission), limit))


def row_of(snapshot: Path, submission: str, event: int) -> dict[str, Any] | None:
    """One event, or None when it is not in this snapshot."""
    with open(snapshot / "native" / "feedback.jsonl", "rb") as file:
        for row in _from(file, submission):
            if row["submission"] != submission:
                return None
            if row["id"] == event:
                return row
    return None


def texts_of(snapshot: Path, name: str, ids: set[int]) -> dict[int, dict[str, Any]]:
    """Rows of `prompts` or `responses` by id, found in the same way."""
    found = {}
    with open(snapshot / "native" / f"{name}.jsonl", "rb") as file:
        for row_id in ids:
            line = _seek(file, lambda row, row_id=row_id: row["id"] < row_id)
            if line and (row := orjson.loads(line))["id"] == row_id:
                found[row_id] = row
    return found


def _from(file: BinaryIO, submission: str) -> Iterator[dict[str, Any]]:
    line = _seek(file, lambda row: row["submission"] < submission)
    while line:
        yield orjson.loads(line)
        line = file.readline()


def _seek(file: BinaryIO, is_before: Any) -> bytes:
    """The first line for which `is_before` is false; it is false for all that follow, and the file stands behind it."""
    low, high = 0, os.fstat(file.fileno()).st_size  # the line that begins at or after `low` … the one sought
    while low < high:
        middle = (low + high) // 2
        file.seek(middle)
        if middle:
            file.seek(middle - 1)
            file.readline()  # to the beginning of the next line, which may be here
        line = file.readline()
        if line and is_before(orjson.loads(line)):
            low = file.tell()
        else:
            high = middle
    file.seek(low)
    if low:
        file.seek(low - 1)
        file.readline()
    return file.readline()
