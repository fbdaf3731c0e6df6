"""Comments in words, as several sets give them; see base.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feedback_types.base import Question, Screen
from feedback_types.natural_language.aspects import language_of


def comment(
    text: str, *, verdict: int | None = None, language: str = "", span: tuple[int, int] | None = None
) -> Callable[[Screen, Question], list[tuple[int | None, Any]]]:
    """What somebody wrote about the one response. Sets name no aspects and suggest none; without a language it is read
    from the letters, as on the page."""

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        start, end = span or (None, None)
        return [
            (
                response.id,
                {
                    "text": text,
                    "language": language or language_of(text, question.settings.languages),
                    "verdict": verdict,
                    "turn": None,
                    "start": start,
                    "end": end,
                    "suggested": [],
                    "aspects": [],
                    "refinements_shown": [],
                },
            )
        ]

    return payload
