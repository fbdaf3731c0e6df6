"""Critiques in TRL's columns: unpaired rows by the labeler's own median, and pairs from clear gaps on one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import Any

from feedback_types.base import Event, chat, completion
from feedback_types.critique.offer import rating_head

CLEAR_GAP = 2  # grades between two responses from which on they make a pair

Medians = dict[
    tuple[str, str, int], float
]  # (labeler, question, number of grades) -> median of the overall grade


def overall(event: Event) -> int | None:
    """The grade that is about the reward, if the question asks for one."""
    return next(
        (grade for name, grade in event.payload.ratings.items() if rating_head(name) == "reward"), None
    )


def scale(event: Event) -> tuple[str, str, int]:
    """Whose use of which scale: grades of two questions are not the same."""
    return event.labeler, event.question, event.payload.grades


def statistics(events: Iterable[Event]) -> Medians:
    """Each labeler's median overall grade; one pass, memory by labelers and not by answers."""
    counts: dict[tuple[str, str, int], Counter[int]] = {}
    for event in events:
        if (grade := overall(event)) is not None:
            counts.setdefault(scale(event), Counter())[grade] += 1
    return {key: _median(counter) for key, counter in counts.items()}


def _median(counter: Counter[int]) -> float:
    n, below = counter.total(), 0
    middle: list[int] = []
    for grade in sorted(counter):
        below += counter[grade]
        if not middle and 2 * below >= n:
            middle.append(grade)
        if 2 * below > n:
            middle.append(grade)
            break
    return sum(middle) / len(middle)


def records(events: Sequence[Event], medians: Medians) -> Iterator[tuple[str, dict[str, Any]]]:
    """(view, row) pairs from one labeler's answers to one question on one screen."""
    for event in events:
        grade, verdict = overall(event), event.payload.verdict
        if grade is not None:
            label = grade >= medians[scale(event)]
        elif verdict:
            label = verdict > 0
        else:
            continue
        text = event.screen.response(event.target).text
        yield (
            "unpaired",
            {"prompt": chat(event.screen.prompt), "completion": completion(text), "label": label},
        )
    for better, worse in permutations(events, 2):
        high, low = overall(better), overall(worse)
        if high is None or low is None or high - low < CLEAR_GAP or scale(better) != scale(worse):
            continue
        yield (
            "preference",
            {
                "prompt": chat(better.screen.prompt),
                "chosen": completion(better.screen.response(better.target).text),
                "rejected": completion(worse.screen.response(worse.target).text),
                "margin": float(high - low),
            },
        )
