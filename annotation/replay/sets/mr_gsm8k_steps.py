"""MR-GSM8K: people find the first wrong step of solutions to grade-school mathematics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from annotation.replay.sets.steps import first_error, joined


def _solution(row: Mapping[str, Any]) -> Case:
    """The steps become lines; those before the first error are right, those after it have no label."""
    text, _ends = joined(row["steps"])
    said = Said(UNKNOWN, {"steps": first_error(row["steps"], row["first_error_step"])})
    return Case(row["id"], row["prompt"], [{"content": text, "source": "MR-GSM8K"}], [said])


SETS = [
    RealSet(
        "mr_gsm8k_steps",
        "MR-GSM8K: the first wrong step",
        [question("steps", "inter_temporal", "Which step is the first wrong one?", neutral=False)],
        ["mr_gsm8k/step_critiques.jsonl"],
        _solution,
    ),
]
