"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "How do I keep basil fresh?"),)
TWO = Screen(
    PROMPT, (ShownResponse(17, "Put it in a glass of water. 🌿"), ShownResponse(12, "Throw it away."))
)
FOUR = Screen(
    PROMPT,
    (
        ShownResponse(3, "Freeze the leaves in oil."),
        ShownResponse(9, "把罗勒放在水里。"),
        ShownResponse(4, "I do not know."),
        ShownResponse(8, "Keep it warm and moist."),
    ),
)

_PAIR = {"items": [17, 12], "ranks": [1, 2], "strength": 2, "both_bad": False, "aspect": None}
_TIE = {**_PAIR, "ranks": [1, 1], "strength": 0}
_RANKING = {"items": [3, 9, 4, 8], "ranks": [1, 1, 3, 2], "strength": None, "both_bad": False, "aspect": None}
_BEST = {**_RANKING, "ranks": [None, 1, None, None]}
_NONE = {**_RANKING, "ranks": [1, 1, 1, 1], "both_bad": True}

VALID = [
    Example(TWO, _PAIR, pressed=["ArrowLeft", "ArrowLeft"]),
    Example(TWO, {**_PAIR, "ranks": [2, 1], "strength": -3}),
    Example(TWO, _TIE),
    Example(TWO, {**_TIE, "both_bad": True}),
    Example(TWO, {**_PAIR, "strength": 1}, {"strengths": 1, "ties": False, "both_bad": False}),
    Example(TWO, {**_TIE, "both_bad": True}, {"ties": False}),
    Example(TWO, {**_PAIR, "aspect": "helpfulness"}, {"aspect": "helpfulness"}),
    Example(TWO, {**_PAIR, "strength": None}, {"mode": "ranking", "ties": False}),
    Example(FOUR, _RANKING, pressed=["1", "=", "2", "4", "3"]),
    Example(FOUR, {**_RANKING, "ranks": [4, 2, 3, 1]}, {"ties": False, "both_bad": False}),
    Example(FOUR, _NONE),
    Example(FOUR, _BEST, {"mode": "best"}, pressed=["2"]),
    Example(FOUR, _NONE, {"mode": "best"}),
]

INVALID = [
    Example(TWO, {**_PAIR, "strength": 4}, at_fault="strength"),
    Example(
        TWO, {**_PAIR, "strength": -2}, at_fault="__all__"
    ),  # says that 12 is better, the ranks that 17 is
    Example(TWO, {**_PAIR, "strength": 2}, {"strengths": 1}, at_fault="strength"),
    Example(TWO, _TIE, {"ties": False}, at_fault="strength"),
    Example(TWO, {**_TIE, "both_bad": True}, {"both_bad": False}, at_fault="both_bad"),
    Example(TWO, {**_PAIR, "both_bad": True}, at_fault="__all__"),
    Example(TWO, {**_PAIR, "items": [12, 17]}, at_fault="items"),  # not as shown
    Example(TWO, {**_PAIR, "items": [17, 17]}, at_fault="__all__"),
    Example(TWO, {**_PAIR, "items": [17, 99]}, at_fault="items"),
    Example(TWO, {**_PAIR, "items": [17]}, at_fault="items"),
    Example(TWO, {**_PAIR, "strength": None}, at_fault="strength"),
    Example(TWO, {**_PAIR, "aspect": "helpfulness"}, at_fault="aspect"),
    Example(TWO, {**_PAIR, "winner": 17}, at_fault="winner"),
    Example(FOUR, {**_RANKING, "ranks": [1, 1, 4, 2]}, at_fault="__all__"),  # a gap
    Example(FOUR, {**_RANKING, "ranks": [1, 2, 3]}, at_fault="__all__"),
    Example(FOUR, {**_RANKING, "ranks": [1, 1, None, 2]}, at_fault="__all__"),
    Example(FOUR, _RANKING, {"ties": False}, at_fault="ranks"),
    Example(FOUR, _BEST, at_fault="ranks"),  # a ranking was asked
    Example(FOUR, _RANKING, {"mode": "best"}, at_fault="ranks"),
    Example(FOUR, {**_BEST, "ranks": [1, 1, None, None]}, {"mode": "best"}, at_fault="__all__"),
    Example(FOUR, {**_NONE, "strength": 0}, at_fault="__all__"),
]
