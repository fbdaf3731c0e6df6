"""What the browser sends about one response.

Fields: `label_0`, `label_1`, … for labels; `better_0`, … for the order of moments; `curve` and `drawn` for a curve
that a script draws ("offset,ms,value" by semicolons), `value_0`, … (0 to 100) for one that is typed; `nothing` where there
is nothing to ask about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.inter_temporal import offer
from feedback_types.inter_temporal.schema import LAG_MS, InterTemporalPayload, InterTemporalSettings

POINT = re.compile(r"(\d{1,9}),(\d{1,9}),(\d(?:\.\d{1,20})?)")
UNSURE = "unsure"
SNIPPET = 160  # code points of a segment that the strip repeats


class InterTemporalForm(AnswerForm):
    lag_ms = LAG_MS

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: InterTemporalSettings = self.settings
        self.letter = self.screen.letter(self.target) if self.target is not None else ""
        self.segments = offer.cut(self.screen, self.target, settings.unit)
        self.snippets = [
            Truncator(" ".join(text.split())).chars(SNIPPET)
            for text in offer.words(self.screen, self.target, settings.unit, self.segments)
        ]
        self.pairs = offer.moments(self.screen, self.target, settings) if settings.reading == "order" else []
        add = {"labels": self._labels, "curve": self._curve, "order": self._order}[settings.reading]
        if self.is_empty:
            self.fields["nothing"] = forms.BooleanField(
                label=_("There is nothing to judge here"), required=False
            )
        else:
            add()

    @property
    def is_empty(self) -> bool:
        return not (self.pairs if self.settings.reading == "order" else self.segments)

    def _labels(self) -> None:
        options = [("", _("no label")), *((str(v), words) for v, words, _key in offer.labels(self.settings))]
        if self.settings.unsure:
            options.append((UNSURE, _("Cannot tell")))
        for n in range(len(self.segments)):
            self.fields[f"label_{n}"] = forms.ChoiceField(
                label=self.name(n), choices=options, required=False, widget=forms.RadioSelect
            )

    def _curve(self) -> None:
        self.fields["drawn"] = forms.ChoiceField(
            choices=[(how, how) for how in ("live", "after")], required=False, widget=forms.HiddenInput
        )
        self.fields["curve"] = forms.CharField(max_length=200_000, required=False, widget=forms.HiddenInput)
        for n in range(len(self.segments)):
            self.fields[f"value_{n}"] = forms.FloatField(
                label=self.name(n),
                min_value=0,
                max_value=100,
                required=False,
                widget=forms.NumberInput(attrs={"step": 1}),
            )

    def _order(self) -> None:
        options = [("first", _("The earlier one")), ("equal", _("Equal")), ("second", _("The later one"))]
        for n in range(len(self.pairs)):
            self.fields[f"better_{n}"] = forms.ChoiceField(
                label=_("Which is better?"), choices=options, required=False, widget=forms.RadioSelect
            )

    def name(self, n: int) -> str:
        """What people call a segment."""
        where = {"n": n + 1, "of": len(self.segments)}
        return {
            "step": _("Step %(n)d of %(of)d"),
            "sentence": _("Sentence %(n)d of %(of)d"),
            "turn": _("Turn %(n)d of %(of)d"),
        }[self.settings.unit] % where

    # For the template

    def label_rows(self) -> Iterator[tuple[forms.BoundField, str, list[tuple[Any, str]]]]:
        keys = {str(value): key for value, _words, key in offer.labels(self.settings)} | {UNSURE: "4"}
        for n, snippet in enumerate(self.snippets):
            field = self[f"label_{n}"]
            yield field, snippet, [(radio, keys.get(str(radio.data["value"]), "")) for radio in field]

    def value_rows(self) -> Iterator[tuple[forms.BoundField, str]]:
        for n, snippet in enumerate(self.snippets):
            yield self[f"value_{n}"], snippet

    def pair_rows(self) -> Iterator[tuple[forms.BoundField, str, list[tuple[Any, str, str]]]]:
        for n, (first, second) in enumerate(self.pairs):
            field = self[f"better_{n}"]
            snippets = (self.snippets[first], "", self.snippets[second])
            yield field, f"{first},{second}", list(zip(field, snippets, ("←", "↓", "→"), strict=True))


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: InterTemporalSettings, target: int | None
) -> InterTemporalPayload | None:
    given = offer.blank(screen, target, settings)
    try:
        if "nothing" in cleaned:
            return given if cleaned["nothing"] else None
        read = {"labels": _read_labels, "curve": _read_curve, "order": _read_order}[settings.reading]
        changed = read(cleaned, given, screen, settings, target)
        return None if changed is None else offer.rebuilt(given, **changed)
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def _read_labels(
    cleaned: Mapping[str, Any],
    given: InterTemporalPayload,
    screen: Screen,
    settings: InterTemporalSettings,
    target: int | None,
) -> dict[str, Any] | None:
    said = [cleaned.get(f"label_{n}") or "" for n in range(len(given.segments))]
    if not any(said):
        return None
    first = said.index("-1") if settings.stop_at_error and "-1" in said else None
    errors: dict[str, list[str]] = {}
    for n, label in enumerate(said):
        if first is not None and n > first and label:
            errors[f"label_{n}"] = [
                _("Segment %(n)d is the first error; leave those after it without a label.")
                % {"n": first + 1}
            ]
        elif not label and (first is None or n < first):
            errors[f"label_{n}"] = [_("Label this segment too.")]
    if errors:
        raise InvalidPayload(errors)
    labels = tuple(int(label) if label not in ("", UNSURE) else None for label in said)
    return {"labels": labels, "first_error_index": first}


def _read_curve(
    cleaned: Mapping[str, Any],
    given: InterTemporalPayload,
    screen: Screen,
    settings: InterTemporalSettings,
    target: int | None,
) -> dict[str, Any] | None:
    if written := (cleaned.get("curve") or "").strip():
        found = [POINT.fullmatch(part.strip()) for part in written.split(";")]
        if not all(found):
            raise InvalidPayload({"curve": [_("The curve could not be read; draw it again.")]})
        points = [(int(m[1]), int(m[2]), float(m[3])) for m in found if m]
        return {"drawn": cleaned.get("drawn") or settings.draw, "curve": tuple(points)}
    typed = [cleaned.get(f"value_{n}") for n in range(len(given.segments))]
    if all(value is None for value in typed):
        return None
    if missing := {
        f"value_{n}": [_("Say this one too, from 0 to 100.")] for n, v in enumerate(typed) if v is None
    }:
        raise InvalidPayload(missing)
    heights = [round(value / 100, 8) for value in typed if value is not None]
    starts = [0, *given.segments]
    return {
        "drawn": "typed",
        "curve": tuple((start, None, h) for start, h in zip(starts, [*heights, heights[-1]], strict=True)),
    }


def _read_order(
    cleaned: Mapping[str, Any],
    given: InterTemporalPayload,
    screen: Screen,
    settings: InterTemporalSettings,
    target: int | None,
) -> dict[str, Any] | None:
    asked = offer.moments(screen, target, settings)
    said = [cleaned.get(f"better_{n}") or "" for n in range(len(asked))]
    if not any(said):
        return None
    if missing := {f"better_{n}": [_("Order this pair too.")] for n, better in enumerate(said) if not better}:
        raise InvalidPayload(missing)
    pairs = [offer.Pair(first=a, second=b, better=better) for (a, b), better in zip(asked, said, strict=True)]  # type: ignore[arg-type]
    return {"pairs": tuple(pairs)}


def to_form(payload: InterTemporalPayload, settings: InterTemporalSettings) -> dict[str, Any]:
    if not (payload.pairs if payload.reading == "order" else payload.segments):
        return {"nothing": "on"}
    if payload.reading == "order":
        return {f"better_{n}": pair.better for n, pair in enumerate(payload.pairs)}
    if payload.reading == "labels":
        return {
            f"label_{n}": UNSURE if label is None else str(label)
            for n, label in enumerate(payload.labels)
            if label is not None or payload.first_error_index is None
        }
    if payload.drawn == "typed":
        return {f"value_{n}": f"{100 * height:.10g}" for n, height in enumerate(payload.heights)}
    points = ";".join(f"{offset},{ms},{value!r}" for offset, ms, value in payload.curve)
    return {"drawn": payload.drawn, "curve": points}


def validate(
    payload: InterTemporalPayload, screen: Screen, settings: InterTemporalSettings, target: int | None
) -> None:
    """Rules that need the text or the settings. Raises InvalidPayload."""
    segments = offer.cut(screen, target, settings.unit)
    errors: dict[str, list[str]] = {}
    for name in ("reading", "unit"):
        if getattr(payload, name) != getattr(settings, name):
            errors[name] = [_("This question asks for “%(name)s”.") % {"name": getattr(settings, name)}]
    if list(payload.segments) != segments:
        errors["segments"] = [_("These are not the segments of the response; read them from the choice set.")]
    if not errors:
        _validate_labels(payload, settings, len(segments), errors)
        _validate_curve(payload, settings, screen.response(target).text, errors)
        asked = offer.moments(screen, target, settings) if settings.reading == "order" else []
        if [(pair.first, pair.second) for pair in payload.pairs] != asked:
            words = ", ".join(f"{a}–{b}" for a, b in asked) or "–"
            errors["pairs"] = [_("Order exactly these pairs of segments: %(pairs)s.") % {"pairs": words}]
    if errors:
        raise InvalidPayload(errors)


def _validate_labels(
    payload: InterTemporalPayload, settings: InterTemporalSettings, n: int, errors: dict[str, list[str]]
) -> None:
    wanted = n if settings.reading == "labels" else 0
    if len(payload.labels) != wanted:
        errors["labels"] = [
            _("There are %(n)d segments to label; send one label for each, null where there is none.")
            % {"n": wanted}
        ]
        return
    values = [value for value, _words, _key in offer.labels(settings)]
    if any(label not in (*values, None) for label in payload.labels):
        errors["labels"] = [_("Choose one of: %(values)s.") % {"values": ", ".join(map(str, values))}]
    first = payload.labels.index(-1) if settings.stop_at_error and -1 in payload.labels else None
    if payload.first_error_index != first:
        errors["first_error_index"] = [
            _("Give the index of the first -1 here, and nothing after it.")
            if settings.stop_at_error
            else _("Here every segment is labelled; leave this empty.")
        ]
    elif not settings.unsure and None in payload.labels[: wanted if first is None else first]:
        errors["labels"] = [_("Label every segment, up to the first error.")]


def _validate_curve(
    payload: InterTemporalPayload, settings: InterTemporalSettings, text: str, errors: dict[str, list[str]]
) -> None:
    is_asked = settings.reading == "curve"
    if is_asked != (payload.drawn is not None):
        errors["drawn"] = [_("Say how the curve was drawn.") if is_asked else _("There is no curve here.")]
    offsets = [offset for offset, _ms, _value in payload.curve]
    if is_asked and text and (not offsets or offsets[0] != 0 or offsets[-1] != len(text)):
        errors["curve"] = [
            _("The curve goes from 0 to the end of the response at %(n)d; draw it to the end.")
            % {"n": len(text)}
        ]
    elif offsets and not (is_asked and text):
        errors["curve"] = [_("There is no curve here.")]
