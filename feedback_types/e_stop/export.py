"""Stops as unpaired preferences: a response stopped because it was bad or unsafe is labelled False. Nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion
from feedback_types.e_stop.schema import JUDGING

VIEWS = {
    "unpaired": gettext_lazy(
        "Only stops for bad or unsafe appear, as label False for the whole response; lost are place and time of the stop, "
        "the sentences that were let pass, every run to the end (not stopping is no praise), broken-off runs, and stops for "
        "enough, already known or by accident."
    )
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        if event.payload.outcome == "stopped" and event.payload.reason in JUDGING:
            text = event.payload.shown(event.screen.response(event.target).text)
            yield (
                "unpaired",
                {"prompt": chat(event.screen.prompt), "completion": completion(text), "label": False},
            )
