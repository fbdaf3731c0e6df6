"""Traces as pairs of one feature. Which of the two is the better response they do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion

VIEWS = {
    "feature": gettext_lazy(
        "Each two texts of a trace: chosen has more of the feature named in the row, which does not make it better; train "
        "one model for each feature. Lost are the levels, that the rows of one trace are one answer, who answered and how "
        "reliably."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        payload = event.payload
        if payload.rewrite is None:
            texts = [event.screen.response(i).text for i in payload.ordered_ids]
        else:
            texts = [event.screen.response(payload.rewrite.source).text, payload.rewrite.text]
            if payload.rewrite.has == "less":
                texts.reverse()
        for less, more in combinations(texts, 2):
            yield (
                "feature",
                {
                    "prompt": chat(event.screen.prompt),
                    "chosen": completion(more),
                    "rejected": completion(less),
                    "feature": payload.feature,
                },
            )
