"""OpenAssistant: how often volunteers put a thumb up or down under an answer. Who they were is not known.

    {"context": [{"role": "user", "content": "How do I…"}], "message": {"role": "assistant", "content": "…"},
     "reactions": {"+1": 3, "-1": 1, "_skip_reply": 1}}

Each thumb is one exposure with one reaction, under a page that measured nothing. How often an answer was read without a
thumb is not published, so no exposure without a reaction is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from annotation.replay.sets.base import Case, FormData, RealSet, Said, question
from feedback_types.base import Question, Screen

THUMBS = {"+1": "up", "-1": "down"}
OTHER = {
    "red_flag": "a report is not a reaction to the answer",
    "_skip_reply": "skipping a task says nothing about the answer",
    "_skip_ranking": "skipping a task says nothing about the answer",
    "_skip_labeling": "skipping a task says nothing about the answer",
}


def _reaction(name: str) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        return [(response.id, FormData({"recorder": "plain", "reaction": name}))]

    return payload


def _reacted(row: Mapping[str, Any]) -> Case:
    """The voter's number is a place in the count of one message, not the same person elsewhere."""
    message, context = row["message"], list(row["context"])
    said: list[Said] = []
    refused: list[str] = []
    is_answer = message["role"] == "assistant" and bool(context) and context[-1]["role"] == "user"
    for sign, count in row["reactions"].items():
        if sign in THUMBS and is_answer:
            said += [Said(f"voter{len(said) + n}", {"seen": _reaction(THUMBS[sign])}) for n in range(count)]
        elif sign in THUMBS:
            refused += ["a reaction to a question of a person, not to an answer"] * count
        else:
            refused += [OTHER.get(sign, f"{sign} is no reaction that is known here")] * count
    prompt = context if is_answer else [*context, {"role": "user", "content": message["content"]}]
    responses = [message["content"] if is_answer else ""]
    return Case(row["id"], prompt, [{"content": text} for text in responses if text], said, refused)


SETS = [
    RealSet(
        "oasst_reactions",
        "OpenAssistant reactions",
        [question("seen", "social_behavior", "Reactions", reactions=["up", "down"], signals=[])],
        ["oasst_sample/reactions.jsonl"],
        _reacted,
    ),
]
