"""Answers that must pass, and answers that must be refused."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

TEXT = "Water boils at 90 °C. At height it boils sooner."  # sentences end at 22, 48
EMOJI = "很好👍🏽。下一句！"  # sentences end at 5, 9
SCREEN = Screen(
    (Message("user", "When does water boil?"),), (ShownResponse(7, TEXT), ShownResponse(4, EMOJI))
)
EMPTY = Screen((Message("user", "Say something."),), (ShownResponse(5, ""),))
LINES = Screen(
    (Message("user", "Two lines?"),), (ShownResponse(6, "One.\r\nTwo.\r\n"),)
)  # sentences end at 6, 12

FIXED = "Water boils at 100 °C. At height it boils sooner."
OP: dict[str, Any] = {"op": "replace", "start": 15, "end": 18, "text": "100 "}
EDIT: dict[str, Any] = {
    "edited_text": FIXED, "ops": [OP], "intervened_at": 15, "segments": [22, 48], "suggestions_shown": [],
    "suggested_for": [], "picked": None, "refused": [], "confirm_better": True, "keystrokes": 4, "edit_ms": 5200,
}  # fmt: skip
CUT = EDIT | {
    "edited_text": "At height it boils sooner.",
    "ops": [{"op": "delete", "start": 0, "end": 22, "text": ""}],
    "intervened_at": 0,
    "suggestions_shown": ["At height it boils sooner.", "Water boils at 90 °C. "],
    "picked": 0,
}
REFUSED = {
    "edited_text": "Water boils at 90 °C. At height it boils faster.",
    "ops": [{"op": "replace", "start": 41, "end": 47, "text": "faster"}],
    "picked": None,
}

TAKEN_OVER = EDIT | {
    "edited_text": "Water boils at 100 degrees, at sea level.",
    "ops": [{"op": "replace", "start": 15, "end": 47, "text": "100 degrees, at sea level"}],
    "takeovers": [
        {"before": TEXT, "at": 15, "prefix": "Water boils at 100", "generation": "0d3f9f3e-95a5-4a3a-9d34-0d2f8b8a7a11",
         "text": " degrees, so", "outcome": "stopped"},
        {"before": "Water boils at 100 degrees, so", "at": 27, "prefix": "Water boils at 100 degrees,",
         "generation": "0d3f9f3e-95a5-4a3a-9d34-0d2f8b8a7a12", "text": " at sea level.", "outcome": "finished"},
    ],
}  # fmt: skip

WALK = ["Control+ArrowRight", "Control+ArrowRight", "Control+ArrowRight", "ArrowRight"]  # to the number

VALID = [
    Example(
        SCREEN,
        EDIT,
        target=7,
        pressed=["1", *WALK, "Control+Delete", "type:100", "Control+Enter", "y"],
    ),
    Example(SCREEN, EDIT | {"confirm_better": False, "keystrokes": None, "edit_ms": None}, target=7),
    Example(SCREEN, EDIT | {"refused": [REFUSED]}, target=7),
    Example(SCREEN, CUT, {"suggestions": "cuts"}, target=7),
    Example(SCREEN, TAKEN_OVER, {"take_over": True}, target=7),
    Example(
        SCREEN, EDIT | {"suggestions_shown": [FIXED, "Nothing."], "suggested_for": [0], "picked": 0}, target=7
    ),
    Example(SCREEN, EDIT | {"suggestions_shown": ["Nothing."]}, target=7),
    Example(
        SCREEN,
        EDIT
        | {
            "edited_text": "很好👎🏽。下一句！👨‍👩‍👧",
            "ops": [
                {"op": "replace", "start": 2, "end": 4, "text": "👎🏽"},
                {"op": "insert", "start": 9, "end": 9, "text": "👨‍👩‍👧"},
            ],
            "intervened_at": 2,
            "segments": [5, 9],
        },
        target=4,
    ),
    Example(
        EMPTY,
        EDIT
        | {
            "edited_text": "Hello.",
            "ops": [{"op": "insert", "start": 0, "end": 0, "text": "Hello."}],
            "intervened_at": 0,
            "segments": [],
        },
        target=5,
    ),
    Example(
        LINES,
        EDIT
        | {
            "edited_text": "One.\r\n2.\r\n",
            "ops": [{"op": "replace", "start": 6, "end": 9, "text": "2"}],
            "intervened_at": 6,
            "segments": [6, 12],
        },
        target=6,
    ),
]

INVALID = [
    Example(SCREEN, TAKEN_OVER, target=7, at_fault="takeovers"),
    Example(
        SCREEN,
        TAKEN_OVER | {"takeovers": [TAKEN_OVER["takeovers"][0] | {"at": 3}]},
        {"take_over": True},
        target=7,
        at_fault="takeovers",
    ),
    Example(SCREEN, EDIT, target=99, at_fault="__all__"),
    Example(SCREEN, EDIT | {"edited_text": TEXT}, target=7, at_fault="edited_text"),
    Example(SCREEN, EDIT | {"edited_text": " \n "}, target=7, at_fault="edited_text"),
    Example(SCREEN, EDIT | {"edited_text": FIXED + "x" * 20_001}, target=7, at_fault="edited_text"),
    Example(
        SCREEN,
        EDIT | {"edited_text": FIXED + "x" * 102},
        {"max_growth": 100},
        target=7,
        at_fault="edited_text",
    ),
    Example(SCREEN, EDIT | {"edited_text": "Water\x00"}, target=7, at_fault="edited_text"),
    Example(SCREEN, EDIT | {"edited_text": "Water \ud83d"}, target=7, at_fault="edited_text"),
    Example(SCREEN, EDIT | {"ops": []}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"text": "99 "}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"op": "insert"}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"op": "move"}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP, OP]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"end": 4800}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"start": -1}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"start": "15"}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"ops": [OP | {"start": 15.0}]}, target=7, at_fault="ops"),
    Example(SCREEN, EDIT | {"intervened_at": 14}, target=7, at_fault="intervened_at"),
    Example(SCREEN, EDIT | {"segments": [48]}, target=7, at_fault="segments"),
    Example(SCREEN, EDIT | {"suggestions_shown": [TEXT]}, target=7, at_fault="suggestions_shown"),
    Example(SCREEN, EDIT | {"suggestions_shown": [FIXED, FIXED]}, target=7, at_fault="suggestions_shown"),
    Example(
        SCREEN,
        EDIT | {"suggestions_shown": [f"{n}." for n in range(13)]},
        target=7,
        at_fault="suggestions_shown",
    ),
    Example(SCREEN, EDIT | {"suggested_for": [0]}, target=7, at_fault="suggested_for"),
    Example(
        SCREEN,
        EDIT | {"suggestions_shown": [FIXED], "suggested_for": [2]},
        target=7,
        at_fault="suggested_for",
    ),
    Example(
        SCREEN,
        EDIT | {"suggestions_shown": [FIXED], "suggested_for": [0, 0]},
        target=7,
        at_fault="suggested_for",
    ),
    Example(SCREEN, EDIT | {"picked": 0}, target=7, at_fault="picked"),
    Example(SCREEN, EDIT | {"suggestions_shown": ["Nothing."], "picked": 0}, target=7, at_fault="picked"),
    Example(SCREEN, EDIT | {"refused": [REFUSED, REFUSED]}, target=7, at_fault="refused"),
    Example(SCREEN, EDIT | {"refused": [REFUSED | {"edited_text": TEXT}]}, target=7, at_fault="refused"),
    Example(SCREEN, EDIT | {"confirm_better": 1}, target=7, at_fault="confirm_better"),
    Example(SCREEN, EDIT | {"confirm_better": None}, target=7, at_fault="confirm_better"),
    Example(SCREEN, EDIT | {"keystrokes": -1}, target=7, at_fault="keystrokes"),
    Example(SCREEN, EDIT | {"edit_ms": float("inf")}, target=7, at_fault="edit_ms"),
    Example(SCREEN, EDIT | {"note": "why"}, target=7, at_fault="note"),
]
