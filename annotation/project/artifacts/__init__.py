"""Storages for copies of large files that never change: a bucket (s3.py) or a directory on another disk (disk.py).

Both are Django storages, chosen by WHETSTONE_ARTIFACT_STORAGE and reached as `storages["artifacts"]`; beyond what Django's
have, they read any stretch of a file without holding the rest, and forget a file for good. Neither is imported before it
is asked for, since boto3 takes a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Protocol

PIECE = 1 << 18


class Unavailable(Exception):
    """The storage did not do what it was asked to: it is down, refuses, or has no room. Says what it said, never a key."""


class Missing(Unavailable):
    """There is no such file in the storage."""


class ArtifactStorage(Protocol):
    """What both can do. Every method raises Unavailable for whatever the storage says."""

    def put(self, name: str, file: Any) -> None:
        """Stores a file under a name, whole or not at all; one that is there is replaced."""

    def read(self, name: str, first: int = 0, size: int | None = None) -> Iterator[bytes]:
        """`size` bytes from `first` on, in pieces. Raises Missing before the first piece."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Every file below a folder: its name in the folder, and its bytes."""

    def forget(self, folder: str, but: Collection[str] = ()) -> int:
        """Removes every file below a folder, earlier versions too, `but` these names. Returns how many."""
