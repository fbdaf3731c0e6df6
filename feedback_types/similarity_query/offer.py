"""What a similarity query offers: three pairs, or the two that hold the reference.

{"items": [5, 2, 9], "reference": null, "instruction": "…", "instruction_version": 1,
 "options": [{"pair": [2, 9], "label": "A is the odd one out"}, …]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Screen
from feedback_types.similarity_query.schema import SimilarityPayload, SimilaritySettings


def instruction(settings: SimilaritySettings) -> str:
    """What "alike" means, as the labeler reads it."""
    return settings.instruction or _(
        "Look at what matters for how good a response is, not at its length or layout."
    )


def reference(screen: Screen, settings: SimilaritySettings) -> int | None:
    """The response the others are held against: the first of the item, which has the smallest id."""
    return min(r.id for r in screen.responses) if settings.mode == "reference" else None


def choices(screen: Screen, settings: SimilaritySettings) -> list[tuple[int, int, str]]:
    """(position of the key, response id, words) of each answer: the odd one out, or the one that is like the reference."""
    fixed = reference(screen, settings)
    found = []
    for place, response in enumerate(screen.responses, start=1):
        letter = screen.letter(response.id)
        if fixed is None:
            found.append((place, response.id, _("%(odd)s is the odd one out") % {"odd": letter}))
        elif response.id != fixed:
            words = _("%(one)s is more like %(reference)s")
            found.append((place, response.id, words % {"one": letter, "reference": screen.letter(fixed)}))
    return found


def payload(screen: Screen, settings: SimilaritySettings, chosen: int) -> SimilarityPayload:
    """The answer of one choice."""
    items, fixed = tuple(r.id for r in screen.responses), reference(screen, settings)
    pair = [item for item in items if item != chosen] if fixed is None else [fixed, chosen]
    return SimilarityPayload(
        items=items,
        pair=tuple(sorted(pair)),
        reference=fixed,
        instruction_version=settings.instruction_version,
    )


def choice_set(screen: Screen, settings: SimilaritySettings) -> dict[str, Any]:
    return {
        "items": [r.id for r in screen.responses],
        "reference": reference(screen, settings),
        "instruction": instruction(settings),
        "instruction_version": settings.instruction_version,
        "options": [
            {"pair": list(payload(screen, settings, chosen).pair), "label": words}
            for _place, chosen, words in choices(screen, settings)
        ],
    }


def pairs(offered: Mapping[str, Any]) -> list[Sequence[int]]:
    return [option["pair"] for option in offered["options"]]
