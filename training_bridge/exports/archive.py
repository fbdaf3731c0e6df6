"""A snapshot as one file to download: a tar whose bytes are always the same, made while it is sent.

Owners, times and order are fixed, so the size is known beforehand, any byte range can be asked for again, and nothing
is buffered.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

BLOCK = 512
RECORD = 20 * BLOCK
PIECE = 1 << 18


class Files(Protocol):
    """What is packed: names with their sizes, and any stretch of each of them in pieces."""

    sizes: dict[str, int]

    def read(self, name: str, first: int, size: int) -> Iterator[bytes]: ...


class Folder:
    """The files of a directory."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.sizes = {
            p.relative_to(directory).as_posix(): p.stat().st_size for p in directory.rglob("*") if p.is_file()
        }

    def read(self, name: str, first: int, size: int) -> Iterator[bytes]:
        with (self.directory / name).open("rb") as file:
            file.seek(first)
            left = size
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece


@dataclass(frozen=True)
class Part:
    """A stretch of the tar: bytes at hand, or those of a file."""

    start: int
    size: int
    data: bytes = b""
    name: str = ""


class Archive:
    """The layout of the tar of some files; `folder` is the name of the directory inside it, `more` goes in beside."""

    def __init__(self, source: Path | Files, folder: str, more: Mapping[str, bytes] | None = None):
        self.files: Files = Folder(source) if isinstance(source, Path) else source
        self.parts: list[Part] = []
        self.size = 0
        for name, data in sorted((more or {}).items()):
            self._add(data=_header(f"{folder}/{name}", len(data)))
            self._add(data=data)
            self._add(data=bytes(-len(data) % BLOCK))
        for name, size in sorted(self.files.sizes.items(), key=lambda file: PurePosixPath(file[0])):
            self._add(data=_header(f"{folder}/{name}", size))
            self._add(size=size, name=name)
            self._add(data=bytes(-size % BLOCK))
        self._add(data=bytes(2 * BLOCK))
        self._add(data=bytes(-self.size % RECORD))

    def _add(self, *, data: bytes = b"", size: int | None = None, name: str = "") -> None:
        length = len(data) if size is None else size
        if length:
            self.parts.append(Part(self.size, length, data, name))
            self.size += length

    def read(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Bytes `first` to `last` (inclusive, as in a Range header), in pieces."""
        end = self.size if last is None else last + 1
        for part in self.parts:
            low, high = max(first, part.start), min(end, part.start + part.size)
            if low >= high:
                continue
            if not part.name:
                yield part.data[low - part.start : high - part.start]
                continue
            left = high - low
            for piece in self.files.read(part.name, low - part.start, left):
                left -= len(piece)
                yield piece
            if left:
                raise OSError(f"{part.name} became shorter while it was sent")


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.PAX_FORMAT)


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
