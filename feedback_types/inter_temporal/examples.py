"""Answers that must pass, and answers that must be refused."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "A pen costs 2 €. What do 3 pens and a 👍🏽 cost?"),)
STEPS = "One pen costs 2 €.\nSo 3 pens cost 5 €. 👍🏽\nThe answer is 5 €."  # lines end at 19, 42, 60; sentences also at 39
OTHER = "One pen costs 3 €.\n3 pens cost 9 €."  # lines end at 19, 35
SCREEN = Screen(PROMPT, (ShownResponse(7, STEPS), ShownResponse(4, OTHER)))
SINGLE = Screen(PROMPT, (ShownResponse(7, STEPS),))
WORD = Screen(PROMPT, (ShownResponse(9, "6 €"),))
EMPTY = Screen(PROMPT, (ShownResponse(5, ""),))
DIALOGUE = Screen(
    (
        Message("system", "Be brief."),
        Message("user", "Hello"),
        Message("assistant", "Hello! What can I do?"),
        Message("user", "Tell me a joke."),
        Message("assistant", "No."),
        Message("user", "Why not?"),
    ),
    (ShownResponse(7, "Because."), ShownResponse(8, "I know none yet, but here is a riddle.")),
)

LABELS: dict[str, Any] = {
    "reading": "labels", "unit": "step", "segments": [19, 42, 60], "labels": [1, -1, None], "first_error_index": 1,
    "drawn": None, "curve": [], "pairs": [],
}  # fmt: skip
RIGHT = LABELS | {"labels": [1, 0, 1], "first_error_index": None}
SENTENCES = [19, 39, 42, 60]
ALL_SETTINGS = {"stop_at_error": False}
ALL = RIGHT | {"labels": [0, -1, 1]}
UNSURE_SETTINGS = {"stop_at_error": False, "unsure": True, "unit": "sentence"}
UNSURE = RIGHT | {"unit": "sentence", "segments": SENTENCES, "labels": [1, None, -1, 0]}
TURN_SETTINGS = {"unit": "turn", "stop_at_error": False}
TURNS = RIGHT | {"unit": "turn", "segments": [2, 4, 6], "labels": [1, -1, 0]}
CURVE_SETTINGS = {"reading": "curve", "unit": "sentence"}
CURVE: dict[str, Any] = LABELS | {
    "reading": "curve", "unit": "sentence", "segments": SENTENCES, "labels": [], "first_error_index": None, "drawn": "live",
    "curve": [[0, 0, 0.5], [9, 240, 0.625], [19, 480, 0.625], [42, 1080, 0.5], [60, 1530, 0.25], [60, 2600, 0.125]],
}  # fmt: skip
AFTER_SETTINGS = {"reading": "curve", "draw": "after"}
AFTER = CURVE | {
    "unit": "step",
    "segments": [19, 42, 60],
    "drawn": "after",
    "curve": [[0, 900, 0.75], [21, 1400, 0.25], [60, 1400, 0.25]],
}
TYPED = CURVE | {
    "drawn": "typed",
    "curve": [[0, None, 0.57], [19, None, 0.57], [39, None, 0.0], [42, None, 0.3], [60, None, 0.3]],
}
ORDER_SETTINGS = {"reading": "order"}
ORDER: dict[str, Any] = RIGHT | {
    "reading": "order", "labels": [], "pairs": [{"first": 0, "second": 1, "better": "first"}],
}  # fmt: skip
TURN_ORDER_SETTINGS = {"reading": "order", "unit": "turn", "pairs": 2}


def _order(better: str) -> dict[str, Any]:
    return ORDER | {"pairs": [ORDER["pairs"][0] | {"better": better}]}


VALID = [
    Example(SCREEN, LABELS, target=7),
    Example(SINGLE, LABELS, target=7, pressed=["3", "1"]),
    Example(SINGLE, RIGHT, target=7, pressed=["3", "2", "3"]),
    Example(SCREEN, RIGHT | {"segments": [19, 35], "labels": [0, 0]}, target=4),
    Example(SINGLE, ALL, ALL_SETTINGS, target=7, pressed=["2", "1", "3"]),
    Example(SINGLE, ALL | {"labels": [1, 1, 1]}, ALL_SETTINGS, target=7),
    Example(
        SINGLE,
        LABELS | {"labels": [1, 1, -1], "first_error_index": 2},
        {"neutral": False},
        target=7,
        pressed=["j", "j", "e"],
    ),
    Example(SINGLE, RIGHT | {"labels": [1, 1, 1]}, {"neutral": False}, target=7, pressed=["0"]),
    Example(SINGLE, UNSURE, UNSURE_SETTINGS, target=7, pressed=["3", "4", "1", "2"]),
    Example(DIALOGUE, TURNS, TURN_SETTINGS, target=7),
    Example(DIALOGUE, TURNS | {"segments": [6], "labels": [1]}, TURN_SETTINGS, target=8),
    Example(EMPTY, RIGHT | {"segments": [], "labels": []}, target=5),
    Example(SINGLE, CURVE, CURVE_SETTINGS, target=7),
    Example(SINGLE, CURVE | {"curve": [[0, 0, 0.5], [60, 1530, 1.0]]}, CURVE_SETTINGS, target=7),
    Example(SINGLE, TYPED, CURVE_SETTINGS, target=7),
    Example(SINGLE, AFTER, AFTER_SETTINGS, target=7),
    Example(EMPTY, CURVE | {"segments": [], "curve": []}, CURVE_SETTINGS, target=5),
    Example(SINGLE, ORDER, ORDER_SETTINGS, target=7, pressed=["ArrowLeft"]),
    Example(SINGLE, _order("equal"), ORDER_SETTINGS, target=7),
    Example(SINGLE, _order("second"), ORDER_SETTINGS, target=7),
    Example(WORD, ORDER | {"segments": [3], "pairs": []}, ORDER_SETTINGS, target=9),
    Example(
        DIALOGUE,
        ORDER
        | {"unit": "turn", "segments": [2, 4, 6], "pairs": [{"first": 0, "second": 2, "better": "first"}]},
        TURN_ORDER_SETTINGS,
        target=7,
    ),
]

INVALID = [
    Example(SINGLE, LABELS, target=99, at_fault="__all__"),
    Example(SINGLE, LABELS | {"reading": "steps"}, target=7, at_fault="reading"),
    Example(SINGLE, LABELS, CURVE_SETTINGS, target=7, at_fault="reading"),
    Example(SINGLE, LABELS, {"unit": "sentence"}, target=7, at_fault="unit"),
    Example(SINGLE, LABELS | {"segments": [19, 43, 60]}, target=7, at_fault="segments"),
    Example(SINGLE, LABELS | {"segments": [19, 60], "labels": [1, -1]}, target=7, at_fault="segments"),
    Example(SINGLE, RIGHT | {"labels": [1, 0]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT | {"labels": [1, 2, 1]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT | {"labels": [1, "0", 1]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT | {"labels": [1, 0.0, 1]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT | {"labels": [1, True, 1]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT | {"labels": [1, None, 1]}, target=7, at_fault="labels"),
    Example(SINGLE, LABELS | {"labels": [None, -1, None]}, target=7, at_fault="labels"),
    Example(SINGLE, RIGHT, {"neutral": False}, target=7, at_fault="labels"),
    Example(SINGLE, LABELS | {"labels": [1, -1, 0]}, target=7, at_fault="__all__"),  # missing is never neutral
    Example(SINGLE, LABELS | {"labels": [-1, -1, None]}, target=7, at_fault="__all__"),
    Example(SINGLE, LABELS | {"first_error_index": 0}, target=7, at_fault="__all__"),
    Example(SINGLE, LABELS | {"first_error_index": 3}, target=7, at_fault="__all__"),
    Example(SINGLE, LABELS | {"first_error_index": None}, target=7, at_fault="first_error_index"),
    Example(SINGLE, LABELS, ALL_SETTINGS, target=7, at_fault="first_error_index"),
    Example(SINGLE, RIGHT | {"drawn": "live"}, target=7, at_fault="drawn"),
    Example(SINGLE, RIGHT | {"drawn": "live", "curve": [[0, 0, 0.5]]}, target=7, at_fault="curve"),
    Example(SINGLE, RIGHT | {"pairs": ORDER["pairs"]}, target=7, at_fault="pairs"),
    Example(DIALOGUE, TURNS | {"segments": [6], "labels": [1]}, TURN_SETTINGS, target=7, at_fault="segments"),
    Example(SINGLE, CURVE | {"drawn": None}, CURVE_SETTINGS, target=7, at_fault="drawn"),
    Example(SINGLE, CURVE | {"curve": []}, CURVE_SETTINGS, target=7, at_fault="curve"),
    Example(SINGLE, CURVE | {"curve": [[0, 0, 0.5], [59, 900, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="curve"),
    Example(SINGLE, CURVE | {"curve": [[3, 0, 0.5], [60, 900, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="curve"),
    Example(SINGLE, CURVE | {"curve": [[0, 0, 1.5], [60, 900, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="curve"),
    Example(SINGLE, CURVE | {"curve": [[0, 900, 0.5], [60, 0, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="__all__"),
    Example(SINGLE, CURVE | {"curve": [[0, 0, 0.5], [9, 1, 1.0], [3, 2, 0]]}, CURVE_SETTINGS, target=7, at_fault="__all__"),
    Example(SINGLE, CURVE | {"curve": [[0, None, 0.5], [60, None, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="__all__"),
    Example(SINGLE, TYPED | {"curve": [[0, 0, 0.5], [60, 1, 0.5]]}, CURVE_SETTINGS, target=7, at_fault="__all__"),
    Example(SINGLE, ORDER | {"pairs": []}, ORDER_SETTINGS, target=7, at_fault="pairs"),
    Example(SINGLE, ORDER | {"pairs": [ORDER["pairs"][0] | {"second": 2}]}, ORDER_SETTINGS, target=7, at_fault="pairs"),
    Example(SINGLE, _order("both"), ORDER_SETTINGS, target=7, at_fault="pairs"),
]  # fmt: skip
