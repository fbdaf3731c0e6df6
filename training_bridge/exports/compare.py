"""What changed between two snapshots, from their files alone.

    compare(Path("snapshots/3f9a…"), Path("snapshots/77b0…"))["types"]
    {"comparison": {"before": 120, "after": 131, "added": 12, "removed": 1, "changed": 3}}

Both event files are in one order (by submission, then event), so they are read side by side like two sorted lists: memory
holds nine bytes for each event that differs, whatever the size of the snapshots.

An event is *changed* when the same event says something else (another split, say), or when the labeler answered the same
question about the same item and target again: a correction takes the place of what it corrects.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import pyarrow.parquet as pq

SHOWN = 200
BLOCK = 1 << 20
SUBMISSION = b',"submission":"'


class Difference(NamedTuple):
    """One event that is not the same in both: in one of them only, or with other values in each."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def row(self) -> dict[str, Any]:
        return self.after or self.before or {}

    @property
    def key(self) -> int:
        """Of the answer, whichever revision: who said it, and about what."""
        row = self.row
        what = (row["item"], row["labeler"], row["question"], row["target"])
        return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "big")


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Everything that differs, as JSON. `rows` are the first 200 events that do; `differences` gives all of them."""
    manifests = [orjson.loads((path / "manifest.json").read_bytes()) for path in (before, after)]
    revised, counts = _revised(before, after)
    differing = (
        differences(before, after) if counts else iter(())
    )  # read on only where something is to be found
    shown = [describe(difference, revised) for difference, _ in zip(differing, range(SHOWN), strict=False)]
    return {
        **_of_manifests(*manifests),
        "types": _types(manifests, counts),
        "labelers": _labelers(before, after),
        **{name: _ids(before, after, name) for name in ("prompts", "responses")},
        "rows": shown,
        "rows_left_out": sum(counts.values()) - len(shown) if len(shown) == SHOWN else 0,
    }


def describe(difference: Difference, revised: frozenset[int]) -> dict[str, Any]:
    """One differing event: what became of it, where it is, and the values that differ."""
    row = difference.row
    if difference.before and difference.after:
        what = "changed"
    elif difference.key in revised:
        what = "corrected" if difference.after else "corrected_away"
    else:
        what = "added" if difference.after else "removed"
    changed = {}
    if difference.before and difference.after:
        names = sorted({*difference.before, *difference.after})
        pairs = {name: [difference.before.get(name), difference.after.get(name)] for name in names}
        changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    kept = ("id", "submission", "item", "question", "type", "target", "labeler", "submitted_at", "split")
    return {"what": what, **{name: row[name] for name in kept}, "changed": changed}


def all_rows(before: Path, after: Path) -> Iterator[dict[str, Any]]:
    """Every differing event, described, in the order of the files."""
    revised, _counts = _revised(before, after)
    for difference in differences(before, after):
        yield describe(difference, revised)


def differences(before: Path, after: Path) -> Iterator[Difference]:
    """Every event that is not the same in both, in the order of the files."""
    start = _same(before, after)
    left, right = _submissions(before, start), _submissions(after, start)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[0] < b[0]):
            yield from (Difference(orjson.loads(line), None) for line in a[1])  # type: ignore[index]
            a = next(left, None)
        elif a is None or b[0] < a[0]:
            yield from (Difference(None, orjson.loads(line)) for line in b[1])
            b = next(right, None)
        else:
            if a[1] != b[1]:
                yield from _within(a[1], b[1])
            a, b = next(left, None), next(right, None)


def _same(before: Path, after: Path) -> int:
    """Where to begin: both files are the same up to there, and a submission begins there. Later answers come behind earlier
    ones, so between two snapshots of a campaign that goes on this is most of the file, compared a megabyte at a time."""
    with _events(before) as old, _events(after) as new:
        same = 0
        while (block := old.read(BLOCK)) and block == new.read(BLOCK):
            same += len(block)
        place = max(0, same - BLOCK)
        old.seek(place)
        if place:
            old.readline()
        first = b""
        while old.tell() < same:
            place = old.tell()
            submission = _submission_of(old.readline())
            if first and submission != first and old.tell() <= same:
                return place
            first = first or submission
    return 0


def _events(path: Path) -> BinaryIO:
    return open(path / "native" / "feedback.jsonl", "rb", buffering=BLOCK)


def _submission_of(line: bytes) -> bytes:
    at = line.rfind(SUBMISSION) + len(
        SUBMISSION
    )  # after it only numbers and names follow, so the last is the key
    return line[at : at + 36]


def _submissions(path: Path, start: int = 0) -> Iterator[tuple[bytes, list[bytes]]]:
    """(id, lines) of each submission, without reading what is in the lines."""
    with _events(path) as file:
        file.seek(start)
        current = b""
        lines: list[bytes] = []
        for line in file:
            submission = _submission_of(line)
            if submission != current and lines:
                yield current, lines
                lines = []
            current = submission
            lines.append(line)
        if lines:
            yield current, lines


def _within(before: list[bytes], after: list[bytes]) -> Iterator[Difference]:
    """Of one submission that is in both: other values, or an answer that only one of the two holds (filters)."""
    old, new = ({row["id"]: row for row in map(orjson.loads, lines)} for lines in (before, after))
    for event in sorted({*old, *new}):
        if old.get(event) != new.get(event):
            yield Difference(old.get(event), new.get(event))


def _revised(before: Path, after: Path) -> tuple[frozenset[int], Counter[tuple[str, str]]]:
    """Keys of answers that were corrected; and how many events were added, removed and changed, by type."""
    gone, come = array("Q"), array("Q")
    counts: Counter[tuple[str, str]] = Counter()
    numbers: dict[str, int] = {}
    of_gone, of_come = array("H"), array("H")
    for difference in differences(before, after):
        slug = difference.row["type"]
        number = numbers.setdefault(slug, len(numbers))
        if difference.before and difference.after:
            counts[slug, "changed"] += 1
        elif difference.after:
            come.append(difference.key)
            of_come.append(number)
        else:
            gone.append(difference.key)
            of_gone.append(number)
    both = np.intersect1d(np.asarray(gone, dtype=np.uint64), np.asarray(come, dtype=np.uint64))
    slugs = list(numbers)
    for name, kinds, keys in (("removed", of_gone, gone), ("added", of_come, come)):
        is_revised = np.isin(np.asarray(keys, dtype=np.uint64), both)
        for number, revised in zip(kinds, is_revised, strict=True):
            if not revised:
                counts[slugs[number], name] += 1
            elif name == "added":
                counts[slugs[number], "changed"] += 1
    return frozenset(both.tolist()), counts


def _types(
    manifests: list[dict[str, Any]], counts: Mapping[tuple[str, str], int]
) -> dict[str, dict[str, int]]:
    slugs = sorted({slug for m in manifests for slug in m["counts"]["types"]})
    before, after = (m["counts"]["types"] for m in manifests)
    return {
        slug: {
            "before": before.get(slug, {}).get("rows", 0),
            "after": after.get(slug, {}).get("rows", 0),
            **{what: counts.get((slug, what), 0) for what in ("added", "removed", "changed")},
        }
        for slug in slugs
    }


def _of_manifests(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Filters, protocols (with their settings), guidelines, counts and agreement."""
    filters = sorted({*before["filters"], *after["filters"]})
    return {
        "campaigns": [before["campaign"]["slug"], after["campaign"]["slug"]],
        "filters": {
            name: [before["filters"].get(name), after["filters"].get(name)]
            for name in filters
            if before["filters"].get(name) != after["filters"].get(name)
        },
        "guidelines": _versions(before["guidelines"], after["guidelines"]),
        "protocols": _versions(before["protocols"], after["protocols"]),
        "settings": _settings(before["protocols"], after["protocols"]),
        "counts": {
            name: [before["counts"][name], after["counts"][name]]
            for name in (
                "feedback",
                "submissions",
                "late_submissions",
                "labelers",
                "items",
                "prompts",
                "responses",
            )
        },
        "labeler_kinds": {
            kind: [m["counts"]["labeler_kinds"].get(kind, 0) for m in (before, after)]
            for kind in sorted({*before["counts"]["labeler_kinds"], *after["counts"]["labeler_kinds"]})
        },
        "agreement": {
            question: [before.get("agreement", {}).get(question), after.get("agreement", {}).get(question)]
            for question in sorted({*before.get("agreement", {}), *after.get("agreement", {})})
        },
    }


