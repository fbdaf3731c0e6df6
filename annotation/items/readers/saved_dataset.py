"""A Hugging Face data set as `save_to_disk` writes it: Arrow files, one folder for each split, read without that library.

    dataset_dict.json                    {"splits": ["train", "test"]}     (only where there are several)
    train/state.json                     {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], …}
    train/data-00000-of-00001.arrow      Arrow's stream format

Rows of all splits, one after the other, have the name of theirs under `split`. A single .arrow file is read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.errors import Invalid
from annotation.items.jsonl import RowError, strict_json
from annotation.items.readers.base import MAX_ROWS, Reader, Row, Source, check_columns
from annotation.items.readers.columns import Meter, refuse_extensions, rows_of
from annotation.items.unpacking import unreadable

SPLIT = "split"
MAX_JSON_BYTES = 1024**2
MAX_FILES = 10_000
SUGGESTIONS = (".suggestion", ".suggestion.score", ".suggestion.agent", ".responses", ".responses.users")


class Saved(Source):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.files = list(_arrow_files(path))
        self.done, self.size = 0, max(1, sum(file.stat().st_size for _split, file in self.files))
        schema = _schema(self.files[0][1])
        refuse_extensions(schema)
        self.columns = list(schema.names)
        check_columns(self.columns)
        self.has_split = SPLIT not in self.columns and len({split for split, _file in self.files}) > 1
        if self.has_split:
            self.columns.append(SPLIT)

    def rows(self, after: int = 0) -> Iterator[Row]:
        import pyarrow as pa

        meter, number = Meter(), 0
        for split, file in self.files:
            try:
                with pa.memory_map(str(file)) as mapped, _opened(mapped) as batches:
                    for batch in batches:
                        meter.add(batch)
                        for row in rows_of(batch, number, after):
                            if self.has_split and row.values is not None:
                                row.values[SPLIT] = split
                            yield row
                        number += batch.num_rows
                        if number > MAX_ROWS:
                            raise unreadable(
                                _("The data set has more than %(most)d rows. Split it.") % {"most": MAX_ROWS}
                            )
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _broken(file, error) from error
            self.done += file.stat().st_size
        if number == 0:
            raise Invalid(
                _("The file has no rows."), code="empty_file", fields={"file": [_("The file has no rows.")]}
            )

    def share_read(self) -> float:
        return self.done / self.size


def _arrow_files(path: Path) -> Iterator[tuple[str, Path]]:
    """(split, file), in order. Raises Invalid when something that is named is not there."""
    if path.is_file():
        yield "", path
        return
    splits = path / "dataset_dict.json"
    folders = [path]
    if splits.is_file():
        names = _read(splits).get("splits")
        if not isinstance(names, list) or not names or not all(_is_name(name) for name in names):
            raise unreadable(_("dataset_dict.json does not name its splits; save the data set again."))
        folders = [path / name for name in names]
    for folder in folders:
        files = _read(folder / "state.json").get("_data_files")
        if not isinstance(files, list) or not files or len(files) > MAX_FILES:
            raise unreadable(_("state.json does not name its files; save the data set again."))
        for found in files:
            name: Any = found.get("filename") if isinstance(found, dict) else None
            if not _is_name(name) or not (folder / name).is_file() or (folder / name).is_symlink():
                raise unreadable(
                    _("%(name)s is named in state.json and is not there; save the data set again.")
                    % {"name": str(name)[:60]}
                )
            yield folder.name if folder != path else "", folder / name


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\x00")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
        raise unreadable(_("%(name)s is missing; save the data set again.") % {"name": path.name})
    try:
        found = strict_json(path.read_text(encoding="utf-8"))
    except (RowError, UnicodeDecodeError) as error:
        raise unreadable(_("%(name)s is broken; save the data set again.") % {"name": path.name}) from error
    return found if isinstance(found, dict) else {}


def _schema(file: Path) -> Any:
    import pyarrow as pa

    try:
        with pa.memory_map(str(file)) as mapped, _opened(mapped) as batches:
            return batches.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _broken(file, error) from error


def _opened(mapped: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.open_stream(mapped)


def _broken(file: Path, error: Exception) -> Invalid:
    said = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return unreadable(
        _("%(name)s is broken or cut off (%(what)s). Save the data set again.")
        % {"name": file.name, "what": said}
    )


class SavedDataset(Reader):
    slug, label, order = "hf", gettext_lazy("Hugging Face data set (save_to_disk)"), 20

    def recognises(self, path: Path, head: bytes) -> bool:
        if path.is_dir():
            return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()
        return head.startswith(b"\xff\xff\xff\xff")  # the stream format's first message

    def open(self, path: Path, options: Mapping[str, Any]) -> Source:
        return Saved(path)

    def notes(self, columns: list[str]) -> list[str]:
        left = [name for name in columns if name.endswith(SUGGESTIONS)]
        if not left:
            return []
        return [
            _("Answers and suggestions of an annotation tool are not imported: %(names)s.")
            % {"names": ", ".join(left)[:300]}
        ]


reader = SavedDataset()
