"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "Can you help me move on Saturday?"),)
THREE = Screen(
    PROMPT,
    (
        ShownResponse(3, "I should be glad to be of assistance on Saturday."),
        ShownResponse(9, "Sure, I can help. 💪"),
        ShownResponse(4, "yep, no prob"),
    ),
)
FIVE = Screen(
    PROMPT,
    (*THREE.responses, ShownResponse(8, "好的，星期六见。"), ShownResponse(1, "Certainly, with pleasure.")),
)
ONE = Screen(PROMPT, (ShownResponse(7, "Sure, I can help.\r\nSee you! 👋"),))

ORDER: dict[str, Any] = {
    "feature": "formality", "definition_version": 1, "ordered_ids": [4, 9, 3], "rewrite": None,
    "start_level": 0.0, "end_level": 1.0,
}  # fmt: skip
REWRITE: dict[str, Any] = {
    **ORDER,
    "ordered_ids": [],
    "rewrite": {
        "source": 7, "text": "Certainly.\nUntil Saturday. 👋", "has": "more", "keystrokes": 31, "edit_ms": 9000,
    },
}  # fmt: skip
LESS = {**REWRITE, "rewrite": {**REWRITE["rewrite"], "text": "k 👋", "has": "less"}}
LEVELS = {"levels": True}
REWRITES = {"mode": "rewrite"}
_POLITE = {
    "feature": "politeness",
    "definition": "Says please, thank you and sorry.",
    "definition_version": 4,
}


def _rewritten(**changes: Any) -> dict[str, Any]:
    return {**REWRITE, "rewrite": {**REWRITE["rewrite"], **changes}}


VALID = [
    Example(THREE, ORDER, pressed=["1", "2", "3"]),
    Example(THREE, {**ORDER, "ordered_ids": [3, 9, 4]}, pressed=["3", "1", "Backspace", "2", "1"]),
    Example(FIVE, {**ORDER, "ordered_ids": [4, 9, 8, 1, 3]}),
    Example(THREE, {**ORDER, "feature": "politeness", "definition_version": 4}, _POLITE),
    Example(
        THREE,
        {**ORDER, "start_level": 0.2, "end_level": 0.9},
        LEVELS,
        pressed=["1", "2", "3", "ArrowDown", "ArrowRight", "ArrowRight"],
    ),
    Example(THREE, {**ORDER, "ordered_ids": [9, 4, 3], "start_level": 0.3}, LEVELS),
    Example(ONE, REWRITE, REWRITES),
    Example(ONE, LESS, {**REWRITES, "direction": "less"}),
    Example(ONE, {**LESS, "rewrite": {**LESS["rewrite"], "keystrokes": None, "edit_ms": None}}, REWRITES),
    Example(ONE, {**REWRITE, "start_level": 0.4, "end_level": 0.8}, {**REWRITES, **LEVELS}),
]

INVALID = [
    Example(THREE, {**ORDER, "ordered_ids": [4, 9]}, at_fault="ordered_ids"),
    Example(THREE, {**ORDER, "ordered_ids": [4, 9, 7]}, at_fault="ordered_ids"),
    Example(THREE, {**ORDER, "ordered_ids": [4, 9, 9]}, at_fault="__all__"),
    Example(THREE, {**ORDER, "ordered_ids": []}, at_fault="__all__"),
    Example(THREE, {**ORDER, "feature": "politeness"}, at_fault="feature"),
    Example(THREE, {**ORDER, "feature": ""}, at_fault="feature"),
    Example(THREE, {**ORDER, "definition_version": 2}, at_fault="definition_version"),
    Example(THREE, {**ORDER, "start_level": 0.5}, at_fault="start_level"),  # not asked
    Example(THREE, {**ORDER, "start_level": 0.25}, LEVELS, at_fault="start_level"),
    Example(THREE, {**ORDER, "start_level": -0.1}, LEVELS, at_fault="start_level"),
    Example(THREE, {**ORDER, "end_level": 1.1}, LEVELS, at_fault="end_level"),
    Example(THREE, {**ORDER, "start_level": 0.5, "end_level": 0.5}, LEVELS, at_fault="__all__"),
    Example(THREE, {**ORDER, "start_level": 0.8, "end_level": 0.2}, LEVELS, at_fault="__all__"),
    Example(THREE, {**ORDER, "better": 3}, at_fault="better"),
    Example(THREE, _rewritten(source=3), at_fault="rewrite"),  # an order was asked
    Example(ONE, {**ORDER, "ordered_ids": [7]}, REWRITES, at_fault="ordered_ids"),
    Example(ONE, {**REWRITE, "ordered_ids": [7]}, REWRITES, at_fault="__all__"),
    Example(ONE, _rewritten(source=8), REWRITES, at_fault="rewrite.source"),
    Example(ONE, _rewritten(text=" \n"), REWRITES, at_fault="rewrite.text"),
    Example(ONE, _rewritten(text="One.\r\nTwo."), REWRITES, at_fault="rewrite.text"),
    Example(ONE, _rewritten(text="Sure, I can help.\nSee you! 👋"), REWRITES, at_fault="rewrite.text"),
    Example(ONE, _rewritten(text="x" * 20_001), REWRITES, at_fault="rewrite.text"),
    Example(ONE, _rewritten(has="same"), REWRITES, at_fault="rewrite.has"),
    Example(ONE, _rewritten(keystrokes=-1), REWRITES, at_fault="rewrite.keystrokes"),
    Example(ONE, _rewritten(edit_ms=1.5), REWRITES, at_fault="rewrite.edit_ms"),
]
