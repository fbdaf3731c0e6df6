"""What can be marked, and what the marks say about each sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from feedback_types.base import Event, Screen
from feedback_types.importance.schema import BEST, MOST_WEIGHT, ImportancePayload, ImportanceSettings, Mark
from feedback_types.segments import VERSION, segment_ends, segments

Level = tuple[int, int] | None  # (sign, weight) of a marked sentence


def texts(screen: Screen, settings: ImportanceSettings, target: int | None) -> dict[tuple[str, int], str]:
    """Every text that can be marked, under its place."""
    found: dict[tuple[str, int], str] = {}
    if settings.where != "response":
        found |= {("prompt", number): message.content for number, message in enumerate(screen.prompt)}
    if settings.where != "prompt":
        found["response", -1] = screen.response(target).text
    return found


def segments_of(screen: Screen, settings: ImportanceSettings, target: int | None) -> dict[str, Any]:
    """The fields of a payload that say where sentences end."""
    asks_prompt = settings.where != "response"
    return {
        "segments": tuple(segment_ends(screen.response(target).text)),
        "prompt_segments": tuple(tuple(segment_ends(m.content)) for m in screen.prompt)
        if asks_prompt
        else (),
    }


def choice_set(screen: Screen, settings: ImportanceSettings) -> dict[str, Any]:
    offered: dict[str, Any] = {
        "explains": settings.explains or None,
        "mode": settings.mode,
        "where": settings.where,
        "signs": [1, -1] if settings.signed else [0],
        "weights": list(range(1, MOST_WEIGHT + 1)) if asks_weight(settings) else [1],
        "segmentation": VERSION,
        "sentence_ends": {str(r.id): segment_ends(r.text) for r in screen.responses},
    }
    if settings.where != "response":
        offered["prompt_sentence_ends"] = [segment_ends(message.content) for message in screen.prompt]
    return offered


def asks_weight(settings: ImportanceSettings) -> bool:
    return settings.weights and settings.mode == "marks"


def pairs(sentences: int) -> int:
    """How many best and how many worst sentences are asked for: two of each, fewer of a short text."""
    return min(BEST, sentences // 2)


def levels(payload: ImportancePayload, place: tuple[str, int] = ("response", -1)) -> list[Level]:
    """What the marks say about each sentence of a text: the gravest mark that touches it, of equal ones the first."""
    found: list[Level] = []
    marks = sorted((m for m in payload.marks if m.place == place), key=lambda m: (-m.weight, m.start))
    for start, end in segments("", payload.ends(place)):
        touching = next((m for m in marks if m.start < end and start < m.end), None)
        found.append((touching.sign, touching.weight) if touching else None)
    return found


def sentences(payload: ImportancePayload) -> Iterator[tuple[tuple[str, int], int, Level]]:
    """(place, number, level) of every sentence that could be marked."""
    places = [("prompt", turn) for turn in range(len(payload.prompt_segments))]
    for place in [*places, ("response", -1)]:
        for number, level in enumerate(levels(payload, place)):
            yield place, number, level


def sentence_mark(text: str, start: int, end: int, sign: int, weight: int) -> Mark:
    """A mark over one sentence of the response, without the white space around it."""
    words = text[start:end]
    start += len(words) - len(words.lstrip())
    return Mark(where="response", start=start, end=start + len(words.strip()), sign=sign, weight=weight)


def mark_sentences(payload: ImportancePayload, text: str, said: Sequence[Level]) -> ImportancePayload:
    """The same answer with other sentences of the response marked; marks in the prompt stay."""
    kept = tuple(mark for mark in payload.marks if mark.where == "prompt")
    spans = segments(text, payload.segments)
    marked = tuple(
        sentence_mark(text, start, end, *level)
        for (start, end), level in zip(spans, said, strict=True)
        if level is not None
    )
    return payload.model_copy(update={"marks": (*kept, *marked)})


def answers(event: Event) -> list[Event]:
    """Every way in which the sentences of the response could have been marked; the given one in its own words."""
    payload: ImportancePayload = event.payload
    offered = event.choice_set or choice_set(event.screen, event.settings)
    text = event.screen.response(event.target).text
    given = levels(payload)
    options: Iterator[tuple[Level, ...]]
    if payload.mode == "best_worst":
        options = _best_and_worst(len(given))
    else:
        marked: list[Level] = [(sign, weight) for sign in offered["signs"] for weight in offered["weights"]]
        options = product([None, *marked], repeat=len(given))
    return [
        replace(event, payload=payload if list(said) == given else mark_sentences(payload, text, said))
        for said in options
    ]


def _best_and_worst(n: int) -> Iterator[tuple[Level, ...]]:
    for best in combinations(range(n), pairs(n)):
        for worst in combinations([i for i in range(n) if i not in best], pairs(n)):
            yield tuple((1, 1) if i in best else (-1, 1) if i in worst else None for i in range(n))
