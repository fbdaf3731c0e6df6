"""One JSON list of objects, read one object at a time: the ground for exports of other tools, and a format by itself."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.items.jsonl import MAX_LINE_BYTES, RowError, decoder
from annotation.items.readers.base import Reader, Row, Source, StreamSource
from annotation.items.unpacking import Readable, chunks, unreadable

SPACE = " \t\r\n"


def objects(stream: Readable) -> Iterator[tuple[int, Any]]:
    """(number from 1, value or RowError) of each element of the list. An element that breaks a rule of numbers or keys is
    one error; a list that breaks off ends it with Invalid."""
    pieces = _text(stream)
    text = next(pieces, "").lstrip(SPACE)
    if not text.startswith("["):
        raise unreadable(_("The file is not one JSON list."))
    text, at, number, wait = text[1:], 0, 0, 0
    while True:
        while True:  # the next thing that is not space or a comma
            while at < len(text) and text[at] in SPACE:
                at += 1
            if at < len(text):
                break
            text, at = next(pieces, ""), 0
            if not text:
                raise unreadable(
                    _("The JSON list breaks off after row %(n)d; it must end with ].") % {"n": number}
                )
        if text[at] == "]":
            return
        if text[at] == "," and number:
            at += 1
            continue
        try:
            value, end = decoder.raw_decode(text, at)
        except RowError as error:
            value, end = error, _skip(text, at)
        except json.JSONDecodeError as error:
            value, end = error, -1
        except RecursionError as error:
            raise unreadable(_("Row %(n)d is nested too deeply.") % {"n": number + 1}) from error
        if end < 0 or (end == len(text) and not isinstance(value, dict)):  # it may go on in the next piece
            wait = max(len(text) - at, wait)
            more = next(pieces, "")
            while (
                more and len(more) < wait
            ):  # twice as much each time, so that a long row is not read over and over
                piece = next(pieces, "")
                if not piece:
                    break
                more += piece
            if not more:
                said = value.msg if isinstance(value, json.JSONDecodeError) else str(value)
                raise unreadable(
                    _("Row %(n)d is not valid JSON: %(what)s.") % {"n": number + 1, "what": said}
                )
            text, at = text[at:] + more, 0
            if len(text) > 4 * MAX_LINE_BYTES:
                raise unreadable(
                    _("Row %(n)d is not valid JSON, or longer than %(most)d MB.")
                    % {"n": number + 1, "most": MAX_LINE_BYTES // 1024**2}
                )
            continue
        number, at, wait = number + 1, end, 0
        yield number, value
        if at > MAX_LINE_BYTES:
            text, at = text[at:], 0


def _skip(text: str, at: int) -> int:
    """Where an element ends whose keys or numbers are refused; -1 when it goes on beyond the text."""
    try:
        return json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(text, at)[1]
    except (json.JSONDecodeError, RecursionError):
        return -1


def _text(stream: Readable) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks(stream):
            if text := decode.decode(chunk):
                yield text
        if text := decode.decode(b"", final=True):
            yield text
    except UnicodeDecodeError as error:
        raise unreadable(_("The file is not UTF-8; it looks like Latin-1. Save it as UTF-8.")) from error


class ListSource(StreamSource):
    def rows(self, after: int = 0) -> Iterator[Row]:
        for number, value in objects(self.stream):
            if number <= after:
                continue
            if isinstance(value, RowError):
                yield Row(number, None, value)
            elif not isinstance(value, dict):
                yield Row(number, None, RowError("", _("not an object"), _("Write {…} for each row.")))
            else:
                yield Row(number, self.values(value))

    def values(self, found: dict[str, Any]) -> dict[str, Any]:
        """The columns of one object."""
        return found


def first_object(head: bytes) -> dict[str, Any]:
    """The first object of a list by the file's first bytes; empty if they do not hold all of it."""
    text = head.decode(errors="ignore").lstrip(SPACE).removeprefix("[").lstrip(SPACE)
    try:
        found = json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class JsonList(Reader):
    slug, label, order = "json", gettext_lazy("JSON list"), 60
    is_native = True

    def recognises(self, path: Path, head: bytes) -> bool:
        return head.lstrip().startswith(b"[")

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return ListSource(path)


reader = JsonList()
