"""Fine-grained QA feedback once more: the marked errors as the words that hurt an answer, without their kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from feedback_types.base import Question, Screen
from feedback_types.segments import segment_ends


def hurt(errors: Sequence[Mapping[str, Any]]) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """Marks that overlap or touch become one, whatever their kinds; the set does not say how much each mattered."""
    runs: list[list[int]] = []
    for error in sorted(errors, key=lambda e: (e["start"], e["end"])):
        if runs and error["start"] <= runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], error["end"])
        else:
            runs.append([error["start"], error["end"]])

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        marks = [
            {"where": "response", "turn": None, "start": start, "end": end, "sign": -1, "weight": 1}
            for start, end in runs
        ]
        said = {
            "explains": None,
            "mode": "marks",
            "segments": segment_ends(response.text),
            "prompt_segments": [],
            "marks": marks,
        }
        return [(response.id, said)]

    return payload


def _importance(row: Mapping[str, Any]) -> Case:
    said = Said(UNKNOWN, {"why": hurt(row["errors"])})
    return Case(row["id"], row["prompt"], [row["response"]], [said])


SETS = [
    RealSet(
        "finegrained_qa_importance",
        "Fine-grained QA feedback: what hurt an answer",
        [question("why", "importance", "What hurts it?", weights=False)],
        ["finegrained_qa/critiques.jsonl.gz"],
        _importance,
    ),
]
