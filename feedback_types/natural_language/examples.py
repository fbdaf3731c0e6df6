"""Answers that must pass and answers that must be refused; the contract suite runs over them."""

from __future__ import annotations

from typing import Any

from feedback_types.base import Example, Message, Screen, ShownResponse

PROMPT = (Message("user", "Who wrote Faust, and when?"),)
TEXT = "Faust 🎭 is by Goethe. He wrote it in 1990."  # "1990" is at 37-41 in code points, one later in UTF-16
BETTER = "Faust 🎭 is by Goethe. Its first part appeared in 1808."
WORSE = "Faust 🎭 is by Schiller. He wrote it in 1990."
ONE = Screen(PROMPT, (ShownResponse(5, TEXT),))
REVISED = Screen(PROMPT, (ShownResponse(7, BETTER), ShownResponse(5, TEXT), ShownResponse(8, WORSE)))
CHAT = Screen(
    (
        Message("user", "Who wrote Faust?"),
        Message("assistant", "Goethe did."),
        Message("user", "When?"),
    ),
    (ShownResponse(5, "In 1990."),),
)

BAD: dict[str, Any] = {
    "text": "The year is wrong.",
    "language": "en",
    "verdict": -1,
    "turn": None,
    "start": None,
    "end": None,
    "suggested": [{"name": "accuracy", "polarity": -1}],
    "aspects": [{"name": "accuracy", "polarity": -1}],
    "refinements_shown": [],
}
GOOD = {
    **BAD,
    "text": "写得很清楚。",
    "language": "zh",
    "verdict": 1,
    "suggested": [{"name": "clarity", "polarity": 1}],
    "aspects": [{"name": "clarity", "polarity": 1}, {"name": "tone", "polarity": 1}],
}
PLAIN: dict[str, Any] = {**BAD, "suggested": [], "aspects": []}
WORDS_ONLY = {"verdict": "off", "aspects": [], "languages": ["en"]}
SPAN = {"about": "span", "verdict": "three", "aspects": ["accuracy"]}
TURN = {"about": "turn", "aspects": []}
RESPONSES = {"refinements": "responses", "aspects": []}
PERSON = {"refinements": "responses", "aspects": [], "revised_by": "person", "verdict": "off"}
POLICY = {"refinements": "policy", "aspects": []}
ENDING = {"criterion": "ending", "aspects": []}


def _shown(text: str, accepted: bool, source: str = "model", generation: str | None = None) -> dict[str, Any]:
    return {"text": text, "source": source, "generation": generation, "accepted": accepted}


_REVISED = {**PLAIN, "refinements_shown": [_shown(BETTER, False), _shown(WORSE, False)]}
_WRITTEN = {
    **PLAIN,
    "refinements_shown": [_shown(WORSE, False, "policy", "g-1"), _shown(BETTER, True, "policy", "g-2")],
}
_MARKED = {**BAD, "start": 37, "end": 41}

VALID = [
    Example(ONE, BAD, target=5, pressed=("n", "type:The year is wrong.", "Control+Enter", "1")),
    Example(ONE, GOOD, target=5),
    Example(ONE, PLAIN, {"aspects": []}, target=5, pressed=("n", "type:The year is wrong.", "Control+Enter")),
    Example(ONE, {**PLAIN, "verdict": 0}, {"verdict": "three", "aspects": []}, target=5),
    Example(ONE, {**PLAIN, "verdict": None}, WORDS_ONLY, target=5),
    Example(ONE, {**PLAIN, "verdict": 1}, ENDING, target=5),
    Example(ONE, _MARKED, SPAN, target=5),
    Example(ONE, {**_MARKED, "verdict": 0, "start": 0, "end": 22, "aspects": []}, SPAN, target=5),
    Example(CHAT, {**PLAIN, "verdict": 1, "turn": 1}, TURN, target=5),
    Example(CHAT, PLAIN, TURN, target=5),
    Example(REVISED, {**PLAIN, "refinements_shown": [_shown(BETTER, True)]}, RESPONSES, target=5),
    Example(REVISED, _REVISED, RESPONSES, target=5),
    Example(
        REVISED,
        {**PLAIN, "verdict": None, "refinements_shown": [_shown(BETTER, True, "person")]},
        PERSON,
        target=5,
    ),
    Example(ONE, _WRITTEN, POLICY, target=5),
    Example(ONE, PLAIN, POLICY, target=5),
]

