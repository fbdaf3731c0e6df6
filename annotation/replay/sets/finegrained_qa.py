"""Fine-grained QA feedback: marked errors, corrected answers, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.replay.sets.base import (
    UNKNOWN,
    Case,
    RealSet,
    Said,
    comparison_only,
    critique,
    edited,
    question,
)


def merged(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Marks of one category that overlap become one; the set does not grade severity, so all are 1."""
    marks: list[dict[str, Any]] = []
    for error in sorted(errors, key=lambda e: (e["type"], e["start"], e["end"])):
        last = marks[-1] if marks else None
        if last and last["category"] == error["type"] and error["start"] < last["end"]:
            last["end"] = max(last["end"], error["end"])
        else:
            marks.append(
                {"start": error["start"], "end": error["end"], "category": error["type"], "severity": 1}
            )
    return sorted(marks, key=lambda m: (m["start"], m["end"], m["category"]))


def _finegrained(row: Mapping[str, Any]) -> Case:
    """Marked errors of an answer, and the corrected answer where one was written; the person is not named."""
    said: dict[str, Any] = {"errors": critique(spans=merged(row["errors"]))}
    refused = []
    correction = row["corrected_response"]
    if correction is None:
        refused.append("no corrected answer was written; the marks were taken")
    elif correction == row["response"]["content"]:
        refused.append("the corrected answer is the answer itself; the marks were taken")
    else:
        said["edit"] = edited(correction, is_better=True)
    return Case(row["id"], row["prompt"], [row["response"]], [Said(UNKNOWN, said)], refused)


SETS = [
    RealSet(
        "finegrained_qa",
        "Fine-grained QA feedback: marked errors",
        [
            question(
                "errors",
                "critique",
                "Mark what is wrong.",
                criteria=[],
                categories=["Irrelevant", "Wrong-Grounding", "Unverifiable", "Redundant", "Incoherent"],
            ),
            question("edit", "improvement", "Correct it.", required=False),
        ],
        ["finegrained_qa/critiques.jsonl.gz"],
        _finegrained,
    ),
    RealSet(
        "finegrained_qa_comparisons",
        "Fine-grained QA feedback: comparisons",
        [question("better", "comparison", "Which answer is better?", strengths=1, both_bad=False)],
        ["finegrained_qa/comparisons.jsonl.gz"],
        comparison_only,
    ),
]
