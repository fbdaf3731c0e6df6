"""What workers do meanwhile: snapshots and runs are started, waited for, followed, and fetched."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx

from whetstone_client.errors import Damaged, JobFailed, Json, TimedOut, Unanswered
from whetstone_client.transport import Transport, refusal

POLL_S = 2.0
PIECE = 1 << 18
BESIDE = frozenset({"CITATION.cff", "citation.bib"})  # they name the hash, so it cannot cover them


class Job:
    """A row that a worker works off; `data` is what the API says of it."""

    what, ends = "job", frozenset({"complete", "failed"})
    good = "complete"
    folder = ""

    def __init__(self, transport: Transport, data: Json) -> None:
        self.transport, self.data = transport, data

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def status(self) -> str:
        return str(self.data["status"])

    @property
    def is_finished(self) -> bool:
        return self.status in self.ends

    def refresh(self) -> Self:
        self.data = self.transport.get(f"{self.folder}/{self.id}/")
        return self

    def wait(self, *, timeout_s: float | None = None, poll_s: float = POLL_S) -> Self:
        """Returns when it has ended well. Raises JobFailed with the reason; TimedOut, while it goes on."""
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.is_finished:
            if ends_at is not None and time.monotonic() >= ends_at:
                raise TimedOut(f"{self.what} {self.id} is {self.status} after {timeout_s:g} s")
            time.sleep(poll_s)
            self.refresh()
        if self.status != self.good:
            raise JobFailed(f"{self.what} {self.id}", self.status, self.data["error"], self.data["advice"])
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"


class Snapshot(Job):
    """An immutable cut of a campaign's feedback, named by the SHA-256 of its manifest."""

    what, folder = "snapshot", "snapshots"

    @property
    def sha256(self) -> str:
        return str(self.data["sha256"])

    def download(self, path: str | os.PathLike[str], *, attempts: int = 5) -> Path:
        """The snapshot as a tar at `path`, which appears when every hash holds; what broke off before is gone on with.

        Raises Damaged when the bytes are not those that the snapshot's name promises; Gone for one that an erasure has
        emptied; Unanswered when the connection broke once more than `attempts` times.
        """
        target = Path(path)
        part, mark = (target.with_name(f"{target.name}.{suffix}") for suffix in ("part", "etag"))
        for attempt in range(attempts + 1):
            try:
                self._fetch(part, mark)
                break
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise Unanswered(f"snapshot {self.id}: {error or type(error).__name__}") from error
                time.sleep(self.transport.retries.first_wait_s * 2**attempt)
        try:
            check(part, self.sha256)
        except Damaged:
            part.unlink()
            raise
        finally:
            mark.unlink(missing_ok=True)
        return part.replace(target)

    def _fetch(self, part: Path, mark: Path) -> None:
        """Appends what is missing; begins anew if the server's bytes are others than those we have."""
        have = part.stat().st_size if part.exists() and mark.exists() else 0
        headers = dict(self.transport.headers)
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": mark.read_text()}
        address = self.transport.address(f"snapshots/{self.id}/download/")
        with self.transport.http.stream("GET", address, headers=headers) as response:
            if response.status_code == 416:  # nothing is missing
                return
            if response.status_code >= 400:
                response.read()
                raise refusal(response)
            mark.write_text(response.headers.get("ETag", ""))
            with part.open("ab" if response.status_code == 206 else "wb") as file:
                for piece in response.iter_raw():  # as it comes: what has come is kept
                    file.write(piece)


def check(tar: Path, sha256: str) -> None:
    """Raises Damaged unless the manifest has this hash and every file is as the manifest says."""
    found: dict[str, tuple[int, str]] = {}
    manifest = b""
    try:
        with tarfile.open(tar) as archive:
            for member in archive:
                name = member.name.partition("/")[2]
                file = archive.extractfile(member)
                if file is None:
                    raise Damaged(f"{tar}: {member.name} is no plain file")
                if name == "manifest.json":
                    manifest = file.read()
                    continue
                digest = hashlib.sha256()
                while piece := file.read(PIECE):
                    digest.update(piece)
                found[name] = (member.size, digest.hexdigest())
    except (tarfile.TarError, EOFError) as error:
        raise Damaged(f"{tar} is no whole tar: {error}") from error
    if hashlib.sha256(manifest).hexdigest() != sha256:
        raise Damaged(f"{tar}: the manifest is not the one of {sha256}")
    wanted = {n: (e["bytes"], e["sha256"]) for n, e in json.loads(manifest)["files"].items()}
    for name in sorted(wanted.keys() | found.keys() - BESIDE):
        if wanted.get(name) != found.get(name):
            raise Damaged(f"{tar}: {name} is not as the manifest says")


class Run(Job):
    """One act of learning or evaluation."""

    what, folder, good = "run", "runs", "succeeded"
    ends = frozenset({"succeeded", "failed", "cancelled"})

    @property
    def metrics(self) -> Json:
        return dict(self.data["metrics"] or {})

    @property
    def checkpoints(self) -> list[int]:
        """What it made: ids of reward models and policies."""
        return list(self.data["checkpoints"])

    def follow(self, *, poll_s: float = POLL_S) -> Iterator[Json]:
        """The points of its curves as they come ({"step", "stage", "loss", …}), each once; ends with the run, however it
        ends. The server thins old points, so a run that is looked at late has fewer."""
        seen: set[tuple[Any, Any]] = set()
        while True:
            self.refresh()
            for point in self.data["curve"]:
                key = (point.get("stage"), point.get("step"))
                if key not in seen:
                    seen.add(key)
                    yield point
            if self.is_finished:
                return
            time.sleep(poll_s)

    def cancel(self) -> Run:
        """Stops it; one that is running saves and leaves."""
        self.data |= self.transport.post(f"runs/{self.id}/cancel/", is_safe=False)
        return self

    def resume(self) -> Run:
        """Queues it again; it goes on from its newest whole checkpoint."""
        self.data |= self.transport.post(f"runs/{self.id}/resume/", is_safe=False)
        return self
