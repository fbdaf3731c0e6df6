"""Answers that must pass, and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse
from feedback_types.proxy_reward.program import sha_of

PROMPT = (Message("user", "How do I boil an egg?"),)
# Words 8, 18, 4; sentences 2, 5, 1; lists 0, 3, 0; questions 1, 0, 0.
PLAIN = "Boil it for eight minutes 🥚. Soft or hard?"
LIST = "Do this:\n\n1. Boil the water.\n2. Put the egg in.\n3. Wait for eight minutes.\n\nThank you."
CURT = "Maybe eight minutes, usually."
LONG = "Eggs are lovely. Put the egg into boiling water and wait; after eight minutes it is hard, after five it is soft."
SCREEN = Screen(PROMPT, (ShownResponse(12, PLAIN), ShownResponse(15, LIST), ShownResponse(17, CURT)))
TURNED = Screen(PROMPT, SCREEN.responses[::-1])
FOUR = Screen(PROMPT, (*SCREEN.responses, ShownResponse(20, LONG)))

FEATURES = {"features": ["words", "sentences", "lists"]}
FIVE = {"features": ["words", "sentences", "sentence_length", "reading_ease", "repetition"]}
RUBRIC = {"mode": "rubric", "criteria": ["Correct", "Kind"], "sample": 8}
FIXED = {"mode": "rubric", "criteria": ["Correct", "Well put"], "levels": 3, "weigh": False}
PROGRAM = {"mode": "program"}


def _tried(
    weights: dict[str, int] | None = None, program: str | None = None, t_ms: int | None = None
) -> dict[str, Any]:
    return {"weights": weights or {}, "program": program, "t_ms": t_ms}


def _answer(mode: str, tried: list[dict[str, Any]], ranks: list[int], **changed: Any) -> dict[str, Any]:
    program = tried[-1]["program"]
    return {
        "mode": mode,
        "feature_set": 1,
        "weights": tried[-1]["weights"],
        "judgements": {},
        "program": program,
        "program_sha": None if program is None else sha_of(program),
        "tried": tried,
        "pool": [12, 15, 17],
        "ranks": ranks,
    } | changed


def _sliders(*weights: int, ranks: list[int], seen: bool = True, **changed: Any) -> dict[str, Any]:
    names = FEATURES["features"]
    last = _tried(dict(zip(names, weights, strict=True)), t_ms=4100 if seen else None)
    return _answer(
        "sliders", [_tried(dict.fromkeys(names, 0), t_ms=0), last] if seen else [last], ranks, **changed
    )


def _five(*weights: int, ranks: list[int]) -> dict[str, Any]:
    names = FIVE["features"]
    before = _tried(dict.fromkeys(names, 0), t_ms=0)
    return _answer(
        "sliders",
        [before, _tried(dict(zip(names, weights, strict=True)), t_ms=900)],
        ranks,
        pool=[12, 15, 17, 20],
    )


def _rubric(correct: int, kind: int, judgements: list[list[int]], ranks: list[int]) -> dict[str, Any]:
    tried = [_tried({"Correct": 1, "Kind": 1}, t_ms=0), _tried({"Correct": correct, "Kind": kind}, t_ms=2500)]
    return _answer("rubric", tried, ranks, judgements=dict(zip(("Correct", "Kind"), judgements, strict=True)))


def _fixed(judgements: list[list[int]], ranks: list[int]) -> dict[str, Any]:
    ones = {"Correct": 1, "Well put": 1}
    said = dict(zip(ones, judgements, strict=True))
    return _answer("rubric", [_tried(ones, t_ms=0)], ranks, judgements=said)


def _program(*sources: str, ranks: list[int]) -> dict[str, Any]:
    return _answer(
        "program", [_tried(program=source, t_ms=100 * n) for n, source in enumerate(sources)], ranks
    )


SHORTER = _sliders(-1, 0, 0, ranks=[2, 3, 1])
LISTS = _sliders(-1, 0, 2, ranks=[3, 1, 2])
YES = _rubric(2, 1, [[1, 1, 0], [0, 1, 0]], [2, 1, 3])

VALID = [
    Example(FOUR, _five(0, 0, -1, 0, 0, ranks=[2, 1, 2, 3]), FIVE),
    Example(
        SCREEN, LISTS, FEATURES, pressed=("ArrowLeft", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    ),
    Example(SCREEN, SHORTER, FEATURES),
    Example(TURNED, {**SHORTER, "pool": [17, 15, 12], "ranks": [1, 3, 2]}, FEATURES),
    Example(SCREEN, _sliders(0, 0, 1, ranks=[2, 1, 2], seen=False), FEATURES),  # without scripts
    Example(SCREEN, YES, RUBRIC, pressed=("y", "n", "y", "y", "n", "n", "ArrowUp", "+")),
    Example(SCREEN, _rubric(-1, 1, [[1, 1, 0], [0, 1, 0]], [2, 1, 1]), RUBRIC),
    Example(SCREEN, _fixed([[2, 0, 1], [2, 1, 0]], [1, 2, 2]), FIXED, pressed=("2", "2", "0", "1", "1", "0")),
    Example(SCREEN, _program("-words", "2 * lists - words / 10", ranks=[3, 1, 2]), PROGRAM),
    Example(SCREEN, _program("has('maybe')", ranks=[2, 2, 1]), PROGRAM),
]

INVALID = [
    Example(SCREEN, _sliders(0, 0, 0, ranks=[1, 1, 1]), FEATURES, at_fault="weights"),
    Example(SCREEN, _sliders(-4, 0, 0, ranks=[2, 3, 1]), FEATURES, at_fault="weights"),
    Example(SCREEN, {**SHORTER, "ranks": [1, 2, 3]}, FEATURES, at_fault="ranks"),
    Example(SCREEN, {**SHORTER, "ranks": [2, 4, 1]}, FEATURES, at_fault="__all__"),
    Example(SCREEN, {**SHORTER, "ranks": [2, 1]}, FEATURES, at_fault="ranks"),
    Example(SCREEN, {**SHORTER, "pool": [15, 12, 17], "ranks": [3, 2, 1]}, FEATURES, at_fault="pool"),
    Example(SCREEN, {**SHORTER, "pool": [12, 12, 17]}, FEATURES, at_fault="__all__"),
    Example(SCREEN, {**SHORTER, "feature_set": 2}, FEATURES, at_fault="feature_set"),
    Example(SCREEN, {**SHORTER, "tried": []}, FEATURES, at_fault="tried"),
    Example(SCREEN, {**SHORTER, "tried": SHORTER["tried"][:1]}, FEATURES, at_fault="__all__"),
    Example(
        SCREEN,
        {**SHORTER, "tried": [_tried({"words": 9, "sentences": 0, "lists": 0}), SHORTER["tried"][1]]},
        FEATURES,
        at_fault="tried",
    ),
    Example(
        SCREEN,
        {**SHORTER, "weights": {"words": -1}, "tried": [_tried({"words": -1})]},
        FEATURES,
        at_fault="weights",
    ),
    Example(SCREEN, {**SHORTER, "weights": {}, "tried": [_tried()]}, FEATURES, at_fault="__all__"),
    Example(SCREEN, {**SHORTER, "mode": "wish"}, FEATURES, at_fault="mode"),
    Example(SCREEN, {**SHORTER, "judgements": {"Kind": [1, 1, 1]}}, FEATURES, at_fault="__all__"),
    Example(SCREEN, {**SHORTER, "program": "words"}, FEATURES, at_fault="__all__"),
    Example(SCREEN, SHORTER, PROGRAM, at_fault="mode"),
    Example(SCREEN, SHORTER, {"features": ["words", "lists"]}, at_fault="weights"),
    Example(SCREEN, {**YES, "judgements": {"Correct": [1, 1, 0]}}, RUBRIC, at_fault="judgements"),
    Example(
        SCREEN,
        {**YES, "judgements": {"Correct": [1, 1, 0], "Kind": [0, 2, 0]}},
        RUBRIC,
        at_fault="judgements",
    ),
    Example(
        SCREEN, {**YES, "judgements": {"Correct": [1, 1, 0], "Kind": [0, 1]}}, RUBRIC, at_fault="judgements"
    ),
    Example(SCREEN, YES, {**RUBRIC, "weigh": False}, at_fault="tried"),
    Example(SCREEN, _program("9**9**9", ranks=[1, 1, 1]), PROGRAM, at_fault="program"),
    Example(SCREEN, _program("words.real", ranks=[1, 1, 1]), PROGRAM, at_fault="program"),
    Example(SCREEN, _program("1 / questions", ranks=[1, 1, 1]), PROGRAM, at_fault="program"),
    Example(SCREEN, _program("words +", ranks=[1, 1, 1]), PROGRAM, at_fault="program"),
    Example(SCREEN, _program(" words", ranks=[2, 1, 3]), PROGRAM, at_fault="program"),
    Example(
        SCREEN, {**_program("words", ranks=[2, 1, 3]), "program_sha": "0" * 64}, PROGRAM, at_fault="__all__"
    ),
    Example(
        SCREEN, _program(*(f"words + {n}" for n in range(21)), ranks=[2, 1, 3]), PROGRAM, at_fault="tried"
    ),
]
