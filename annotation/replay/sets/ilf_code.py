"""ILF: Python functions that a person corrected, starting from what a model had written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question, written


def _correction(row: Mapping[str, Any]) -> Case:
    said = Said(UNKNOWN, {"write": written(row["refined_response"])})
    return Case(row["id"], row["prompt"], [row["response"]], [said])


SETS = [
    RealSet(
        "ilf_code",
        "ILF: corrected code",
        # The person saw what the model had written.
        [question("write", "demonstration", "Write the function.", start="draft", hide_responses=False)],
        ["ilf_code/feedback.jsonl"],
        _correction,
    ),
]
