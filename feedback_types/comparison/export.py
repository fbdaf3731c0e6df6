"""Comparisons in TRL's columns: preference pairs with a margin, and unpaired rows for responses that are all bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from feedback_types.base import Event, chat, completion


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(view, row) pairs; a pair gives one row, a ranking one for each two responses of different rank, the best
    one for each other.

    `margin` is the strength of a pair (1 to 3), the difference in rank of a ranking, 1 for the best of several.
    """
    for event in events:
        payload = event.payload
        if payload.aspect is not None:
            continue  # an aspect is not the quality that preference trainers learn
        prompt = chat(event.screen.prompt)
        texts = [completion(event.screen.response(i).text) for i in payload.items]
        if payload.both_bad:
            for text in texts:
                yield "unpaired", {"prompt": prompt, "completion": text, "label": False}
            continue
        for i, j in permutations(range(len(texts)), 2):
            better, worse = payload.ranks[i], payload.ranks[j]
            if better is None or (worse is not None and better >= worse):
                continue
            gap = 1 if worse is None else worse - better
            if payload.strength is not None:
                gap = abs(payload.strength)
            yield (
                "preference",
                {"prompt": prompt, "chosen": texts[i], "rejected": texts[j], "margin": float(gap)},
            )
