"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

SCREEN = Screen(
    (Message("user", "How do I calm down before an exam?"),),
    (
        ShownResponse(5, "Breathe slowly: four counts in, six out. 🧘"),
        ShownResponse(2, "Exams are a relic; refuse to sit them."),
        ShownResponse(9, "慢慢呼吸，吸气四拍，呼气六拍。"),
    ),
)

ODD: dict[str, Any] = {"items": [5, 2, 9], "pair": [5, 9], "reference": None, "instruction_version": 1}
_LIKE = {**ODD, "pair": [2, 5], "reference": 2}
_REFERENCE = {"mode": "reference", "instruction": "Alike in what they advise.", "instruction_version": 3}

VALID = [
    Example(SCREEN, ODD, pressed=["2"]),
    Example(SCREEN, {**ODD, "pair": [2, 9]}, pressed=["1"]),
    Example(SCREEN, {**ODD, "pair": [2, 5]}),
    Example(SCREEN, {**_LIKE, "instruction_version": 3}, _REFERENCE),
    Example(SCREEN, {**_LIKE, "pair": [2, 9], "instruction_version": 3}, _REFERENCE),
]

INVALID = [
    Example(SCREEN, {**ODD, "items": [2, 5, 9]}, at_fault="items"),  # not as shown
    Example(SCREEN, {**ODD, "items": [5, 2, 7]}, at_fault="__all__"),
    Example(SCREEN, {**ODD, "items": [5, 5, 9]}, at_fault="__all__"),
    Example(SCREEN, {**ODD, "items": [5, 9]}, at_fault="items"),
    Example(SCREEN, {**ODD, "pair": [9, 5]}, at_fault="__all__"),
    Example(SCREEN, {**ODD, "pair": [5, 5]}, at_fault="__all__"),
    Example(SCREEN, {**ODD, "pair": [5, 7]}, at_fault="__all__"),
    Example(SCREEN, {**ODD, "pair": [5]}, at_fault="pair"),
    Example(SCREEN, {**ODD, "reference": 5}, at_fault="reference"),  # none was shown as one
    Example(SCREEN, {**_LIKE, "pair": [5, 9]}, {"mode": "reference"}, at_fault="__all__"),
    Example(SCREEN, ODD, {"mode": "reference"}, at_fault="reference"),
    Example(SCREEN, {**ODD, "instruction_version": 2}, at_fault="instruction_version"),
    Example(SCREEN, {**ODD, "instruction_version": 0}, at_fault="instruction_version"),
    Example(SCREEN, {**ODD, "why": "both breathe"}, at_fault="why"),
]
