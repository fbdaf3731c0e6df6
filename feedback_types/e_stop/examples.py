"""Answers that must pass, and answers that must be refused."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

GOOD = "Water boils at 100 °C. At height it boils sooner. Cook longer there."  # sentences end at 23, 50, 68
EMOJI = "很好👍🏽。下一句！"  # sentences end at 5, 9: each character of the emoji counts
ONE = "Yes"
SCREEN = Screen(
    (Message("user", "When does water boil?"),), (ShownResponse(7, GOOD), ShownResponse(4, EMOJI))
)
SHORT = Screen((Message("user", "Does it?"),), (ShownResponse(9, ONE),))
EMPTY = Screen((Message("user", "Say nothing."),), (ShownResponse(5, ""),))

STOPPED: dict[str, Any] = {
    "mode": "stream", "outcome": "stopped", "reason": "bad", "stop_char": 31, "rendered_char": 30, "stream_cps": 40,
    "t_ms": 775, "stepped": False, "full_text_available": False, "segments": [23, 50, 68],
}  # fmt: skip
FINISHED = STOPPED | {
    "outcome": "finished",
    "reason": None,
    "stop_char": None,
    "rendered_char": 68,
    "t_ms": 3200,
}
HINDSIGHT = STOPPED | {
    "mode": "hindsight", "stop_char": 23, "rendered_char": 68, "stream_cps": None, "t_ms": None, "full_text_available": True,
}  # fmt: skip

WRITTEN = "Water boils at 100 degrees. No, at"  # one sentence, and the beginning of another
LIVE = STOPPED | {
    "stop_char": 33, "rendered_char": 32, "t_ms": 900, "segments": [28, 34],
    "live": {"text": WRITTEN, "generations": ["0d3f9f3e-95a5-4a3a-9d34-0d2f8b8a7a11"]},
}  # fmt: skip

VALID = [
    Example(SCREEN, STOPPED, target=7),
    Example(
        SCREEN,
        STOPPED | {"reason": "unsafe", "stop_char": 12, "rendered_char": 12, "stepped": True},
        target=7,
    ),
    Example(
        SCREEN,
        STOPPED
        | {
            "reason": "unsafe",
            "stop_char": 3,
            "rendered_char": 0,
            "stream_cps": 5,
            "t_ms": 700,
            "stepped": True,
        },
        {"chars_per_s": 5},
        target=7,
        pressed=["Escape", "2"],
    ),
    Example(SCREEN, STOPPED | {"reason": "slip"}, target=7),
    Example(SCREEN, STOPPED | {"stop_char": 68, "rendered_char": 68}, target=7),
    Example(
        SCREEN, STOPPED | {"reason": "enough"}, {"reasons": ["bad", "enough"], "chars_per_s": 25}, target=7
    ),
    Example(SCREEN, FINISHED, target=7),
    Example(SCREEN, FINISHED | {"outcome": "left", "rendered_char": 50}, target=7),
    Example(SCREEN, FINISHED | {"outcome": "left", "rendered_char": 3}, {"start": "key"}, target=7),
    Example(SCREEN, STOPPED | {"segments": [5, 9], "stop_char": 6, "rendered_char": 5}, target=4),
    Example(SCREEN, HINDSIGHT, target=7),
    Example(SCREEN, HINDSIGHT | {"reason": None}, target=7),
    Example(SCREEN, HINDSIGHT | {"outcome": "finished", "reason": None, "stop_char": None}, target=7),
    Example(SHORT, FINISHED | {"segments": [3], "rendered_char": 3}, target=9),
    Example(
        SHORT,
        HINDSIGHT
        | {"outcome": "finished", "reason": None, "stop_char": None, "rendered_char": 3, "segments": [3]},
        target=9,
    ),
    Example(SCREEN, LIVE, {"response": "live"}, target=7),
    Example(EMPTY, FINISHED | {"segments": [], "rendered_char": 0, "t_ms": 0}, target=5),
]

INVALID = [
    Example(SCREEN, LIVE, target=7, at_fault="live"),
    Example(
        SCREEN,
        LIVE | {"rendered_char": 35, "stop_char": 35},
        {"response": "live"},
        target=7,
        at_fault="rendered_char",
    ),
    Example(
        SCREEN,
        LIVE | {"live": {"text": WRITTEN, "generations": []}},
        {"response": "live"},
        target=7,
        at_fault="live.generations",
    ),
    Example(SCREEN, STOPPED, target=99, at_fault="__all__"),
    Example(SCREEN, STOPPED | {"outcome": "paused"}, target=7, at_fault="outcome"),
    Example(SCREEN, STOPPED | {"mode": "live"}, target=7, at_fault="mode"),
    Example(SCREEN, STOPPED | {"reason": None}, target=7, at_fault="reason"),
    Example(SCREEN, STOPPED | {"reason": "boring"}, target=7, at_fault="reason"),
    Example(SCREEN, STOPPED | {"reason": "unsafe"}, {"reasons": ["bad"]}, target=7, at_fault="reason"),
    Example(SCREEN, FINISHED | {"reason": "bad"}, target=7, at_fault="reason"),
    Example(SCREEN, STOPPED | {"stop_char": None}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stop_char": 29}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stop_char": 69}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stop_char": "31"}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stop_char": 31.0}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stop_char": True}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"rendered_char": -1}, target=7, at_fault="rendered_char"),
    Example(
        SCREEN, STOPPED | {"rendered_char": 2**60, "stop_char": 2**60}, target=7, at_fault="rendered_char"
    ),
    Example(SCREEN, FINISHED | {"rendered_char": 67}, target=7, at_fault="rendered_char"),
    Example(SCREEN, FINISHED | {"stop_char": 68}, target=7, at_fault="stop_char"),
    Example(SCREEN, STOPPED | {"stream_cps": 0}, target=7, at_fault="stream_cps"),
    Example(SCREEN, STOPPED | {"stream_cps": None}, target=7, at_fault="stream_cps"),
    Example(SCREEN, STOPPED | {"t_ms": -5}, target=7, at_fault="t_ms"),
    Example(SCREEN, STOPPED | {"t_ms": float("nan")}, target=7, at_fault="t_ms"),
    Example(SCREEN, STOPPED | {"t_ms": None}, target=7, at_fault="t_ms"),
    Example(SCREEN, STOPPED | {"segments": [23, 68]}, target=7, at_fault="segments"),
    Example(SCREEN, STOPPED | {"segments": [23, 50, "68"]}, target=7, at_fault="segments"),
    Example(SCREEN, STOPPED | {"full_text_available": True}, target=7, at_fault="full_text_available"),
    Example(SCREEN, HINDSIGHT | {"stop_char": 24}, target=7, at_fault="stop_char"),
    Example(SCREEN, HINDSIGHT | {"stop_char": 68}, target=7, at_fault="stop_char"),
    Example(SCREEN, HINDSIGHT | {"rendered_char": 23}, target=7, at_fault="rendered_char"),
    Example(SCREEN, HINDSIGHT | {"stream_cps": 40}, target=7, at_fault="mode"),
    Example(
        SCREEN,
        HINDSIGHT | {"outcome": "left", "reason": None, "stop_char": None},
        target=7,
        at_fault="outcome",
    ),
    Example(SCREEN, STOPPED | {"note": "x\x00"}, target=7, at_fault="note"),
]
