"""Zip archives that hold one file or one saved data set: checked entry by entry before and while they are unpacked."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from annotation.errors import TooLarge
from annotation.items.unpacking import CHUNK, MAX_RATIO, MAX_UNPACKED_BYTES, too_large, unreadable

MAX_ENTRIES = 10_000
MAX_NAME = 255
FREE_OF_RATIO = 100 * CHUNK  # bytes that may come of anything: small files pack better than they should
LEFT_OUT = ("__MACOSX", ".DS_Store")
FOLDER_MARKS = ("state.json", "dataset_dict.json", "records.json")


def is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(path: Path, folder: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> Path:
    """Unpacks into a new folder; gives the file or the folder of a data set in it. Nothing stays of a refused archive.

    Raises Invalid naming the entry; TooLarge beyond the limits, whatever the archive says of its sizes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(entries, max_bytes)
            folder.mkdir(parents=True)
            _unpack(archive, entries, folder, max_bytes)
        return _what_is_meant(folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise unreadable(_("The zip archive is broken or cut off; pack it again.")) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _check(entries: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(entries) > MAX_ENTRIES:
        raise unreadable(
            _("The archive has %(n)d entries; at most %(most)d can be read.")
            % {"n": len(entries), "most": MAX_ENTRIES}
        )
    seen: set[str] = set()
    for entry in entries:
        # `orig_filename`: the other one has been made harmless already, which would hide what the archive says.
        name, shown = entry.orig_filename, repr(entry.orig_filename[:80])
        parts = PurePosixPath(name).parts
        if (
            not parts or name.startswith("/") or ".." in parts or set(name) & set("\\\x00")
            or (parts[0].endswith(":")) or any(len(part.encode()) > MAX_NAME for part in parts)
        ):  # fmt: skip
            raise unreadable(
                _("The archive's entry %(name)s leads out of its folder; pack it again.") % {"name": shown}
            )
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise unreadable(
                _("The archive's entry %(name)s is a link or a device; pack plain files only.")
                % {"name": shown}
            )
        if entry.flag_bits & 1:
            raise unreadable(_("The archive's entry %(name)s has a password.") % {"name": shown})
        if name in seen:
            raise unreadable(_("The archive's entry %(name)s is in it twice.") % {"name": shown})
        seen.add(name)
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise too_large(max_bytes)


def _unpack(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], folder: Path, max_bytes: int) -> None:
    total = 0
    for entry in entries:
        parts = PurePosixPath(entry.orig_filename).parts
        if entry.is_dir() or set(parts) & set(LEFT_OUT):
            continue
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = 0
        with archive.open(entry) as packed, target.open("xb") as file:
            while chunk := packed.read(CHUNK):
                own, total = own + len(chunk), total + len(chunk)
                if total > max_bytes:
                    raise too_large(max_bytes)
                if own > FREE_OF_RATIO and own > MAX_RATIO * max(1, entry.compress_size):
                    message = _(
                        "The archive grows more than %(n)d times when unpacked; that is not text."
                    ) % {"n": MAX_RATIO}
                    raise TooLarge(message, fields={"file": [message]})
                file.write(chunk)


def _what_is_meant(folder: Path) -> Path:
    """The one file, or the folder in which a data set lies."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if len(files) == 1 and files[0].name not in FOLDER_MARKS:
        return files[0]
    homes = {path.parent for path in files if path.name in FOLDER_MARKS}
    tops = [home for home in homes if (home / "dataset_dict.json").is_file()] or sorted(homes)
    if len(tops) == 1:
        return tops[0]
    raise unreadable(
        _("The archive holds %(n)d files; put one file into it, or one data set saved by save_to_disk.")
        % {"n": len(files)}
    )
