"""Copies of complete snapshots and kept checkpoints in the storage that WHETSTONE_ARTIFACT_STORAGE names.

    snapshots/<sha256>/    README.md native/… preference/… manifest.json              as on the disk
    checkpoints/<sha256>/  config.json model.safetensors … FILES.json           {"files": {name: {"sha256", "bytes"}}}

The last file is written last and lists the others: a copy without it is half a copy, and nobody takes it for a whole one.
What is fetched is checked against these hashes, and they against the name, before it gets its name on this disk.
Nothing here knows the database; services/mirror.py says what is copied, and when.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

import orjson
from django.conf import settings
from django.core.files.storage import storages

from annotation.project.artifacts import ArtifactStorage, Missing
from training_bridge import programs
from training_bridge.exports.files import sha256_of, sweep_scratch
from training_bridge.exports.snapshot import SUPERSEDED, faults, superseded

SNAPSHOTS, CHECKPOINTS = "snapshots", "checkpoints"
LAST = {SNAPSHOTS: "manifest.json", CHECKPOINTS: "FILES.json"}
MOST_BYTES_OF_A_LIST = 64 << 20

Tell = Callable[[str, int, int], None]  # file, bytes done, bytes in all
Files = Mapping[str, Mapping[str, Any]]  # name -> {"sha256", "bytes"}


class Damaged(Exception):
    """The files on this disk are not those of the name: they are not copied."""


class Altered(Exception):
    """What the storage has is not what was copied there: it is not used."""


def is_configured() -> bool:
    return "artifacts" in settings.STORAGES


def storage() -> ArtifactStorage:
    return cast(ArtifactStorage, storages["artifacts"])


def nothing(name: str, done: int, total: int) -> None:
    """Tells nobody."""


# --- There -----------------------------------------------------------------------------------------------------------


def copy(
    directory: Path, kind: str, sha256: str, *, again: Collection[str] = (), tell: Tell = nothing
) -> int:
    """Copies a directory, its list of files last; what is there in its size is not sent again. Returns the bytes sent.

    Args:
        again: files to send whatever is there in their place.
        tell: called before each file and at the end; may raise, and what is there then is half a copy.
    Raises Damaged; Unavailable, and the next call goes on where this one stopped.
    """
    files, last = _on_disk(directory, kind, sha256)
    folder, there, sent = f"{kind}/{sha256}", storage().sizes(f"{kind}/{sha256}"), 0
    total, done = sum(about["bytes"] for about in files.values()), 0
    for name, about in files.items():
        tell(name, done, total)
        if there.get(name) != about["bytes"] or name in again:
            with (directory / name).open("rb") as file:
                storage().put(f"{folder}/{name}", file)
            sent += about["bytes"]
        done += about["bytes"]
    tell(LAST[kind], done, total)
    if there.get(LAST[kind]) != len(last) or sent or LAST[kind] in again:
        storage().put(f"{folder}/{LAST[kind]}", io.BytesIO(last))
    return sent


def _on_disk(directory: Path, kind: str, sha256: str) -> tuple[dict[str, Any], bytes]:
    """The files of a directory that is as it was written, and the last file of its copy. Raises Damaged."""
    if kind == SNAPSHOTS:
        for name, fault in faults(directory):
            raise Damaged(f"{name}: {fault}")
        if superseded(directory):
            raise Damaged("its files were erased")
        data = (directory / LAST[kind]).read_bytes()
        return orjson.loads(data)["files"], data
    if programs.directory_sha256(directory) != sha256:
        raise Damaged("its hash is another one")
    names = sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file())
    files = {
        name: {"sha256": sha256_of(directory / name), "bytes": (directory / name).stat().st_size}
        for name in names
    }
    return files, orjson.dumps({"files": files}, option=orjson.OPT_INDENT_2) + b"\n"


def remove_foreign(kind: str, sha256: str) -> int:
    """Removes what a whole copy does not list; how many files went."""
    return storage().forget(f"{kind}/{sha256}", but=(*listed(kind, sha256), LAST[kind]))


def is_whole(kind: str, sha256: str) -> bool:
    """Whether a complete copy is there, by names and sizes."""
    there = storage().sizes(f"{kind}/{sha256}")
    return LAST[kind] in there and all(
        there.get(name) == about["bytes"] for name, about in listed(kind, sha256).items()
    )


def supersede(sha256: str, note: Mapping[str, Any]) -> int:
    """Removes the files of a snapshot's copy but its manifest, and leaves the note. How many files went."""
    folder = f"{SNAPSHOTS}/{sha256}"
    storage().put(f"{folder}/{SUPERSEDED}", io.BytesIO(orjson.dumps(note) + b"\n"))
    return storage().forget(folder, but=(LAST[SNAPSHOTS], SUPERSEDED))


# --- And back --------------------------------------------------------------------------------------------------------


