"""What is in the events of a snapshot, counted as they pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


class Counts:
    """What is in the events, counted as they pass."""

    def __init__(self) -> None:
        self.feedback = self.submissions = self.late = self.settled = 0
        self.types: dict[str, dict[str, Any]] = {}
        self.questions: Counter[str] = Counter()
        self.labeler_kinds: Counter[str] = Counter()
        self.rounds: Counter[int] = Counter()
        self.labelers: set[str] = set()
        self.protocols: set[int] = set()
        self.guidelines: set[int] = set()
        self._submission = ""

    def add(self, row: Mapping[str, Any]) -> None:
        self.feedback += 1
        kind = self.types.setdefault(row["type"], {"rows": 0, "train": 0, "test": 0, "versions": set()})
        kind["rows"] += 1
        kind[row["split"]] += 1
        kind["versions"].add(row["version"])
        self.questions[row["question"]] += 1
        self.labeler_kinds[row["labeler_kind"]] += 1
        self.rounds[row["round"]] += 1
        self.labelers.add(row["labeler"])
        self.protocols.add(row["protocol_version"])
        self.guidelines.add(row["guidelines_version"])
        if row["submission"] != self._submission:
            self._submission = row["submission"]
            self.submissions += 1
            self.late += row["status"] == "late"
            self.settled += "adjudication" in row

    def dump(self) -> dict[str, Any]:
        return {
            "feedback": self.feedback,
            "submissions": self.submissions,
            "late_submissions": self.late,
            "labelers": len(self.labelers),
            "types": {
                slug: {**row, "versions": sorted(row["versions"])} for slug, row in sorted(self.types.items())
            },
            "questions": dict(sorted(self.questions.items())),
            "labeler_kinds": dict(sorted(self.labeler_kinds.items())),
            "rounds": {str(n): k for n, k in sorted(self.rounds.items())},
        }
