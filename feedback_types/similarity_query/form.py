"""What the browser sends for a similarity query: one radio button, the id of the response that was pointed at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.similarity_query import offer
from feedback_types.similarity_query.schema import SimilarityPayload, SimilaritySettings


class SimilarityForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.offered = offer.choices(self.screen, self.settings)
        self.instruction = offer.instruction(self.settings)
        self.fixed = offer.reference(self.screen, self.settings)
        if self.fixed is None:
            question = _("Which one is the odd one out?")
        else:
            question = _("Which one is more like %(reference)s?") % {
                "reference": self.screen.letter(self.fixed)
            }
        self.fields["chosen"] = forms.ChoiceField(
            label=question,
            choices=[(str(response), words) for _place, response, words in self.offered],
            required=False,
            widget=forms.RadioSelect,
        )

    def options(self) -> Iterator[tuple[forms.boundfield.BoundWidget, int, str, str]]:
        """For the template: radio button, key, letter of the response, and what the choice says about the others."""
        for radio, (place, response, words) in zip(self["chosen"], self.offered, strict=True):
            others = [self.screen.letter(r.id) for r in self.screen.responses if r.id != response]
            alike = _("%(one)s and %(other)s are alike") % {"one": others[0], "other": others[1]}
            yield radio, place, words, alike if self.fixed is None else ""


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: SimilaritySettings
) -> SimilarityPayload | None:
    chosen = cleaned.get("chosen") or ""
    return offer.payload(screen, settings, int(chosen)) if chosen else None


def to_form(payload: SimilarityPayload) -> dict[str, Any]:
    if payload.reference is None:
        return {"chosen": str(payload.odd)}
    return {"chosen": str(next(item for item in payload.pair if item != payload.reference))}


def validate(payload: SimilarityPayload, screen: Screen, settings: SimilaritySettings) -> None:
    """Rules that need the screen or the settings. Raises InvalidPayload."""
    shown, fixed = tuple(r.id for r in screen.responses), offer.reference(screen, settings)
    if payload.items != shown:
        ids = ", ".join(map(str, shown))
        raise InvalidPayload({"items": [_("Name the responses as shown: %(ids)s.") % {"ids": ids}]})
    if payload.reference != fixed:
        wanted = "null" if fixed is None else str(fixed)
        raise InvalidPayload(
            {"reference": [_("This campaign compares with: %(reference)s.") % {"reference": wanted}]}
        )
    if payload.instruction_version != settings.instruction_version:
        raise InvalidPayload(
            {
                "instruction_version": [
                    _("This campaign asks by version %(n)d of the instruction.")
                    % {"n": settings.instruction_version}
                ]
            }
        )
