"""What the browser sends for a feature trace; radio buttons, a text area and sliders, so it works without scripts.

An order has one field `rank_<response id>` for each response (1 has the most), a rewrite `text` and `has`; with levels
`start_level`, `end_level` and a box `levels_said`, because a slider always sends something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.feature_trace import offer
from feedback_types.feature_trace.schema import (
    DAY_MS,
    MAX_CHARACTERS,
    NEWLINE,
    STEPS,
    Rewrite,
    TracePayload,
    TraceSettings,
)


class Slider(forms.NumberInput):
    input_type = "range"


class TraceForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: TraceSettings = self.settings
        self.feature = {"feature": settings.feature}
        if settings.mode == "order":
            places = [(str(rank), str(rank)) for rank in range(1, len(self.screen.responses) + 1)]
            for response in self.screen.responses:
                self.fields[f"rank_{response.id}"] = forms.ChoiceField(
                    label=_("Place of %(response)s") % {"response": self.screen.letter(response.id)},
                    choices=places,
                    required=False,
                    widget=forms.RadioSelect,
                )
        else:
            self.source = self.screen.responses[0]
            self.fields["text"] = forms.CharField(
                label=_("Your version"),
                initial=self.source.text,
                strip=False,
                required=False,
                max_length=MAX_CHARACTERS,
                widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}),
            )
            self.fields["has"] = forms.ChoiceField(
                choices=[(value, words) for value, words, _key in offer.verdicts(settings)],
                required=False,
                widget=forms.RadioSelect,
            )
            for name, most in (("keystrokes", 10_000_000), ("edit_ms", DAY_MS)):
                self.fields[name] = forms.IntegerField(
                    min_value=0, max_value=most, required=False, widget=forms.HiddenInput
                )
        if settings.levels:
            for name, words, initial in (
                ("end_level", _("How much %(feature)s the one with the most has"), 1.0),
                ("start_level", _("How much %(feature)s the one with the least has"), 0.0),
            ):
                self.fields[name] = forms.FloatField(
                    label=words % self.feature,
                    initial=initial,
                    required=False,
                    min_value=0,
                    max_value=1,
                    widget=Slider(attrs={"step": 1 / STEPS}),
                )
            self.fields["levels_said"] = forms.BooleanField(label=_("These levels are right"), required=False)

    # For the template

    def places(self) -> Iterator[tuple[int, str, str, forms.BoundField]]:
        """Key, letter, beginning and field of each response."""
        for number, response in enumerate(self.screen.responses, start=1):
            words = " ".join(response.text.split())
            beginning = f"{words[:60]}…" if len(words) > 60 else words
            yield number, self.screen.letter(response.id), beginning, self[f"rank_{response.id}"]

    def verdict_options(self) -> Iterator[tuple[forms.boundfield.BoundWidget, str]]:
        keys = [key for _value, _words, key in offer.verdicts(self.settings)]
        yield from zip(self["has"], keys, strict=True)

    def task(self) -> str:
        """What a rewrite should try."""
        return {
            "either": _("Rewrite the response so that it has more or less %(feature)s."),
            "more": _("Rewrite the response so that it has more %(feature)s."),
            "less": _("Rewrite the response so that it has less %(feature)s."),
        }[self.settings.direction] % self.feature


def parse(cleaned: Mapping[str, Any], screen: Screen, settings: TraceSettings) -> TracePayload | None:
    order = _order(cleaned, screen) if settings.mode == "order" else ()
    rewrite = _rewrite(cleaned, screen) if settings.mode == "rewrite" else None
    if not order and rewrite is None:
        return None
    start, end = 0.0, 1.0
    if settings.levels:
        if not cleaned.get("levels_said"):
            raise InvalidPayload({"levels_said": [_("Set both levels and say that they are right.")]})
        given = cleaned.get("start_level"), cleaned.get("end_level")
        if None in given:
            raise InvalidPayload({"levels_said": [_("Set both levels and say that they are right.")]})
        start, end = (round(cast(float, level) * STEPS) / STEPS for level in given)
        if start >= end:
            raise InvalidPayload({"end_level": [_("The least has a lower level than the most.")]})
    try:
        return TracePayload(
            feature=settings.feature,
            definition_version=settings.definition_version,
            ordered_ids=order,
            rewrite=rewrite,
            start_level=start,
            end_level=end,
        )
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def _order(cleaned: Mapping[str, Any], screen: Screen) -> tuple[int, ...]:
    """Response ids from the least to the most; empty when nothing was placed."""
    given = {r.id: int(cleaned[f"rank_{r.id}"]) for r in screen.responses if cleaned.get(f"rank_{r.id}")}
    if not given:
        return ()
    missing = [r.id for r in screen.responses if r.id not in given]
    if missing:
        raise InvalidPayload({f"rank_{i}": [_("Give this response a place too.")] for i in missing})
    if len(set(given.values())) != len(given):
        twice = [i for i, rank in given.items() if list(given.values()).count(rank) > 1]
        raise InvalidPayload(
            {f"rank_{i}": [_("Two have the same place; decide which has more.")] for i in twice}
        )
    return tuple(sorted(given, key=lambda i: -given[i]))


def _rewrite(cleaned: Mapping[str, Any], screen: Screen) -> Rewrite | None:
    source = screen.responses[0]
    text, has = NEWLINE.sub("\n", cleaned.get("text") or ""), cleaned.get("has") or ""
    if not text.strip() or text == NEWLINE.sub("\n", source.text):
        if has:
            raise InvalidPayload({"text": [_("Change the text first; it is still as it was.")]})
        return None
    if not has:
        raise InvalidPayload({"has": [_("Say whether your version has more or less of it.")]})
    try:
        return Rewrite(
            source=source.id,
            text=text,
            has=cast(Any, has),
            keystrokes=cleaned.get("keystrokes"),
            edit_ms=cleaned.get("edit_ms"),
        )
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def to_form(payload: TracePayload, settings: TraceSettings) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if payload.rewrite is None:
        ranks = enumerate(reversed(payload.ordered_ids), start=1)
        data |= {f"rank_{i}": str(rank) for rank, i in ranks}
    else:
        counts = {"keystrokes": payload.rewrite.keystrokes, "edit_ms": payload.rewrite.edit_ms}
        data |= {"text": payload.rewrite.text, "has": payload.rewrite.has}
        data |= {name: "" if count is None else str(count) for name, count in counts.items()}
    if settings.levels:
        data |= {
            "start_level": str(payload.start_level),
            "end_level": str(payload.end_level),
            "levels_said": "on",
        }
    return data


def validate(payload: TracePayload, screen: Screen, settings: TraceSettings) -> None:
    """Rules that need the screen or the settings. Raises InvalidPayload."""
    errors: dict[str, list[str]] = {}
    if payload.feature != settings.feature:
        errors["feature"] = [_("This campaign asks about %(feature)s.") % {"feature": settings.feature}]
    if payload.definition_version != settings.definition_version:
        errors["definition_version"] = [
            _("This campaign asks by version %(n)d of the definition.") % {"n": settings.definition_version}
        ]
    shown = [r.id for r in screen.responses]
    if settings.mode == "order":
        if payload.rewrite is not None:
            errors["rewrite"] = [_("This campaign asks for an order.")]
        elif sorted(payload.ordered_ids) != sorted(shown):
            ids = ", ".join(map(str, shown))
            errors["ordered_ids"] = [_("Put all responses in order: %(ids)s.") % {"ids": ids}]
    elif payload.rewrite is None:
        errors["ordered_ids"] = [_("This campaign asks for a rewrite.")]
    else:
        errors |= _faults(payload.rewrite, screen)
    if not settings.levels and (payload.start_level, payload.end_level) != (0.0, 1.0):
        errors["start_level"] = [_("This campaign does not ask for levels; they are 0.0 and 1.0.")]
    if errors:
        raise InvalidPayload(errors)


def _faults(rewrite: Rewrite, screen: Screen) -> dict[str, list[str]]:
    source = screen.responses[0]
    if rewrite.source != source.id:
        return {"rewrite.source": [_("The response to rewrite is %(id)d.") % {"id": source.id}]}
    if not rewrite.text.strip():
        return {"rewrite.text": [_("Leave some text.")]}
    if "\r" in rewrite.text:
        return {"rewrite.text": [_("End lines with a line feed alone.")]}
    if rewrite.text == NEWLINE.sub("\n", source.text):
        return {"rewrite.text": [_("Change the text first; it is still as it was.")]}
    return {}
