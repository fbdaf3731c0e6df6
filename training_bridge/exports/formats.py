"""Views of a snapshot in TRL's columns, made from its own events: what training libraries read, and what each view loses.

    preference          {"prompt": [{"role", "content"}], "chosen": [...], "rejected": [...], "margin": 1.0}
    unpaired            {"prompt": [...], "completion": [...], "label": true}
    prompt_completion   {"prompt": [...], "completion": [...]}
    stepwise            {"prompt": [...], "completions": ["First, ...", ...], "labels": [true, ...]}
    prompt_only         {"prompt": [...]}
    feature             {"prompt": [...], "chosen": [...], "rejected": [...], "feature": "formal"}   more of it, less of it
    triplet             {"anchor": "...", "positive": "...", "negative": "..."}

Every row also says where it comes from (event, submission, question, type, labeler, labeler_kind, round), and what else its
type had to say stands in `extra`, as JSON text, so that all rows of a view have the same columns. Which answers give which
rows is the type's own business: `FeedbackType.records`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
from django.utils import translation

from feedback_types import registry
from feedback_types.base import VIEWS, Event, FeedbackType
from training_bridge.exports.files import OPTIONS, HashingFile
from training_bridge.exports.reader import event_of
from training_bridge.exports.texts import TextIndex

SPLITS = ("train", "test")


def view_row(view: str, record: Mapping[str, Any], first: Event) -> dict[str, Any]:
    """One row with exactly the columns of its view. Raises KeyError when the type left one out."""
    columns = VIEWS[view]
    row = {name: record[name] for name in columns if name != "margin"}
    if "margin" in columns:
        row["margin"] = float(
            record.get("margin") or 0.0
        )  # a missing margin would stop TRL's collator; 0 asks for nothing
    row["event"] = int(first.id)
    row["submission"], row["question"], row["type"], row["labeler"] = (
        first.submission,
        first.question,
        first.type,
        first.labeler,
    )
    row["labeler_kind"], row["round"] = first.extra["labeler_kind"], first.extra["round"]
    extra = {name: value for name, value in record.items() if name not in columns}
    if "adjudication" in first.extra:
        extra["adjudication"] = first.extra["adjudication"]
    row["extra"] = orjson.dumps(extra, option=OPTIONS).decode()
    return row


class Views:
    """Writes every view of one snapshot from its `native/` files, and counts what went in and what was lost."""

    def __init__(self, root: Path, prompts: TextIndex, responses: TextIndex):
        self.root, self.prompts, self.responses = root, prompts, responses
        self.rows: dict[tuple[str, str], int] = Counter()  # (view, split)
        self.rows_by_type: dict[str, Counter[str]] = defaultdict(Counter)
        self.people: dict[str, int] = {}  # labelers by type
        self.groups: Counter[str] = Counter()  # answers (one question, one screen) by type
        self.groups_without: dict[str, Counter[str]] = defaultdict(
            Counter
        )  # view -> type -> answers that gave no row

    def write(self, slugs: list[str], on_rows: Callable[[int], None]) -> dict[str, HashingFile]:
        """Two streamed passes over the events: `statistics` of each type, then `records`. Returns the files by name.

        Observed answers take two more: they are calibrated on what was said outright, so that comes first.
        """
        known = {slug: registry.get(slug) for slug in slugs if slug in registry.folders()}
        outright = {slug: kind for slug, kind in known.items() if kind.views and not kind.needs_consent}
        statistics = {slug: kind.statistics(self._events(slug)) for slug, kind in outright.items()}
        observed = {slug: kind for slug, kind in known.items() if kind.views and kind.needs_consent}
        if observed:
            explicit = self._explicit(outright, statistics)
            for slug, kind in observed.items():
                statistics[slug] = kind.statistics(self._judged(slug, explicit))
        files: dict[str, HashingFile] = {}
        with translation.override("en"):
            for group in self._groups(on_rows):
                self._write_group(known, statistics, group, files)
        for file in files.values():
            file.close()
        return files

    def _write_group(
        self,
        known: Mapping[str, FeedbackType],
        statistics: Mapping[str, Any],
        group: list[dict[str, Any]],
        files: dict[str, HashingFile],
    ) -> None:
        slug = group[0]["type"]
        kind = known.get(slug)
        if kind is None or not kind.views:
            return
        self.groups[slug] += 1
        if self._people(slug) < kind.fewest_people:
            for view in kind.views:
                self.groups_without[view][slug] += 1
            return
        events = [event_of(row, self.prompts, self.responses) for row in group]  # type: ignore[arg-type]
        given = set()
        for view, record in kind.records(events, statistics[slug]):
            name = f"{view}/{group[0]['split']}.jsonl"
            if name not in files:
                files[name] = HashingFile(self.root, name)
            files[name].write_row(view_row(view, record, events[0]))
            self.rows[view, group[0]["split"]] += 1
            self.rows_by_type[view][slug] += 1
            given.add(view)
        for view in kind.views:
            if view not in given:
                self.groups_without[view][slug] += 1

    def _rows(self) -> Iterator[dict[str, Any]]:
        with open(self.root / "native" / "feedback.jsonl", "rb", buffering=1 << 20) as file:
            for line in file:
                yield orjson.loads(line)

    def _events(self, slug: str) -> Iterator[Event]:
        for row in self._rows():
            if row["type"] == slug and row["status"] == "counted":
                yield event_of(row, self.prompts, self.responses)  # type: ignore[arg-type]

    def _people(self, slug: str) -> int:
        """How many labelers gave counted answers of this type."""
        if slug not in self.people:
            rows = (row for row in self._rows() if row["type"] == slug and row["status"] == "counted")
            self.people[slug] = len({row["labeler"] for row in rows})
        return self.people[slug]

    def _explicit(
        self, outright: Mapping[str, FeedbackType], statistics: Mapping[str, Any]
    ) -> dict[int, tuple[int, int]]:
        """How often what people said outright called a response good and bad: by their unpaired and preference rows."""
        found: dict[int, tuple[int, int]] = {}
        for group in self._groups(lambda n: None):
            slug = group[0]["type"]
            kind = outright.get(slug)
            if kind is None or kind.attributes.explicitness == "Implicit":
                continue
            events = [event_of(row, self.prompts, self.responses) for row in group]  # type: ignore[arg-type]
            ids = {response.text: response.id for response in events[0].screen.responses}
            said: list[tuple[str, bool]] = []
            for view, record in kind.records(events, statistics[slug]):
                if view == "unpaired":
                    said.append((record["completion"][-1]["content"], record["label"]))
                elif view == "preference":
                    said += [
                        (record["chosen"][-1]["content"], True),
                        (record["rejected"][-1]["content"], False),
                    ]
            for text, is_good in said:
                if text in ids:  # an edited text was on nobody's screen
                    good, bad = found.get(ids[text], (0, 0))
                    found[ids[text]] = (good + is_good, bad + (not is_good))
        return found

    def _judged(self, slug: str, explicit: Mapping[int, tuple[int, int]]) -> Iterator[Event]:
        """Events of a type, with what was said outright about their responses."""
        for event in self._events(slug):
            if event.target is not None and event.target in explicit:
                event = replace(event, extra={**event.extra, "explicit": explicit[event.target]})
            yield event

    def _groups(self, on_rows: Callable[[int], None]) -> Iterator[list[dict[str, Any]]]:
        """The counted events of one question on one screen, together."""
        for _, rows in groupby(self._rows(), key=lambda row: row["submission"]):
            by_question: dict[str, list[dict[str, Any]]] = {}
            n = 0
            for row in rows:
                n += 1
                if row["status"] == "counted":
                    by_question.setdefault(row["question"], []).append(row)
            on_rows(n)
            yield from by_question.values()

    def manifest(self, slugs: list[str]) -> dict[str, Any]:
        """What each view holds, from which types, what it loses and how many answers gave it nothing."""
        known = [registry.get(slug) for slug in slugs if slug in registry.folders()]
        views: dict[str, Any] = {}
        with translation.override("en"):
            for view in VIEWS:
                kinds = [kind for kind in known if view in kind.views]
                if not kinds:
                    continue
                views[view] = {
                    "rows": {split: self.rows[view, split] for split in SPLITS},
                    "types": {
                        kind.slug: {
                            "rows": self.rows_by_type[view][kind.slug],
                            "answers": self.groups[kind.slug],
                            "answers_without_row": self.groups_without[view][kind.slug],
                            "loses": str(kind.views[view]),
                        }
                        for kind in kinds
                    },
                }
        return views
