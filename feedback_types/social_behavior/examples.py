"""Exposures that must pass, and some that must be refused."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

GOOD = "Water boils at 100 °C. At height it boils sooner. Cook longer there."  # sentences end at 23, 50, 68
EMOJI = "很好👍🏽。下一句！"  # sentences end at 5, 9: each character of the emoji counts
SCREEN = Screen(
    (Message("user", "When does water boil?"),), (ShownResponse(7, GOOD), ShownResponse(4, EMOJI))
)
SHORT = Screen((Message("user", "Does it?"),), (ShownResponse(9, "Yes."),))
EMPTY = Screen((Message("user", "Say nothing."),), (ShownResponse(5, ""),))

QUIET: dict[str, Any] = {
    "recorder": "page", "reaction": None, "reaction_ms": None, "exposed_ms": 9100, "segments": [23, 50, 68],
    "visible_ms": [9100, 9100, 6200], "revisits": [0, 0, 1], "events": [], "condensed": False,
}  # fmt: skip
COPIED = QUIET | {
    "reaction": "up",
    "reaction_ms": 8400,
    "revisits": [0, 0, 0],
    "events": [{"event": "copy", "count": 2, "t_ms": 7200}, {"event": "select", "count": 1, "t_ms": 6900}],
}
PLAIN = QUIET | {"recorder": "plain", "exposed_ms": 0, "visible_ms": [], "revisits": []}
ONE = QUIET | {"segments": [4], "visible_ms": [800], "exposed_ms": 800, "revisits": [0]}

VALID = [
    Example(SCREEN, QUIET, target=7),
    Example(SCREEN, COPIED, target=7),
    Example(SCREEN, COPIED | {"reaction": "down", "events": []}, target=7),
    Example(SCREEN, QUIET | {"exposed_ms": 0, "visible_ms": [0, 0, 0], "revisits": [0, 0, 0]}, target=7),
    Example(SCREEN, QUIET | {"recorder": "paused", "visible_ms": [400, 0, 0], "exposed_ms": 400}, target=7),
    Example(SCREEN, PLAIN, target=7),
    Example(SCREEN, PLAIN | {"reaction": "confused"}, target=7),
    Example(
        SCREEN,
        QUIET | {"segments": [5, 9], "visible_ms": [700, 700], "revisits": [2, 0], "reaction": "heart"},
        target=4,
    ),
    Example(
        SCREEN,
        COPIED
        | {
            "events": [{"event": "regenerate", "count": 1, "t_ms": 90}],
            "reaction": None,
            "reaction_ms": None,
        },
        {"signals": ["visible_time", "regenerate"]},
        target=7,
    ),
    Example(
        SCREEN,
        COPIED | {"exposed_ms": 0, "visible_ms": [], "revisits": []},
        {"signals": ["copy", "select"], "reactions": ["up", "down"]},
        target=7,
    ),
    Example(
        SCREEN,
        PLAIN | {"reaction": "up"},
        {"signals": [], "reactions": ["up", "down"], "legal_basis": "agreement"},
        target=7,
    ),
    Example(SHORT, ONE | {"reaction": "up", "reaction_ms": 500}, target=9, pressed=["+"]),
    Example(SHORT, ONE, target=9),
    Example(EMPTY, PLAIN | {"segments": []}, target=5),
    Example(EMPTY, QUIET | {"segments": [], "visible_ms": [], "revisits": []}, target=5),
]

INVALID = [
    Example(SCREEN, QUIET, target=99, at_fault="__all__"),
    Example(SCREEN, QUIET | {"recorder": "spy"}, target=7, at_fault="recorder"),
    Example(SCREEN, QUIET | {"reaction": "angry"}, target=7, at_fault="reaction"),
    Example(
        SCREEN,
        PLAIN | {"reaction": "heart"},
        {"reactions": ["up", "down"], "signals": []},
        target=7,
        at_fault="reaction",
    ),
    Example(SCREEN, QUIET | {"reaction_ms": 5}, target=7, at_fault="__all__"),
    Example(SCREEN, COPIED | {"reaction_ms": -1}, target=7, at_fault="reaction_ms"),
    Example(SCREEN, QUIET | {"segments": [23, 68]}, target=7, at_fault="segments"),
    Example(SCREEN, QUIET | {"segments": [50, 23, 68]}, target=7, at_fault="segments"),
    Example(SCREEN, QUIET | {"visible_ms": [9100, 9100]}, target=7, at_fault="visible_ms"),
    Example(SCREEN, QUIET | {"visible_ms": [9100, -1, 0]}, target=7, at_fault="visible_ms"),
    Example(SCREEN, QUIET | {"revisits": []}, target=7, at_fault="revisits"),
    Example(SCREEN, QUIET | {"exposed_ms": 10**12}, target=7, at_fault="exposed_ms"),
    Example(SCREEN, QUIET, {"signals": ["copy"]}, target=7, at_fault="exposed_ms"),
    Example(SCREEN, PLAIN | {"exposed_ms": 5}, target=7, at_fault="exposed_ms"),
    Example(SCREEN, PLAIN | {"events": COPIED["events"]}, target=7, at_fault="events"),
    Example(SCREEN, COPIED, {"signals": ["visible_time", "copy"]}, target=7, at_fault="events"),
    Example(
        SCREEN, COPIED | {"events": [{"event": "key", "count": 1, "t_ms": 1}]}, target=7, at_fault="events"
    ),
    Example(
        SCREEN,
        COPIED | {"events": [{"event": "copy", "count": 0, "t_ms": 1}]},
        target=7,
        at_fault="events",
    ),
    Example(
        SCREEN,
        COPIED | {"events": [{"event": "copy", "count": 1, "t_ms": None}]},
        target=7,
        at_fault="events",
    ),
    Example(
        SCREEN,
        COPIED | {"events": [{"event": "copy", "count": 1, "t_ms": 1, "text": "secret"}]},
        target=7,
        at_fault="events",
    ),
    Example(SCREEN, QUIET | {"condensed": True}, target=7, at_fault="condensed"),
    Example(SCREEN, QUIET | {"keys": ["a"]}, target=7, at_fault="keys"),
    Example(SCREEN, PLAIN | {"note": "x\x00"}, target=7, at_fault="note"),
]
