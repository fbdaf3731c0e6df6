"""Files that items come from: one module is one format, found by listing the folder; each ends with `reader = …`.

reader = recognise(path, "answers.csv")                  # or get("csv")
source = reader.open(path, {"delimiter": ";"})
for row in source.rows(after=0):                         # Row(number=2, values={"prompt": "…", "answer_1": "…"}, error=None)
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from django.utils.translation import gettext as _

from annotation.errors import Invalid
from annotation.items.readers.base import Reader, Row, Source
from annotation.items.unpacking import head_of, unreadable

__all__ = ["Reader", "Row", "Source", "all_readers", "get", "recognise"]


@cache
def all_readers() -> tuple[Reader, ...]:
    """Every format, those that are told by more of the file first."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    readers = [module.reader for module in modules if hasattr(module, "reader")]
    return tuple(sorted(readers, key=lambda reader: (reader.order, reader.slug)))


def get(slug: str) -> Reader:
    """Raises Invalid for a format that there is not."""
    for reader in all_readers():
        if reader.slug == slug:
            return reader
    known = ", ".join(reader.slug for reader in all_readers())
    raise Invalid(
        _("Unknown format."), fields={"format": [_("Choose one of: %(known)s.") % {"known": known}]}
    )


def recognise(path: Path) -> Reader:
    """The format of a file or unpacked folder, by what is in it and not by its name. Raises Invalid if it is none."""
    head = b"" if path.is_dir() else head_of(path)
    if not path.is_dir() and not head.strip():
        raise Invalid(
            _("The file has no rows."), code="empty_file", fields={"file": [_("The file has no rows.")]}
        )
    for reader in all_readers():
        if reader.recognises(path, head):
            return reader
    raise unreadable(
        _(
            "The file is none of the formats that can be read: JSON lines, CSV, Parquet, a data set saved by"
            " save_to_disk, an export of Label Studio or Argilla."
        )
    )
