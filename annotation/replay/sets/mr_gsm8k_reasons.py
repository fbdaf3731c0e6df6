"""MR-GSM8K: in which step of a wrong solution the first error lies, and why, in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from annotation.replay.sets.comments import comment


def _reason(row: Mapping[str, Any]) -> Case:
    """The solution is its steps, a line each; the comment is about the first wrong one, and the verdict on it is bad."""
    steps, number = row["steps"], row["first_error_step"]
    start = sum(len(step) + 1 for step in steps[:number])
    said = comment(
        row["error_reason"],
        verdict=-1,
        language=row["reason_language"],
        span=(start, start + len(steps[number])),
    )
    response = {"content": "\n".join(steps), "source": f"solution ({row['variant']})"}
    return Case(row["id"], row["prompt"], [response], [Said(UNKNOWN, {"why": said})])


SETS = [
    RealSet(
        "mr_gsm8k_reasons",
        "MR-GSM8K: the reason of the first error",
        [question("why", "natural_language", "Where is the first error, and why?", about="span", aspects=[])],
        ["mr_gsm8k/step_critiques.jsonl"],
        _reason,
    ),
]
