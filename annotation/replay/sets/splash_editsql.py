"""SPLASH: people say what is wrong with the SQL that a parser made from a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from annotation.replay.sets.comments import comment

GOLD = "the corrected SQL is the data set's own, nobody wrote it or judged it; the comment was taken"


def _splash(row: Mapping[str, Any]) -> Case:
    """The comment. A verdict was not asked: all of these queries are wrong, and people were told so."""
    return Case(
        row["id"],
        row["prompt"],
        [row["response"]],
        [Said(UNKNOWN, {"why": comment(row["feedback"])})],
        [GOLD],
    )


SETS = [
    RealSet(
        "splash_editsql",
        "SPLASH: comments on SQL",
        [
            question(
                "why",
                "natural_language",
                "How should it be changed?",
                verdict="off",
                aspects=[],
                languages=["en"],
            )
        ],
        ["splash_editsql/feedback.jsonl"],
        _splash,
    ),
]
