"""Labels and curves in TRL's columns.

A step is True unless it is bad: 0 says that nothing is wrong with it. (TRL's own prm800k example takes 1 alone for True; the
native rows keep the grade for whoever prefers that.) Steps after the first error were not labelled and are not in the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion
from feedback_types.inter_temporal.offer import changes, words
from feedback_types.inter_temporal.schema import InterTemporalPayload

VIEWS = {
    "stepwise": gettext_lazy(
        "Labelled steps and sentences up to the first one without a label; good and okay are True, bad is False, a falling "
        "curve too: the grade in between, the height of curves, white space around steps, turns and orders are lost."
    ),
    "unpaired": gettext_lazy(
        "One row for each labelled turn of a dialogue, after what came before it; okay and unlabelled turns are left out."
    ),
    "preference": gettext_lazy(
        "Two responses of one screen up to the first step in which they differ, where one's label there is higher; margin "
        "the gap: all other labels, equal ones, turns, curves and orders are lost."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(view, row) pairs from one labeler's answers to one question on one screen."""
    for event in events:
        if event.payload.unit == "turn":
            yield from _turns(event)
        elif row := _steps(event):
            yield "stepwise", row
    for better, worse in permutations(events, 2):
        if row := _preference(better, worse):
            yield "preference", row


def _steps(event: Event) -> dict[str, Any] | None:
    payload: InterTemporalPayload = event.payload
    if payload.reading == "order":
        return None
    said: Sequence[int | None] = payload.labels if payload.reading == "labels" else changes(payload)
    until = next((n for n, label in enumerate(said) if label is None), len(said))
    texts = words(event.screen, event.target, payload.unit, payload.segments)[:until]
    if not texts:
        return None
    return {
        "prompt": chat(event.screen.prompt),
        "completions": [text.strip() for text in texts],
        "labels": [label != -1 for label in said[:until]],
    }


def _turns(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    payload: InterTemporalPayload = event.payload
    texts = words(event.screen, event.target, "turn", payload.segments)
    for n, text, label in zip(payload.segments, texts, payload.labels, strict=False):
        if label:
            yield (
                "unpaired",
                {"prompt": chat(event.screen.prompt[:n]), "completion": completion(text), "label": label > 0},
            )


def _preference(better: Event, worse: Event) -> dict[str, Any] | None:
    """Both up to the first step in which they differ: they share what comes before it, so its label decides."""
    a, b = better.payload, worse.payload
    if a.reading != "labels" or a.unit == "turn":
        return None
    first, second = (words(e.screen, e.target, a.unit, e.payload.segments) for e in (better, worse))
    shared = next((n for n, (x, y) in enumerate(zip(first, second, strict=False)) if x != y), None)
    if shared is None:
        return None
    high, low = a.labels[shared], b.labels[shared]
    if high is None or low is None or high <= low:
        return None
    return {
        "prompt": chat(better.screen.prompt),
        "chosen": completion("".join(first[: shared + 1])),
        "rejected": completion("".join(second[: shared + 1])),
        "margin": float(high - low),
    }
