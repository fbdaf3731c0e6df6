"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "Who wrote Faust?"),)
TEXT = "Faust 🎭 is by Goethe. He wrote it in 1990."  # "1990" is at 37-41 in code points, one later in UTF-16
SCREEN = Screen(PROMPT, (ShownResponse(5, TEXT), ShownResponse(2, "歌德。我想是的。")))

GRADE: dict[str, Any] = {"verdict": None, "grades": 7, "ratings": {"overall": 6}, "tags": [], "spans": []}
_FULL: dict[str, Any] = {
    "verdict": -1,
    "grades": 3,
    "ratings": {"overall": 2, "Factual accuracy": 1},
    "tags": ["verbose"],
    "spans": [
        {"start": 37, "end": 41, "category": "factual", "severity": 3},
        {"start": 0, "end": 22, "category": "style", "severity": 1},
    ],
}
FULL_SETTINGS = {
    "criteria": ["overall", "Factual accuracy"],
    "grades": 3,
    "verdict": "three",
    "tags": ["verbose", "rude"],
    "categories": ["factual", "style"],
}
MARKS_ONLY = {"criteria": [], "categories": ["factual"]}
_MARKS: dict[str, Any] = {
    "verdict": None,
    "grades": 7,
    "ratings": {},
    "tags": [],
    "spans": [{"start": 0, "end": 3, "category": "factual", "severity": 2}],
}
_VERDICT = {**GRADE, "ratings": {}, "verdict": 1}


def _spans(*marks: tuple[int, int, str]) -> dict[str, Any]:
    return {**_FULL, "spans": [{"start": s, "end": e, "category": c, "severity": 1} for s, e, c in marks]}


VALID = [
    Example(SCREEN, GRADE, target=5, pressed=["6"]),
    Example(SCREEN, {**GRADE, "ratings": {"overall": 1}}, target=2),
    Example(SCREEN, {**GRADE, "grades": 10, "ratings": {"overall": 10}}, {"grades": 10}, target=5),
    Example(SCREEN, _FULL, FULL_SETTINGS, target=5),
    Example(SCREEN, {**_FULL, "tags": [], "spans": []}, FULL_SETTINGS, target=2, pressed=["n", "2", "1"]),
    Example(SCREEN, _VERDICT, {"criteria": [], "verdict": "two"}, target=5),
    Example(SCREEN, {**_VERDICT, "verdict": 0}, {"criteria": [], "verdict": "three"}, target=5),
    Example(SCREEN, _MARKS, MARKS_ONLY, target=2),
    Example(SCREEN, {**_MARKS, "spans": []}, MARKS_ONLY, target=2),
]

INVALID = [
    Example(SCREEN, {**GRADE, "ratings": {"overall": 8}}, target=5, at_fault="__all__"),
    Example(SCREEN, {**GRADE, "ratings": {"overall": 0}}, target=5, at_fault="__all__"),
    Example(SCREEN, {**GRADE, "ratings": {"overall": 4.5}}, target=5, at_fault="ratings"),
    Example(SCREEN, {**GRADE, "ratings": {}}, target=5, at_fault="ratings"),
    Example(SCREEN, {**GRADE, "ratings": {"overall": 6, "style": 3}}, target=5, at_fault="ratings"),
    Example(SCREEN, {**GRADE, "grades": 5, "ratings": {"overall": 3}}, target=5, at_fault="grades"),
    Example(SCREEN, {**GRADE, "verdict": 1}, target=5, at_fault="verdict"),
    Example(SCREEN, {**GRADE, "tags": ["rude"]}, target=5, at_fault="tags"),
    Example(SCREEN, {**GRADE, "comment": "fine"}, target=5, at_fault="comment"),
    Example(
        SCREEN, {**_VERDICT, "verdict": 0}, {"criteria": [], "verdict": "two"}, target=5, at_fault="verdict"
    ),
    Example(
        SCREEN, {**_VERDICT, "verdict": 2}, {"criteria": [], "verdict": "two"}, target=5, at_fault="verdict"
    ),
    Example(SCREEN, {**_FULL, "tags": ["rude", "rude"]}, FULL_SETTINGS, target=5, at_fault="__all__"),
    Example(SCREEN, _spans((40, 99, "factual")), FULL_SETTINGS, target=5, at_fault="spans"),
    Example(SCREEN, _spans((5, 5, "factual")), FULL_SETTINGS, target=5, at_fault="spans"),
    Example(SCREEN, _spans((7, 6, "factual")), FULL_SETTINGS, target=5, at_fault="spans"),
    Example(SCREEN, _spans((5, 6, "factual")), FULL_SETTINGS, target=5, at_fault="spans"),  # a space
    Example(SCREEN, _spans((0, 5, "grammar")), FULL_SETTINGS, target=5, at_fault="spans"),
    Example(SCREEN, _spans((0, 5, "style"), (3, 9, "style")), FULL_SETTINGS, target=5, at_fault="__all__"),
    Example(
        SCREEN, _FULL, FULL_SETTINGS, target=2, at_fault="spans"
    ),  # the marks of another, longer response
]
