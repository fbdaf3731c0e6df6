"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "When does water boil?"),)
DIALOGUE = (
    Message("system", "You are a patient tutor."),
    Message("user", "Is 91 a prime number?"),
    Message("assistant", "No: 91 = 7 · 13."),
    Message("user", "How would I have found that?"),
)
TWO = Screen(
    PROMPT,
    (
        ShownResponse(7, "At 90 °C.\r\nAt height it boils sooner. 🏔"),  # the first line ends at 11
        ShownResponse(4, "水在一百度沸腾。"),
    ),
)
ONE = Screen(PROMPT, (ShownResponse(5, "At 100 °C. That is at sea level."),))
TURN = Screen(
    DIALOGUE, (ShownResponse(1, "Guess."), ShownResponse(2, "Divide."), ShownResponse(3, "I do not know."))
)

WRITTEN: dict[str, Any] = {
    "text": "Water boils at 100 °C.", "written_from": "scratch", "source": None, "kept": 0,
    "keystrokes": 24, "paste_events": 0, "paste_chars": 0, "writing_ms": 9400,
}  # fmt: skip
_UNCOUNTED = {"keystrokes": None, "paste_events": None, "paste_chars": None, "writing_ms": None}
_DRAFT = {**WRITTEN, "written_from": "draft", "source": 7}
_CONTINUED = {
    **WRITTEN,
    "written_from": "prefix",
    "source": 7,
    "kept": 11,
    "text": "At 90 °C.\r\nNo: at 100 °C.\nSorry! 🙏",
}
PREFIX = {"start": "prefix"}
CHOOSE = {"start": "choose"}

VALID = [
    Example(TURN, {**WRITTEN, "text": "Divide by 2, 3, 5, 7 in turn: 91 = 70 + 21."}),
    Example(TWO, WRITTEN, pressed=["e", "type:Water boils at 100 °C.", "Control+Enter"]),
    Example(TWO, {**WRITTEN, "text": "100 °C.\n\nAt sea level. 🌊", **_UNCOUNTED}),
    Example(ONE, {**WRITTEN, "paste_events": 2, "paste_chars": 20}, {"pairs": True, "hide_responses": False}),
    Example(TWO, _CONTINUED, PREFIX),
    Example(ONE, {**_CONTINUED, "source": 5, "text": "At 100 °C. Less on a hill."}, PREFIX),
    Example(TWO, _DRAFT, {"start": "draft"}),
    Example(
        TWO,
        {**_DRAFT, "source": 4},
        CHOOSE,
        pressed=["2", "Control+a", "type:Water boils at 100 °C.", "Control+Enter"],
    ),
    Example(TWO, WRITTEN, {"min_characters": 22}),
]

INVALID = [
    Example(TWO, {**WRITTEN, "text": ""}, at_fault="text"),
    Example(TWO, {**WRITTEN, "text": " \n "}, at_fault="text"),
    Example(TWO, {**WRITTEN, "text": "100 °C.   "}, {"min_characters": 8}, at_fault="text"),
    Example(TWO, {**WRITTEN, "text": "x" * 20_001}, at_fault="text"),
    Example(TWO, WRITTEN, {"max_characters": 21}, at_fault="text"),
    Example(TWO, {**WRITTEN, "text": "One.\r\nTwo."}, at_fault="text"),
    Example(TWO, {**WRITTEN, "text": "Water\x00"}, at_fault="text"),
    Example(TWO, {**WRITTEN, "written_from": "draft"}, at_fault="__all__"),
    Example(TWO, {**WRITTEN, "source": 7}, at_fault="__all__"),
    Example(TWO, {**WRITTEN, "written_from": "dream"}, at_fault="written_from"),
    Example(TWO, _DRAFT, at_fault="written_from"),
    Example(TWO, {**_DRAFT, "source": 4}, {"start": "draft"}, at_fault="source"),
    Example(TWO, {**_DRAFT, "source": 99}, CHOOSE, at_fault="__all__"),
    Example(TWO, {**_DRAFT, "text": "At 90 °C.\nAt height it boils sooner. 🏔"}, CHOOSE, at_fault="text"),
    Example(TWO, {**WRITTEN, "kept": 3}, at_fault="__all__"),
    Example(TWO, {**_CONTINUED, "kept": 9}, PREFIX, at_fault="kept"),
    Example(TWO, {**_CONTINUED, "text": "At 95 °C.\r\nNo: at 100 °C."}, PREFIX, at_fault="text"),
    Example(TWO, {**_CONTINUED, "text": "At 90 °C.\r\n"}, PREFIX, at_fault="text"),
    Example(TWO, {**WRITTEN, "keystrokes": -1}, at_fault="keystrokes"),
    Example(TWO, {**WRITTEN, "paste_chars": "3"}, at_fault="paste_chars"),
    Example(TWO, {**WRITTEN, "writing_ms": 86_400_001}, at_fault="writing_ms"),
    Example(TWO, {**WRITTEN, "pasted": "100 °C"}, at_fault="pasted"),
]
