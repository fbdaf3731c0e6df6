"""A snapshot as one file to download: a tar whose bytes are always the same, made while it is sent.

Owners, times and order are fixed, so the size is known beforehand, any byte range can be asked for again, and nothing
is buffered.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512
RECORD = 20 * BLOCK
PIECE = 1 << 18


@dataclass(frozen=True)
class Part:
    """A stretch of the tar: bytes at hand, or those of a file."""

    start: int
    size: int
    data: bytes = b""
    path: Path | None = None


class Archive:
    """The layout of the tar of one directory; `folder` is the name of the directory inside it, `more` goes in beside."""

    def __init__(self, directory: Path, folder: str, more: Mapping[str, bytes] | None = None):
        self.parts: list[Part] = []
        self.size = 0
        for name, data in sorted((more or {}).items()):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mode, info.mtime = len(data), 0o644, 0
            self._add(data=info.tobuf(tarfile.PAX_FORMAT))
            self._add(data=data)
            self._add(data=bytes(-len(data) % BLOCK))
        for path in sorted(p for p in directory.rglob("*") if p.is_file()):
            size = path.stat().st_size
            info = tarfile.TarInfo(f"{folder}/{path.relative_to(directory).as_posix()}")
            info.size, info.mode, info.mtime = size, 0o644, 0
            self._add(data=info.tobuf(tarfile.PAX_FORMAT))
            self._add(size=size, path=path)
            self._add(data=bytes(-size % BLOCK))
        self._add(data=bytes(2 * BLOCK))
        self._add(data=bytes(-self.size % RECORD))

    def _add(self, *, data: bytes = b"", size: int | None = None, path: Path | None = None) -> None:
        length = len(data) if size is None else size
        if length:
            self.parts.append(Part(self.size, length, data, path))
            self.size += length

    def read(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes `first` to `last` (inclusive, as in a Range header), in pieces."""
        end = self.size if last is None else last + 1
        for part in self.parts:
            low, high = max(first, part.start), min(end, part.start + part.size)
            if low >= high:
                continue
            if part.path is None:
                yield part.data[low - part.start : high - part.start]
                continue
            with part.path.open("rb") as file:
                file.seek(low - part.start)
                left = high - low
                while left:
                    piece = file.read(min(PIECE, left))
                    if not piece:
                        raise OSError(f"{part.path} became shorter while it was sent")
                    left -= len(piece)
                    yield piece


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) of a Range header with one range; None if there is none that we serve (the whole file is then sent).

    Raises ValueError for a range outside the file.
    """
    unit, _, spec = header.partition("=")
    if unit.strip() != "bytes" or "," in spec:
        return None
    begin, dash, end = spec.strip().partition("-")
    if (
        not dash
        or not (begin or end)
        or not all(part.isascii() and part.isdigit() for part in (begin, end) if part)
    ):
        return None
    if not begin:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(begin), min(int(end), size - 1) if end else size - 1
    if first >= size or last < first:
        raise ValueError(header)
    return first, last
