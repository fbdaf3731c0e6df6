"""Locks that the kernel gives back when their holder ends, however it ends (flock on a file)."""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class FileLock:
    """One open file; locked shared or exclusive, converted or released at will. Not inherited by a new program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def shared(self, *, wait: bool = True) -> bool:
        return self._lock(fcntl.LOCK_SH, wait)

    def exclusive(self, *, wait: bool = True) -> bool:
        return self._lock(fcntl.LOCK_EX, wait)

    def _lock(self, kind: int, wait: bool) -> bool:
        assert self._descriptor is not None, "the lock was closed"
        try:
            fcntl.flock(self._descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self) -> None:
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @property
    def is_closed(self) -> bool:
        return self._descriptor is None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock exclusively right now."""
    if not path.exists():
        return False
    with FileLock(path) as lock:
        return not lock.shared(wait=False)
