"""What a feature trace offers, in words and as the choice set that is stored with the answer.

{"feature": "formality", "definition": "…", "definition_version": 1, "mode": "order", "source": null,
 "options": [{"value": 3, "label": "A"}, …], "levels": [0.0, 0.1, … 1.0], "size": 330}

`options` are what is put in order, or "more" and "less" for a rewrite; `levels` is null where they are not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from math import comb, factorial
from typing import Any

from django.utils.translation import gettext as _

from feedback_types.base import Screen
from feedback_types.feature_trace.schema import STEPS, TracePayload, TraceSettings

LEVELS = [step / STEPS for step in range(STEPS + 1)]


def verdicts(settings: TraceSettings) -> list[tuple[str, str, str]]:
    """(value, words, key) of what a rewrite can turn out to be."""
    name = {"feature": settings.feature}
    return [
        ("more", _("My version has more %(feature)s") % name, "m"),
        ("less", _("My version has less %(feature)s") % name, "l"),
    ]


def choice_set(screen: Screen, settings: TraceSettings) -> dict[str, Any]:
    is_order = settings.mode == "order"
    if is_order:
        options = [{"value": r.id, "label": screen.letter(r.id)} for r in screen.responses]
        size = factorial(len(options))
    else:
        options = [{"value": value, "label": words} for value, words, _key in verdicts(settings)]
        size = len(options)
    return {
        "feature": settings.feature,
        "definition": settings.definition,
        "definition_version": settings.definition_version,
        "mode": settings.mode,
        "source": None if is_order else screen.responses[0].id,
        "options": options,
        "levels": LEVELS if settings.levels else None,
        "size": size * (comb(len(LEVELS), 2) if settings.levels else 1),
    }


def answers(payload: TracePayload, offered: Mapping[str, Any]) -> list[TracePayload]:
    """Every answer of a choice set; of a rewrite those about the text that was written."""
    values = [option["value"] for option in offered["options"]]
    if payload.rewrite is None:
        found = [payload.model_copy(update={"ordered_ids": order}) for order in permutations(values)]
    else:
        found = [
            payload.model_copy(update={"rewrite": payload.rewrite.model_copy(update={"has": value})})
            for value in values
        ]
    if offered["levels"] is None:
        return found
    return [
        answer.model_copy(update={"start_level": low, "end_level": high})
        for answer in found
        for low in offered["levels"]
        for high in offered["levels"]
        if low < high
    ]
