"""LAMP: professional writers rate a paragraph, edit it, and rate the edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import Case, RealSet, Said, critique, edited, question


def _lamp(row: Mapping[str, Any]) -> Case:
    """A professional writer rates a paragraph 1 to 10, edits it, and rates the edit; better is what they rated higher."""
    said = {
        "grade": critique(ratings={"overall": row["score_before"]}),
        "edit": edited(row["edited_response"], is_better=row["score_after"] > row["score_before"]),
    }
    return Case(row["id"], row["prompt"], [row["response"]], [Said(row["editor"], said)])


SETS = [
    RealSet(
        "lamp_writing",
        "LAMP: edits by professional writers",
        [
            question("grade", "critique", "How good is it?", grades=10),
            question("edit", "improvement", "Make it better."),
        ],
        ["lamp_writing/edits.jsonl.gz"],
        _lamp,
    ),
]
