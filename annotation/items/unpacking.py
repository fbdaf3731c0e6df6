"""Bytes of an uploaded file as they are needed: gzip is unpacked on the way, and ends at a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from django.utils.translation import gettext as _

from annotation.errors import Invalid, TooLarge

MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_RATIO = 200  # JSON of people packs 3 to 20 times; a bomb a thousand times
CHUNK = 1 << 18


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int = -1, /) -> bytes: ...


def chunks(stream: Readable, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[bytes]:
    """The file's bytes, unpacked, without a byte order mark. Raises Invalid for a broken archive or UTF-16, TooLarge beyond
    the limits."""
    head = stream.read(CHUNK)
    total = 0
    for chunk in _gunzip(head, stream) if head[:2] == b"\x1f\x8b" else _plain(head, stream):
        if total == 0:
            refuse_utf16(chunk)
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        total += len(chunk)
        if total > max_bytes:
            raise too_large(max_bytes)
        yield chunk


def refuse_utf16(head: bytes) -> None:
    if head[:4] in (b"PK\x03\x04", b"PAR1"):
        return
    even, odd = (
        head[:64:2].count(0),
        head[1:64:2].count(0),
    )  # without a mark: every second byte of plain letters is 0
    half = len(head[:64]) // 2
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or max(even, odd) > half // 2 > 8 * min(even, odd):
        raise unreadable(_("The file is not UTF-8; it looks like UTF-16. Save it as UTF-8."))


def unreadable(message: str) -> Invalid:
    return Invalid(message, code="unreadable_file", fields={"file": [message]})


def too_large(max_bytes: int) -> TooLarge:
    message = _("The file is larger than %(n)d MB when unpacked; split it.") % {"n": max_bytes // 1024**2}
    return TooLarge(message, fields={"file": [message]})


def _plain(chunk: bytes, stream: Readable) -> Iterator[bytes]:
    while chunk:
        yield chunk
        chunk = stream.read(CHUNK)


def _gunzip(chunk: bytes, stream: Readable) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    packed, unpacked = len(chunk), 0
    try:
        while chunk:
            while chunk:
                out = unpacker.decompress(chunk, CHUNK)
                chunk = unpacker.unconsumed_tail
                if out:
                    unpacked += len(out)
                    if unpacked > 100 * CHUNK and unpacked > MAX_RATIO * packed:
                        message = _(
                            "The gzip file grows more than %(n)d times when unpacked; that is not text."
                        )
                        raise TooLarge(
                            message % {"n": MAX_RATIO}, fields={"file": [message % {"n": MAX_RATIO}]}
                        )
                    yield out
                if unpacker.eof:
                    chunk = unpacker.unused_data.lstrip(b"\x00")
                    if chunk:
                        unpacker = zlib.decompressobj(wbits=31)
            chunk = stream.read(CHUNK)
            packed += len(chunk)
            if chunk and unpacker.eof:
                unpacker = zlib.decompressobj(wbits=31)
        if not unpacker.eof:
            raise zlib.error("incomplete")
    except zlib.error as error:
        raise unreadable(_("The gzip file is broken or cut off; pack it again.")) from error


def head_of(path: Path) -> bytes:
    """The first unpacked bytes of a file, to tell what it is."""
    with path.open("rb") as stream:
        return next(chunks(stream), b"")
