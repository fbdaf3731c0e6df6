"""CoS-E: why an answer to a question of common sense is right, in words, and which words of the question say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, RealSet, Said, question
from annotation.replay.sets.comments import comment
from feedback_types.base import Question, Screen
from feedback_types.segments import segment_ends


def highlighted(start: int, end: int) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """Words of the first message of the prompt; whether they speak for or against was not asked."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        mark = {"where": "prompt", "turn": 0, "start": start, "end": end, "sign": 0, "weight": 1}
        return [
            (
                response.id,
                {
                    "explains": question.settings.explains,
                    "mode": "marks",
                    "segments": segment_ends(response.text),
                    "prompt_segments": [segment_ends(message.content) for message in screen.prompt],
                    "marks": [mark],
                },
            )
        ]

    return payload


def _cose(row: Mapping[str, Any]) -> Case:
    """The prompt begins with the question, so its offsets stay as they are; the choices stand under it."""
    content = "\n".join([row["question"], *(f"- {choice}" for choice in row["choices"])])
    said = {
        "why": comment(row["explanation"]),
        "where": highlighted(row["highlight"]["start"], row["highlight"]["end"]),
    }
    response = {"content": row["answer"], "source": "CommonsenseQA"}
    return Case(row["id"], [{"role": "user", "content": content}], [response], [Said(UNKNOWN, said)])


SETS = [
    RealSet(
        "cos_e",
        "CoS-E: why an answer is right",
        [
            question(
                "why", "natural_language", "Why is it right?", verdict="off", aspects=[], languages=["en"]
            ),
            question(
                "where",
                "importance",
                "Which words of the question say so?",
                where="prompt",
                signed=False,
                weights=False,
                explains="why",
            ),
        ],
        ["cos_e/rationales.jsonl.gz"],
        _cose,
    ),
]
