"""What a format must answer, and what its rows look like to whoever imports them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from annotation.items.jsonl import RowError
from annotation.items.unpacking import Readable

MAX_COLUMNS = 1_000
MAX_NAME = 200  # characters of a column's name
MAX_ROWS = 20_000_000


class Row(NamedTuple):
    """One row: its values by column, or what is wrong with it. `number` is its place, counted in the source's unit."""

    number: int
    values: dict[str, Any] | None
    error: RowError | None = None


class Source(ABC):
    """A file that is open for reading, once."""

    unit: ClassVar[str] = "row"  # what places count: "row", or "line" of a text file

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()  # what the file holds and an import leaves out, as it is met
        self.columns: list[str] | None = None  # if the file says so itself; otherwise the first rows tell
        self.total_rows: int | None = None  # as the file claims

    @abstractmethod
    def rows(self, after: int = 0) -> Iterator[Row]:
        """Rows in the file's order whose number is greater than `after`; the same each time. Bounded memory.

        Raises Invalid or TooLarge where the file ends to be readable.
        """

    @abstractmethod
    def share_read(self) -> float:
        """How far the reading is, from 0 to 1."""

    def close(self) -> None:  # noqa: B027 - one that holds nothing open has nothing to do
        """Lets go of the file."""


class Reader(ABC):
    """One format. `options` are the names of what may be said about a file (a CSV's delimiter)."""

    slug: ClassVar[str]
    label: ClassVar[str | Promise]
    order: ClassVar[int] = 50  # who is asked first whether it knows a file
    options: ClassVar[tuple[str, ...]] = ()
    is_native: ClassVar[bool] = False  # its rows may be items as they are, without a mapping

    @abstractmethod
    def recognises(self, path: Path, head: bytes) -> bool:
        """Whether a file is of this format, by its first (unpacked) bytes; `head` is empty for a folder."""

    @abstractmethod
    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        """Raises Invalid for a file that is broken from the start."""

    def defaults(self, path: Path) -> dict[str, Any]:
        """The options as the file suggests them."""
        return {}

    def notes(self, columns: list[str]) -> list[str]:
        """Sentences for the preview: what of this format is not imported, and why."""
        return []


class Counted:
    """A file that knows how many of its bytes were read."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb")
        self.size, self.done = max(1, path.stat().st_size), 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self.file.read(size)
        self.done += len(chunk)
        return chunk


class StreamSource(Source):
    """A source that reads its file from the beginning to the end."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.counted = Counted(path)

    @property
    def stream(self) -> Readable:
        return self.counted

    def share_read(self) -> float:
        return self.counted.done / self.counted.size

    def close(self) -> None:
        self.counted.file.close()


def check_columns(names: list[str]) -> None:
    """Names of a header. Raises Invalid for too many, empty, endless or equal ones."""
    from annotation.items.unpacking import unreadable

    if len(names) > MAX_COLUMNS:
        raise unreadable(
            _("The file has %(n)d columns; at most %(most)d can be read.")
            % {"n": len(names), "most": MAX_COLUMNS}
        )
    seen: set[str] = set()
    for n, name in enumerate(names, 1):
        if not name or len(name) > MAX_NAME or "\x00" in name:
            raise unreadable(
                _("Column %(n)d has no usable name; write 1 to %(most)d characters.")
                % {"n": n, "most": MAX_NAME}
            )
        if name in seen:
            raise unreadable(
                _("Two columns are called %(name)s; give each its own name.") % {"name": name[:60]}
            )
        seen.add(name)