def listed(kind: str, sha256: str) -> Files:
    """The files of a copy, by its last file. Raises Missing where none is whole, Altered for a list not to be trusted."""
    pieces, data = storage().read(f"{kind}/{sha256}/{LAST[kind]}"), b""
    for piece in pieces:
        data += piece
        if len(data) > MOST_BYTES_OF_A_LIST:
            raise _altered(kind, sha256, LAST[kind], "too large")
    if kind == SNAPSHOTS and hashlib.sha256(data).hexdigest() != sha256:
        raise _altered(kind, sha256, LAST[kind], "its SHA-256 is not the snapshot's name")
    try:
        files: Files = orjson.loads(data)["files"]
        for name, about in files.items():
            path = PurePosixPath(name)
            if (
                path.is_absolute()
                or ".." in path.parts
                or not (isinstance(about["bytes"], int) and about["sha256"])
            ):
                raise _altered(kind, sha256, LAST[kind], f"it names {name!r}")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _altered(kind, sha256, LAST[kind], "it lists no files") from None
    return files


def read(kind: str, sha256: str, name: str, about: Mapping[str, Any]) -> Iterator[bytes]:
    """One whole file of a copy in pieces, checked: the last piece is given only if the hash is right. Raises Altered."""
    digest, length, held = hashlib.sha256(), 0, b""
    for piece in storage().read(f"{kind}/{sha256}/{name}"):
        length += len(piece)
        if length > about["bytes"]:
            raise _altered(kind, sha256, name, f"more than {about['bytes']:,} bytes")
        digest.update(piece)
        if held:
            yield held
        held = piece
    if length != about["bytes"]:
        raise _altered(kind, sha256, name, f"{length:,} bytes instead of {about['bytes']:,}")
    if digest.hexdigest() != about["sha256"]:
        raise _altered(kind, sha256, name, "its SHA-256 is another one")
    if held:
        yield held


def fetch(kind: str, sha256: str, root: Path, *, tell: Tell = nothing) -> Path:
    """Brings a copy to `root / sha256`, unless it is there; nothing half stays behind. Raises Unavailable, Altered."""
    target = root / sha256
    if _is_here(target, kind):
        return target
    files = listed(kind, sha256)
    root.mkdir(parents=True, exist_ok=True)
    sweep_scratch(root)
    temporary = root / f".tmp-{uuid.uuid4().hex}"
    try:
        total, done = sum(about["bytes"] for about in files.values()), 0
        for name, about in files.items():
            tell(name, done, total)
            fetch_file(kind, sha256, name, about, temporary / name)
            done += about["bytes"]
        temporary.mkdir(exist_ok=True)
        if kind == SNAPSHOTS:
            data = b"".join(storage().read(f"{kind}/{sha256}/{LAST[kind]}"))
            (temporary / LAST[kind]).write_bytes(data)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise _altered(kind, sha256, LAST[kind], "it changed meanwhile")
        elif programs.directory_sha256(temporary) != sha256:
            raise _altered(kind, sha256, LAST[kind], "these files are not the checkpoint of this name")
        programs.sync_tree(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if not _is_here(target, kind):  # otherwise somebody else fetched it meanwhile
                raise
        programs.sync_directory(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    tell(LAST[kind], total, total)
    return target


def fetch_file(kind: str, sha256: str, name: str, about: Mapping[str, Any], target: Path) -> None:
    """Brings one file of a copy to a path. Raises as `read` does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for piece in read(kind, sha256, name, about):
            file.write(piece)


def _is_here(directory: Path, kind: str) -> bool:
    return (directory / LAST[kind]).is_file() if kind == SNAPSHOTS else directory.is_dir()


def copy_faults(kind: str, sha256: str) -> Iterator[tuple[str, str]]:
    """(file, what is wrong with it) for each file of a copy that is not as it was written; reads every byte."""
    try:
        files = listed(kind, sha256)
        there = storage().sizes(f"{kind}/{sha256}")
    except Missing:
        yield LAST[kind], "missing: this is no whole copy"
        return
    except Altered as error:
        yield LAST[kind], str(error)
        return
    for name, about in files.items():
        try:
            for _piece in read(kind, sha256, name, about):
                pass
        except Missing:
            yield name, "missing"
        except Altered as error:
            yield name, str(error)
    for name in sorted({*there} - {*files, LAST[kind]}):
        yield name, "not in the list of files"


def _altered(kind: str, sha256: str, name: str, fault: str) -> Altered:
    return Altered(
        f"{name} of {kind}/{sha256[:12]} is not as it was copied to {settings.ARTIFACT_PLACE}: {fault}."
    )


# --- As a tar --------------------------------------------------------------------------------------------------------


class Copied:
    """The files of a snapshot's copy, as exports/archive.py sends them: from the storage, with nothing on this disk."""

    def __init__(self, sha256: str):
        self.sha256 = sha256
        self.files = listed(SNAPSHOTS, sha256)
        there = storage().sizes(f"{SNAPSHOTS}/{sha256}")
        self.sizes = {name: about["bytes"] for name, about in self.files.items()}
        self.sizes[LAST[SNAPSHOTS]] = there.get(LAST[SNAPSHOTS], 0)
        for name, size in self.sizes.items():
            if there.get(name) != size:
                raise Altered(f"{name} is missing from the copy or has another size.")

    def read(self, name: str, first: int, size: int) -> Iterator[bytes]:
        if name in self.files and (first, size) == (0, self.sizes[name]):
            return read(SNAPSHOTS, self.sha256, name, self.files[name])
        return storage().read(f"{SNAPSHOTS}/{self.sha256}/{name}", first, size)