INVALID = [
    Example(ONE, {**BAD, "text": "  "}, target=5, at_fault="__all__"),
    Example(ONE, {**BAD, "text": ""}, target=5, at_fault="text"),
    Example(ONE, {**BAD, "text": "x" * 10_001}, target=5, at_fault="text"),
    Example(ONE, {**BAD, "language": "english"}, target=5, at_fault="language"),
    Example(ONE, {**BAD, "language": "fr"}, target=5, at_fault="language"),
    Example(ONE, {**BAD, "verdict": 0}, target=5, at_fault="verdict"),
    Example(ONE, {**BAD, "verdict": None}, target=5, at_fault="verdict"),
    Example(ONE, PLAIN, WORDS_ONLY, target=5, at_fault="verdict"),
    Example(ONE, {**BAD, "aspects": [{"name": "spelling", "polarity": 1}]}, target=5, at_fault="aspects"),
    Example(ONE, {**BAD, "suggested": [{"name": "spelling", "polarity": 1}]}, target=5, at_fault="suggested"),
    Example(ONE, {**BAD, "aspects": [{"name": "tone", "polarity": 0}]}, target=5, at_fault="aspects"),
    Example(
        ONE,
        {**BAD, "aspects": [{"name": "tone", "polarity": 1}, {"name": "tone", "polarity": -1}]},
        target=5,
        at_fault="__all__",
    ),
    Example(ONE, {**BAD, "start": 3, "end": 5}, target=5, at_fault="start"),
    Example(ONE, BAD, SPAN, target=5, at_fault="start"),
    Example(ONE, {**_MARKED, "end": 99}, SPAN, target=5, at_fault="end"),
    Example(ONE, {**_MARKED, "start": 5, "end": 6}, SPAN, target=5, at_fault="start"),  # a space
    Example(ONE, {**_MARKED, "end": 30}, SPAN, target=5, at_fault="__all__"),
    Example(ONE, {**_MARKED, "end": None}, SPAN, target=5, at_fault="__all__"),
    Example(CHAT, {**PLAIN, "turn": 0}, TURN, target=5, at_fault="turn"),  # what the user said
    Example(CHAT, {**PLAIN, "turn": 1}, {"aspects": []}, target=5, at_fault="turn"),
    Example(CHAT, {**PLAIN, "turn": 1, "start": 0, "end": 2}, TURN, target=5, at_fault="__all__"),
    Example(
        ONE, {**PLAIN, "refinements_shown": [_shown(BETTER, True)]}, target=5, at_fault="refinements_shown"
    ),
    Example(REVISED, PLAIN, RESPONSES, target=5, at_fault="refinements_shown"),
    Example(
        REVISED,
        {**PLAIN, "refinements_shown": [_shown("Other.", True)]},
        RESPONSES,
        target=5,
        at_fault="refinements_shown",
    ),
    Example(
        REVISED,
        {**PLAIN, "refinements_shown": [_shown(BETTER, True, "person")]},
        RESPONSES,
        target=5,
        at_fault="refinements_shown",
    ),
    Example(
        REVISED,
        {**PLAIN, "refinements_shown": [_shown(BETTER, False), _shown(BETTER, True)]},
        RESPONSES,
        target=5,
        at_fault="__all__",
    ),
    Example(
        ONE,
        {**PLAIN, "refinements_shown": [_shown(TEXT, True, "policy")]},
        POLICY,
        target=5,
        at_fault="refinements_shown",
    ),
    Example(
        ONE,
        {**PLAIN, "refinements_shown": [_shown(BETTER, True, "model")]},
        POLICY,
        target=5,
        at_fault="refinements_shown",
    ),
    Example(
        REVISED,
        {**PLAIN, "refinements_shown": [_shown(BETTER, True, generation="g-1")]},
        RESPONSES,
        target=5,
        at_fault="refinements_shown",
    ),
]
