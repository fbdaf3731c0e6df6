"""A directory as a storage for copies: another disk, a mounted share."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

from annotation.project.artifacts import PIECE, Missing, Unavailable


def _told(method: Callable[..., Any]) -> Callable[..., Any]:
    """What the system says, as Unavailable."""

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except FileNotFoundError as error:
            raise Missing(f"{error.filename} is missing.") from error
        except OSError as error:
            raise Unavailable(f"{error.strerror}: {error.filename}") from error

    return wrapped


class Disk(FileSystemStorage):
    """Files below `location`, which has to be there: a disk that is not mounted is not filled below its mount point."""

    def _check_mounted(self) -> None:
        if not os.path.isdir(self.location):
            raise Unavailable(f"{self.location} is not there. Make the directory, or mount the disk.")

    @_told
    def put(self, name: str, file: Any) -> None:
        self._check_mounted()
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".tmp-{uuid.uuid4().hex}"
        try:
            with open(temporary, "xb") as copy:
                shutil.copyfileobj(file, copy, PIECE)
                copy.flush()
                os.fsync(copy.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str, first: int = 0, size: int | None = None) -> Iterator[bytes]:
        file = self._opened(name)
        return self._pieces(file, first, size)

    @_told
    def _opened(self, name: str) -> Any:
        self._check_mounted()
        return open(self.path(name), "rb")

    def _pieces(self, file: Any, first: int, size: int | None) -> Iterator[bytes]:
        with file:
            file.seek(first)
            left = size
            while left is None or left > 0:
                try:
                    piece = file.read(PIECE if left is None else min(PIECE, left))
                except OSError as error:
                    raise Unavailable(f"{error.strerror}: {file.name}") from error
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece

    @_told
    def sizes(self, folder: str) -> dict[str, int]:
        self._check_mounted()
        root = Path(self.path(folder))
        return {p.relative_to(root).as_posix(): p.stat().st_size for p in root.rglob("*") if p.is_file()}

    @_told
    def forget(self, folder: str, but: Collection[str] = ()) -> int:
        gone = 0
        root = Path(self.path(folder))
        for name in self.sizes(folder):
            if name not in but:
                (root / name).unlink(missing_ok=True)
                gone += 1
        for below in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
            if not any(below.iterdir()):
                below.rmdir()
        return gone