def _versions(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[int]]:
    """Which version numbers are in one of them only, in both, or mean another text in each (of another campaign)."""
    both = before.keys() & after.keys()
    return {
        "removed": sorted(int(n) for n in before.keys() - after.keys()),
        "added": sorted(int(n) for n in after.keys() - before.keys()),
        "kept": sorted(int(n) for n in both if before[n] == after[n]),
        "other": sorted(int(n) for n in both if before[n] != after[n]),
    }


def _settings(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Question -> setting -> [before, after], between the latest protocols of the two."""
    old, new = (_questions(protocols) for protocols in (before, after))
    found: dict[str, dict[str, list[Any]]] = {}
    for key in sorted({*old, *new}):
        names = sorted({*old.get(key, {}), *new.get(key, {})})
        changed = {name: [old.get(key, {}).get(name), new.get(key, {}).get(name)] for name in names}
        changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
        if changed:
            found[key] = changed
    return found


def _questions(protocols: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if not protocols:
        return {}
    latest = protocols[max(protocols, key=int)]
    return {
        q["key"]: {**{f"settings.{k}": v for k, v in q.get("settings", {}).items()}, "type": q["type"],
                   "title": q.get("title", ""), "required": q.get("required", True)}
        for q in latest
    }  # fmt: skip


def _labelers(before: Path, after: Path) -> dict[str, list[int]]:
    """Pseudonym -> [answers before, answers after]."""
    counts = []
    for path in (before, after):
        column = pq.read_table(path / "native" / "feedback.parquet", columns=["labeler"])["labeler"]
        counts.append({row["values"]: row["counts"] for row in column.value_counts().to_pylist()})
    return {name: [c.get(name, 0) for c in counts] for name in sorted({*counts[0], *counts[1]})}


def _ids(before: Path, after: Path, name: str) -> dict[str, Any]:
    """How many texts are in one of them only, with the first of them."""
    old, new = (
        pq.read_table(path / "native" / f"{name}.parquet", columns=["id"])["id"].to_numpy()
        for path in (before, after)
    )
    added, removed = np.setdiff1d(new, old), np.setdiff1d(old, new)
    return {
        "added": len(added),
        "removed": len(removed),
        "first_added": added[:20].tolist(),
        "first_removed": removed[:20].tolist(),
    }
