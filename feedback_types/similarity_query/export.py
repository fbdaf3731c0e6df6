"""Similarity queries as triplets of texts, for trainers of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event

VIEWS = {
    "triplet": gettext_lazy(
        "Anchor, positive and negative texts; an odd one out gives two rows, one from each side of the pair, which count as "
        "if they were independent. Lost are the prompt, who answered, how reliably, and alike in what."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(view, row) pairs: both ways round, or only from the reference where there was one."""
    for event in events:
        payload = event.payload
        texts = {item: event.screen.response(item).text for item in payload.items}
        for anchor, positive in (payload.pair, payload.pair[::-1]):
            if payload.reference in (None, anchor):
                row = {"anchor": texts[anchor], "positive": texts[positive], "negative": texts[payload.odd]}
                yield "triplet", row
