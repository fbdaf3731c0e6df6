"""ILF for code: comments on programs that fail their tests, and the program as the same person corrected it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, edited, question
from annotation.replay.sets.comments import comment


def _comment(row: Mapping[str, Any]) -> Case:
    """The comment and the correction. A verdict was not asked: only programs that failed were shown."""
    said: dict[str, Any] = {"why": comment(row["feedback"])}
    refused = []
    if not row["refinement_passes_tests"]:
        refused.append("the correction fails the tests; the comment was taken")
    elif row["refined_response"] == row["response"]["content"]:
        refused.append("the correction is the program itself; the comment was taken")
    else:
        said["edit"] = edited(row["refined_response"], is_better=True)
    return Case(row["id"], row["prompt"], [row["response"]], [Said(UNKNOWN, said)], refused)


SETS = [
    RealSet(
        "ilf_code_comments",
        "ILF: comments on code, and the code corrected",
        [
            question(
                "why", "natural_language", "What is wrong?", verdict="off", aspects=[], languages=["en"]
            ),
            question("edit", "improvement", "Correct it.", required=False),
        ],
        ["ilf_code/feedback.jsonl"],
        _comment,
    ),
]
