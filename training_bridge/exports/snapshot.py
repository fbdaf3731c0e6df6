"""Builds a snapshot directory: an immutable cut of a campaign's feedback, named by the SHA-256 of its manifest.

    <SNAPSHOT_DIR>/<sha256>/README.md  native/  preference/  unpaired/  prompt_completion/  manifest.json

The manifest holds nothing that differs between two builds of the same cut (who asked, when, how long it took stand in the
database), so the same answers give the same bytes and the same name, on any machine. It is written last, and the directory
gets its name only then: a snapshot that can be seen is complete.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from training_bridge.exports import agreement, cards, citation, cut, events
from training_bridge.exports.counts import Counts
from training_bridge.exports.files import OPTIONS, HashingFile, sha256_of, sweep_scratch, sync_directory
from training_bridge.exports.filters import Filters
from training_bridge.exports.formats import Views
from training_bridge.exports.split import split_of
from training_bridge.exports.tables import (
    FEEDBACK_SCHEMA,
    PROMPT_SCHEMA,
    RESPONSE_SCHEMA,
    SETTLED_SCHEMA,
    ParquetFile,
    Table,
)
from training_bridge.exports.texts import TextIndex

SUPERSEDED = "SUPERSEDED.json"
# 1 had no agreement, languages, terms of the data and filters by type, labeler and agreement; 2 no `chosen_by` in events.
FORMAT = 3

Progress = Callable[[str, int, int], None]  # stage, rows done, rows in all


class NoSpace(OSError):
    """The disk is full; says what was needed as far as it is known, and what there is."""


class Built:
    """What came of it: the content address, the manifest, and where it lies."""

    def __init__(self, root: Path, sha256: str, manifest: dict[str, Any]):
        self.path, self.sha256, self.manifest = root / sha256, sha256, manifest


def build(
    *,
    campaign_id: int,
    slug: str,
    filters: Filters,
    root: Path,
    progress: Progress | None = None,
    supersedes: str = "",
) -> Built:
    """Build the snapshot of a campaign below `root`. Building the same cut again finds the directory and leaves it alone.

    `supersedes` is the hash of a snapshot that held somebody who was erased since; the manifest names it and the reason.

    Raises NoSpace; whatever goes wrong, nothing half-made stays behind or can be seen.
    """
    tell = progress or (lambda stage, done, total: None)
    root.mkdir(parents=True, exist_ok=True)
    with _scratch(root) as scratch:
        with cut.open_cut(campaign_id, filters) as source:
            manifest = _write(source, slug, scratch, tell, supersedes)
        data = manifest_bytes(manifest)
        sha256 = hashlib.sha256(data).hexdigest()
        with HashingFile(scratch, "manifest.json") as file:
            file.write(data)
        for folder in [p for p in scratch.rglob("*") if p.is_dir()] + [scratch]:
            sync_directory(folder)
        target = root / sha256
        if not (target / "manifest.json").is_file():
            scratch.rename(target)
            sync_directory(root)
    return Built(root, sha256, manifest)


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    return orjson.dumps(manifest, option=OPTIONS | orjson.OPT_INDENT_2) + b"\n"


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A directory for one build, gone afterwards unless it was renamed; what a killed build left is swept after a day."""
    sweep_scratch(root)
    scratch = root / f".tmp-{uuid.uuid4().hex}"
    scratch.mkdir()
    try:
        yield scratch
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            have = (
                sum(p.stat().st_size for p in scratch.rglob("*") if p.is_file())
                + shutil.disk_usage(root).free
            )
            raise NoSpace(
                error.errno, f"no space: need more than {have / 1e6:,.1f} MB, have {have / 1e6:,.1f} MB"
            ) from error
        raise
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)


