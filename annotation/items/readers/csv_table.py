"""CSV: a header and rows of text, comma, semicolon, tab or bar between cells; UTF-8, plain or gzipped."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.errors import Invalid
from annotation.items.jsonl import MAX_LINE_BYTES, RowError
from annotation.items.readers.base import Reader, Row, Source, StreamSource, check_columns
from annotation.items.unpacking import Readable, chunks, head_of, unreadable

DELIMITERS = {
    ",": gettext_lazy("comma"),
    ";": gettext_lazy("semicolon"),
    "\t": gettext_lazy("tab"),
    "|": gettext_lazy("bar"),
}
MOST_ON_A_LINE = MAX_LINE_BYTES

csv.field_size_limit(MAX_LINE_BYTES)


class Table(StreamSource):
    """Places are lines of the file, as an editor counts them: where a row begins."""

    unit = "line"

    def __init__(self, path: Path, delimiter: str) -> None:
        super().__init__(path)
        self.delimiter = delimiter
        self._lines = _text_lines(self.stream)
        self._cells = csv.reader(self._lines, delimiter=delimiter, strict=True)
        header = self._next()
        if header is None:
            raise Invalid(
                _("The file has no rows."), code="empty_file", fields={"file": [_("The file has no rows.")]}
            )
        names = [name.strip() for name in header[1]]
        if len(names) == 1 and (hint := _other_delimiter(names[0], delimiter)):
            raise unreadable(
                _("The header is a single column, “%(name)s”; the cells look separated by a %(hint)s.")
                % {"name": names[0][:60], "hint": DELIMITERS[hint]}
            )
        check_columns(names)
        self.columns = names

    def rows(self, after: int = 0) -> Iterator[Row]:
        names = self.columns or []
        while (found := self._next()) is not None:
            number, cells = found
            if number <= after or not cells:
                continue
            if len(cells) != len(names):
                yield Row(number, None, wrong_width(len(cells), len(names)))
            else:
                yield Row(number, dict(zip(names, cells, strict=True)))

    def _next(self) -> tuple[int, list[str]] | None:
        """(line where it begins, cells) of the next row."""
        number = self._cells.line_num + 1
        try:
            return number, next(self._cells)
        except StopIteration:
            return None
        except csv.Error as error:
            said = str(error)
            if "field larger" in said or "unexpected end" in said:
                rule = _("a quote is opened and never closed, or a cell is longer than %(n)d MB") % {
                    "n": MAX_LINE_BYTES // 1024**2
                }
            else:
                rule = _("not valid CSV: %(what)s") % {"what": said}
            raise unreadable(
                _("Line %(line)d: %(rule)s. Write quotes inside a quoted cell twice.")
                % {"line": number, "rule": rule}
            ) from error


def wrong_width(n: int, wanted: int) -> RowError:
    return RowError(
        "",
        _("%(n)d cells, the header has %(wanted)d") % {"n": n, "wanted": wanted},
        _("Put cells with the separator or a line break in them into quotes."),
    )


def _text_lines(stream: Readable) -> Iterator[str]:
    """Lines with their breaks; a byte that is not UTF-8 ends it with its place."""
    rest, number = b"", 0
    for chunk in chunks(stream):
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        if len(rest) > MOST_ON_A_LINE:
            raise unreadable(
                _("Line %(line)d is longer than %(n)d MB; check quotes and line breaks.")
                % {"line": number + len(pieces) + 1, "n": MOST_ON_A_LINE // 1024**2}
            )
        for piece in pieces:
            number += 1
            yield _text(piece + b"\n", number)
    if rest:
        yield _text(rest, number + 1)


def _text(raw: bytes, number: int) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise unreadable(
            _("Line %(line)d is not UTF-8; it looks like Latin-1. Save the file as UTF-8.") % {"line": number}
        ) from error
    if "\x00" in text:
        raise unreadable(_("Line %(line)d holds a NUL character; remove it.") % {"line": number})
    return text


def _other_delimiter(header: str, used: str) -> str:
    counts = {mark: header.count(mark) for mark in DELIMITERS if mark != used}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ""


def sniff(head: bytes) -> str:
    """The separator that is most frequent in the header, outside quotes; a comma where there is none."""
    line = head.split(b"\n", 1)[0].decode(errors="replace")
    bare = "".join(piece for n, piece in enumerate(line.split('"')) if n % 2 == 0)
    return max(DELIMITERS, key=bare.count)


class Csv(Reader):
    slug, label, order = "csv", gettext_lazy("CSV"), 90
    options = ("delimiter",)

    def recognises(self, path: Path, head: bytes) -> bool:
        # The last to be asked: any text that is nothing else; a stray NUL is told with its line.
        return not path.is_dir() and head.count(0) * 100 <= len(head)

    def defaults(self, path: Path) -> dict[str, Any]:
        return {"delimiter": sniff(head_of(path))}

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        delimiter = options.get("delimiter") or sniff(head_of(path))
        if delimiter not in DELIMITERS:
            known = ", ".join(map(str, DELIMITERS.values()))
            raise Invalid(
                _("Unknown separator."),
                fields={"delimiter": [_("Choose one of: %(known)s.") % {"known": known}]},
            )
        return Table(path, delimiter)


reader = Csv()
