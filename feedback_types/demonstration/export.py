"""Demonstrations as texts to imitate; as preferences only where the campaign asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion

VIEWS = {
    "prompt_completion": gettext_lazy(
        "The text that was written; lost are what it was written from, the responses it can be compared with, effort and "
        "pasting."
    ),
    "preference": gettext_lazy(
        "Only where the campaign asks for it: the demonstration over each response. Nobody has compared them, and whatever "
        "tells people's writing from the policy's counts as quality; the rows of one text count as if they were independent."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        prompt, written = chat(event.screen.prompt), completion(event.payload.text)
        yield "prompt_completion", {"prompt": prompt, "completion": written}
        if event.settings.pairs:
            for response in event.screen.responses:
                rejected = completion(response.text)
                yield "preference", {"prompt": prompt, "chosen": written, "rejected": rejected}