def _write(source: cut.Cut, slug: str, root: Path, tell: Progress, supersedes: str = "") -> dict[str, Any]:
    files: list[HashingFile] = []
    percent = source.filters.test_percent

    prompts, table = TextIndex(root / "native" / "prompts.jsonl"), Table(root, "prompts", PROMPT_SCHEMA)
    languages: Counter[str] = Counter()
    for prompt_id, messages, language, external_id, sha256, group in source.stream(cut.PROMPTS):
        chat = orjson.loads(messages)
        split = split_of(chat, percent, group)
        languages[language] += 1
        row = {
            "id": prompt_id,
            "messages": chat,
            "language": language,
            "external_id": external_id,
            "split": split,
        }
        prompts.add(prompt_id, table.add({**row, "sha256": sha256}), mark=split == "test")
    files += table.close()

    policies = {pk: sha256 or name for pk, sha256, name in source.all(cut.CHECKPOINTS)}
    responses, table = (
        TextIndex(root / "native" / "responses.jsonl"),
        Table(root, "responses", RESPONSE_SCHEMA),
    )
    for response_id, prompt_id, text, sha256, kind, name, checkpoint, sampling in source.stream(
        cut.RESPONSES
    ):
        # Who wrote a text by hand is a person; only policies and imports are named.
        policy = policies.get(checkpoint) or (name if kind != "person" else None) or None
        row = {
            "id": response_id,
            "prompt": prompt_id,
            "text": text,
            "sha256": sha256,
            "source": kind,
            "policy": policy,
        }
        responses.add(response_id, table.add({**row, "sampling": sampling and orjson.loads(sampling)}))
    files += table.close()

    with HashingFile(root, "native/feedback.jsonl") as jsonl:
        events.copy(source, prompts, jsonl)
    files.append(jsonl)
    is_settled = source.filters.settled
    parquet = ParquetFile(root, "feedback", SETTLED_SCHEMA if is_settled else FEEDBACK_SCHEMA)
    counts = Counts()
    for row in events.read(root / jsonl.name):
        parquet.add({"adjudication": None, **row} if is_settled else row)
        counts.add(row)
        if counts.feedback % 500 == 0:
            tell("events", counts.submissions, source.submissions)
    files.append(parquet.close())
    tell("events", counts.submissions, source.submissions)

    done = 0

    def on_rows(n: int) -> None:
        nonlocal done
        done += n
        if done % 500 < n:
            tell("views", done, counts.feedback)

    slugs = sorted(counts.types)
    views = Views(root, prompts, responses)
    with prompts, responses:
        view_files = views.write(slugs, on_rows)
    tell("views", done, counts.feedback)
    files += view_files.values()

    superseded, gold = source.all(cut.LEFT_OUT)[0]
    guidelines = {n: text for n, text in source.all(cut.GUIDELINES) if n in counts.guidelines}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "campaign": {"id": source.campaign_id, "slug": slug},
        **({"supersedes": supersedes, "reason": "erasure"} if supersedes else {}),
        "filters": source.filters.dump()
        if counts.feedback
        else source.filters.model_copy(update={"submitted_until": None}).dump(),
        "counts": {
            **counts.dump(),
            "items": source.items,
            **({"settled_items": counts.settled} if is_settled else {}),
            "prompts": len(prompts),
            "responses": len(responses),
            "languages": dict(sorted(languages.items())),
        },
        "agreement": agreement.told(source.stream(cut.SAMPLED_UNITS)),
        "left_out": {
            "superseded": superseded,
            "gold": gold,
            **({"overruled": source.all(cut.OVERRULED)[0][0]} if is_settled else {}),
        },
        "protocols": {str(n): orjson.loads(q) for n, q in source.all(cut.PROTOCOLS) if n in counts.protocols},
        "guidelines": {
            str(n): hashlib.sha256(text.encode()).hexdigest() for n, text in sorted(guidelines.items())
        },
        "views": views.manifest(slugs),
        "writer": {"pyarrow": pa.__version__, "numpy": np.__version__},
        "files": {file.name: file.entry() for file in sorted(files, key=lambda file: file.name)},
    }
    with HashingFile(root, "README.md") as readme:
        readme.write(cards.card(manifest, guidelines).encode())
    manifest["files"]["README.md"] = {**readme.entry(), "rows": None}
    return manifest


def note_of(successor: str | None) -> dict[str, Any]:
    """What SUPERSEDED.json says, here and in copies."""
    return {"reason": "erasure", "successor": successor}


def superseded(directory: Path) -> dict[str, Any] | None:
    """{"reason", "successor"} of a snapshot whose files were erased; only its manifest is left, and still has its name."""
    note = directory / SUPERSEDED
    return orjson.loads(note.read_bytes()) if note.is_file() else None


def faults(directory: Path) -> Iterator[tuple[str, str]]:
    """(file, what is wrong with it) for each file that is not as the manifest says; none when the snapshot is whole.

    The manifest itself is checked against the directory's name, so every byte is covered by a name that was published; save
    the citation that a download brings, which names the hash and so cannot be covered by it.
    """
    path = directory / "manifest.json"
    if not path.is_file():
        yield "manifest.json", "missing"
        return
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != directory.name:
        yield "manifest.json", "its SHA-256 is not the name of the directory"
        return
    files = {} if superseded(directory) else orjson.loads(data)["files"]
    for name, about in files.items():
        file = directory / name
        if not file.is_file():
            yield name, "missing"
        elif file.stat().st_size != about["bytes"]:
            yield name, f"{file.stat().st_size:,} bytes instead of {about['bytes']:,}"
        elif sha256_of(file) != about["sha256"]:
            yield name, "its SHA-256 is another one"
    for file in sorted(p for p in directory.rglob("*") if p.is_file()):
        name = file.relative_to(directory).as_posix()
        if name not in files and name not in ("manifest.json", SUPERSEDED, *citation.FILES):
            yield name, "not in the manifest"
