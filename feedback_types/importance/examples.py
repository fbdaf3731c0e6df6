"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

QUESTION = "Is a lantern that is not for sale in a shop? Say where."
PROMPT = (Message("user", QUESTION),)
TEXT = "It is 🏠 home. Shops only sell. A house keeps things."  # the emoji is one code point and two UTF-16 units
ENDS = [14, 31, 52]
LONG = f"{TEXT} It is so."
SCREEN = Screen(PROMPT, (ShownResponse(5, TEXT), ShownResponse(2, "歌德。")))
FOUR = Screen(PROMPT, (ShownResponse(5, LONG), ShownResponse(2, "歌德。")))
PROMPT_ENDS = [[45, 55]]


def _mark(start: int, end: int, sign: int = 1, weight: int = 1, turn: int | None = None) -> dict[str, Any]:
    where = "response" if turn is None else "prompt"
    return {"where": where, "turn": turn, "start": start, "end": end, "sign": sign, "weight": weight}


def _said(*marks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "explains": None,
        "mode": "marks",
        "segments": ENDS,
        "prompt_segments": [],
        "marks": list(marks),
        **fields,
    }


HELPED = _said(_mark(0, 13), _mark(31, 52, 1, 3), _mark(14, 19, -1))
EXPLAINED = {"explains": "better"}
UNSIGNED = {"signed": False}
PLAIN = {"signed": False, "weights": False}
LIGHT = {"weights": False}
BOTH = {"where": "both"}
QUESTION_ONLY = {"where": "prompt", "signed": False, "weights": False}
ENDS_ONLY = {"mode": "best_worst"}
_IN_PROMPT = {"prompt_segments": PROMPT_ENDS}
_BEST = _said(
    _mark(0, 13),
    _mark(31, 52),
    _mark(14, 30, -1),
    _mark(53, 62, -1),
    mode="best_worst",
    segments=[14, 31, 53, 62],
)

VALID = [
    Example(SCREEN, HELPED, target=5),
    Example(SCREEN, _said(), target=5),
    Example(SCREEN, _said(_mark(0, 13, -1, 2)), target=5),
    Example(
        Screen(PROMPT, (ShownResponse(5, TEXT),)),
        _said(_mark(0, 13), _mark(14, 30, -1, 2)),
        target=5,
        pressed=("j", "1", "j", "2", "2", "0"),
    ),
    Example(SCREEN, _said(_mark(14, 30, -1), explains="better"), EXPLAINED, target=5),
    Example(SCREEN, _said(_mark(14, 30, 0, 2)), UNSIGNED, target=5),
    Example(SCREEN, _said(_mark(14, 30, 0)), PLAIN, target=5),
    Example(SCREEN, _said(_mark(14, 30, -1)), LIGHT, target=5),
    Example(SCREEN, _said(_mark(20, 32, 1, 1, 0), _mark(0, 13), **_IN_PROMPT), BOTH, target=5),
    Example(SCREEN, _said(_mark(20, 32, 0, 1, 0), **_IN_PROMPT), QUESTION_ONLY, target=5),
    Example(FOUR, _BEST, ENDS_ONLY, target=5),
    Example(SCREEN, _said(mode="best_worst", segments=[3]), ENDS_ONLY, target=2),
]

INVALID = [
    Example(SCREEN, _said(_mark(5, 5)), target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(40, 99)), target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(5, 6)), target=5, at_fault="marks"),  # a space
    Example(SCREEN, _said(_mark(0, 13), _mark(10, 20, -1)), target=5, at_fault="__all__"),
    Example(SCREEN, _said(_mark(0, 13, 0)), target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(0, 13, 1)), UNSIGNED, target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(0, 13, 1, 4)), target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(0, 13, 1, 2)), LIGHT, target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(20, 32, 1, 1, 0)), target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(0, 13, 0), **_IN_PROMPT), QUESTION_ONLY, target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(20, 99, 1, 1, 0), **_IN_PROMPT), BOTH, target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(2, 9, 1, 1, 3), **_IN_PROMPT), BOTH, target=5, at_fault="marks"),
    Example(SCREEN, _said({**_mark(0, 13), "turn": 0}), target=5, at_fault="marks"),
    Example(SCREEN, _said({**_mark(0, 13), "where": "prompt"}), BOTH, target=5, at_fault="marks"),
    Example(SCREEN, _said(_mark(0, 13), segments=[62]), target=5, at_fault="segments"),
    Example(SCREEN, _said(_mark(0, 13), **_IN_PROMPT), target=5, at_fault="prompt_segments"),
    Example(SCREEN, _said(_mark(0, 13), explains="better"), target=5, at_fault="explains"),
    Example(SCREEN, _said(_mark(0, 13)), EXPLAINED, target=5, at_fault="explains"),
    Example(SCREEN, _said(_mark(0, 13), mode="best_worst"), target=5, at_fault="mode"),
    Example(FOUR, {**_BEST, "marks": _BEST["marks"][:3]}, ENDS_ONLY, target=5, at_fault="marks"),
    Example(
        FOUR,
        _said(
            _mark(0, 3),
            _mark(4, 13),
            _mark(14, 30, -1),
            _mark(53, 62, -1),
            mode="best_worst",
            segments=[14, 31, 53, 62],
        ),
        ENDS_ONLY,
        target=5,
        at_fault="marks",
    ),
]
