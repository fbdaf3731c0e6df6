"""What sets that label the steps or turns of one response share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from annotation.replay.sets.base import UNKNOWN, Case, Said
from feedback_types.base import InvalidPayload, Question, Screen

Labels = Sequence[int | None]


def joined(steps: Sequence[str]) -> tuple[str, list[int]]:
    """A response whose steps are the set's own, and where each ends: one a line, or a paragraph each where one has lines."""
    between = "\n\n" if any("\n" in step for step in steps) else "\n"
    parts = [step + between for step in steps[:-1]] + list(steps[-1:])
    return "".join(parts), list(accumulate(map(len, parts)))


def labelled(
    labels: Labels, first_error: int | None, ends: Sequence[int] | None = None
) -> Callable[..., Any]:
    """Labels of the response's segments, in order.

    ends: where the set's own segments end; an answer is only given where the question cuts the response there too.
    """

    def payload(screen: Screen, question: Question) -> list[tuple[int | None, Any]]:
        (response,) = screen.responses
        cut = question.type.choice_set(screen, question.settings)["segments"][str(response.id)]
        if len(cut) != len(labels) or (ends is not None and cut != list(ends)):
            raise InvalidPayload("The question cuts the response into other segments than the set.")
        answer = {
            "reading": "labels",
            "unit": question.settings.unit,
            "segments": cut,
            "labels": list(labels),
            "first_error_index": first_error,
            "drawn": None,
            "curve": [],
            "pairs": [],
        }
        return [(response.id, answer)]

    return payload


def first_error(steps: Sequence[str], at: int | None) -> Callable[..., Any]:
    """The first wrong step, or None: those before it are right, those after it are not labelled."""
    _text, ends = joined(steps)
    n = len(steps)
    labels: list[int | None] = [1] * n if at is None else [1] * at + [-1] + [None] * (n - at - 1)
    return labelled(labels, at, ends)


def dialogue(external_id: str, turns: Sequence[tuple[str, str, int | None]], key: str, source: str) -> Case:
    """A dialogue of (user, assistant, label) turns; the last reply is the response."""
    said: list[str] = [text for user, assistant, _label in turns for text in (user, assistant)]
    roles = ["user", "assistant"] * len(turns)
    prompt = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)][:-1]
    labels = [label for _user, _assistant, label in turns]
    return Case(
        external_id,
        prompt,
        [{"content": said[-1], "source": source}],
        [Said(UNKNOWN, {key: labelled(labels, None)})],
    )
