"""Edits as preferences and as texts to imitate; only those that the labeler found better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion

VIEWS = {
    "preference": gettext_lazy(
        "Edited over original, only if the labeler confirmed it is better; lost are the edits that were not, where and what "
        "was changed, the suggestions it was chosen from, and the effort. The editor wrote the winner, so as a comparison "
        "such a pair says more than it should."
    ),
    "prompt_completion": gettext_lazy(
        "The edited text, only if confirmed; lost are the original, so also that most words were left as they were, "
        "the place of the change, and the effort."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        if not event.payload.confirm_better:
            continue
        prompt, edited = chat(event.screen.prompt), completion(event.payload.edited_text)
        yield (
            "preference",
            {
                "prompt": prompt,
                "chosen": edited,
                "rejected": completion(event.screen.response(event.target).text),
            },
        )
        yield "prompt_completion", {"prompt": prompt, "completion": edited}
