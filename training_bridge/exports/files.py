"""Files of a snapshot as they are written: counted, hashed on the way, and on the disk before anybody is told."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import orjson

OPTIONS = orjson.OPT_SORT_KEYS


def line(row: Any) -> bytes:
    """One line of JSON: keys sorted, compact, UTF-8; U+2028 and friends are inside strings and no line ends there."""
    return orjson.dumps(row, option=OPTIONS) + b"\n"


class HashingFile:
    """A binary file to write to (pyarrow accepts it as a sink) that knows its SHA-256, size and rows."""

    def __init__(self, root: Path, name: str):
        self.name = name
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = open(path, "xb", buffering=1 << 20)
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.rows = 0

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self._file.write(data)
        size = len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        self.bytes += size
        return size

    def write_row(self, row: Any) -> int:
        """Appends one line; returns the offset at which it starts."""
        start = self.bytes
        self.write(line(row))
        self.rows += 1
        return start

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._file.flush()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def entry(self) -> dict[str, Any]:
        """What the manifest says of this file."""
        return {"sha256": self._hash.hexdigest(), "bytes": self.bytes, "rows": self.rows}

    def __enter__(self) -> HashingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sha256_of(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            if on_bytes:
                on_bytes(len(piece))
    return digest.hexdigest()


def sweep_scratch(root: Path) -> None:
    """Removes what a build or a fetch that was killed left below a directory, when it is a day old."""
    for old in root.glob(".tmp-*"):
        try:
            is_old = time.time() - old.stat().st_mtime > 86_400
        except FileNotFoundError:  # it got its name, or was removed, meanwhile
            continue
        if is_old:
            shutil.rmtree(old, ignore_errors=True)


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
