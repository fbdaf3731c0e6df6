"""Tülu 1: several named people say which answer is better, and whether each is acceptable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotation.replay.sets.base import STRENGTH, Case, RealSet, Said, pair, question
from feedback_types.base import Question, Screen


def _verdicts(
    texts: Sequence[str], acceptable: Sequence[bool]
) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    by_text = dict(zip(texts, acceptable, strict=True))

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        return [
            (
                r.id,
                {
                    "verdict": 1 if by_text[r.text] else -1,
                    "grades": question.settings.grades,
                    "ratings": {},
                    "tags": [],
                    "spans": [],
                },
            )
            for r in screen.responses
        ]

    return payload


def _tulu(row: Mapping[str, Any]) -> Case:
    """One vote for each labeler: which is better and by how much, and whether each is acceptable.

    A second vote of the same person is refused.
    """
    texts = [r["content"] for r in row["responses"]]
    said: dict[str, Said] = {}
    refused = []
    for vote in row["votes"]:
        if vote["labeler"] in said:
            refused.append("the same person answered the same pair twice; the first answer was taken")
            continue
        said[vote["labeler"]] = Said(
            vote["labeler"],
            {
                "better": pair(texts, vote["chosen"], STRENGTH[vote["strength"]]),
                "acceptable": _verdicts(texts, vote["acceptable"]),
            },
        )
    return Case(row["id"], row["prompt"], row["responses"], list(said.values()), refused)


SETS = [
    RealSet(
        "tulu1_human_eval",
        "Tülu 1 human evaluation",
        [
            question("better", "comparison", "Which answer is better?", strengths=2, both_bad=False),
            question("acceptable", "critique", "Is it acceptable?", criteria=[], verdict="two"),
        ],
        ["tulu1_human_eval/comparisons.jsonl.gz"],
        _tulu,
    ),
]
