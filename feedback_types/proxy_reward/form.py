"""What the browser sends when a reward is stated.

Fields: `w_0`, `w_1`, … the weights in the order of the settings; `j_<criterion>_<response id>` a level of a rubric;
`program`; and `tried`, which the script fills with what was on the screen before: `[[4100, [2, -1]], …]` or
`[[900, "words / 100"], …]`, milliseconds first. Without scripts `tried` is empty and only what is sent was tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.proxy_reward import features, offer, program
from feedback_types.proxy_reward.order import ranks
from feedback_types.proxy_reward.schema import MOST_PROGRAMS, MOST_TRIED, ProxyPayload, ProxySettings, Tried


class ProxyForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: ProxySettings = self.settings
        self.fields["tried"] = forms.CharField(required=False, max_length=200_000, widget=forms.HiddenInput)
        if settings.mode == "program":
            self.fields["program"] = forms.CharField(
                label=_("Reward program"),
                required=False,
                max_length=program.LONGEST,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off"}),
            )
            return
        if settings.mode == "sliders" or settings.weigh:
            for i, name in enumerate(settings.names):
                weight = forms.IntegerField(
                    label=_("Weight of %(name)s") % {"name": self.label(name)},
                    required=False,
                    min_value=-settings.widest,
                    max_value=settings.widest,
                    initial=offer.start(settings)[name],
                    widget=forms.NumberInput(attrs={"type": "range", "step": "1"}),
                )
                self.fields[f"w_{i}"] = weight
        if settings.mode == "rubric":
            for i, name in enumerate(settings.criteria):
                for response in self.screen.responses:
                    label = _("%(response)s: %(criterion)s") % {
                        "response": self.screen.letter(response.id),
                        "criterion": name,
                    }
                    self.fields[f"j_{i}_{response.id}"] = forms.ChoiceField(
                        label=label, choices=levels(settings), required=False, widget=forms.RadioSelect
                    )

    def label(self, name: str) -> str:
        return str(features.FEATURES[name].label) if self.settings.mode == "sliders" else name

    # For the template

    def sliders(self) -> Iterator[dict[str, Any]]:
        """Each feature with its field, its meaning, and what every response has of it."""
        table = [features.counts(r.text) for r in self.screen.responses]
        for i, name in enumerate(self.settings.features):
            yield {
                "field": self[f"w_{i}"],
                "label": features.FEATURES[name].label,
                "meaning": features.FEATURES[name].meaning,
                "counts": [
                    (letter, short(row[name])) for letter, row in zip(self.letters, table, strict=True)
                ],
            }

    def criteria(self) -> Iterator[dict[str, Any]]:
        for i, name in enumerate(self.settings.criteria):
            yield {
                "name": name,
                "weight": self[f"w_{i}"] if self.settings.weigh else None,
                "cells": [(response, letter, self[f"j_{i}_{response}"]) for response, letter in self.pool],
            }

    @property
    def letters(self) -> list[str]:
        return [self.screen.letter(response.id) for response in self.screen.responses]

    @property
    def pool(self) -> list[tuple[int, str]]:
        return [(response.id, self.screen.letter(response.id)) for response in self.screen.responses]

    @property
    def values_json(self) -> str:
        """What the script sums: a row of whole numbers for each response, by its id."""
        table = offer.values(self.screen, self.settings)
        return json.dumps({str(r.id): row for r, row in zip(self.screen.responses, table, strict=True)})

    @property
    def known(self) -> list[tuple[str, Any]]:
        """Names that a program may use, with what each counts."""
        return [(name, feature.meaning) for name, feature in features.FEATURES.items()]


def levels(settings: ProxySettings) -> list[tuple[str, str]]:
    if settings.levels == 2:
        return [("1", _("Yes")), ("0", _("No"))]
    return [(str(level), str(level)) for level in range(settings.levels)]


def short(count: float) -> str:
    return f"{count:.0f}" if count >= 10 or count == round(count) else f"{count:.1f}"


# --- Form -> payload -------------------------------------------------------------------------------------------------


def parse(cleaned: Mapping[str, Any], screen: Screen, settings: ProxySettings) -> ProxyPayload | None:
    if settings.mode == "program":
        source = program.normalised(cleaned.get("program") or "")
        if not source:
            return None
        return _payload(cleaned, screen, settings, {"program": source, "program_sha": program.sha_of(source)})
    judgements: dict[str, tuple[int, ...]] = {}
    if settings.mode == "rubric":
        given = {
            (i, r.id): cleaned.get(f"j_{i}_{r.id}") or ""
            for i in range(len(settings.criteria))
            for r in screen.responses
        }
        if not any(given.values()):
            return None
        missing = [where for where, level in given.items() if not level]
        if missing:
            sentence = _("Judge this too.")
            raise InvalidPayload({f"j_{i}_{response}": [sentence] for i, response in missing})
        judgements = {
            name: tuple(int(given[i, r.id]) for r in screen.responses)
            for i, name in enumerate(settings.criteria)
        }
    first = offer.start(settings)
    weights = {name: _whole(cleaned.get(f"w_{i}"), first[name]) for i, name in enumerate(settings.names)}
    if settings.mode == "sliders" and not any(weights.values()):
        if len(_read_tried(cleaned, settings)) > 1:
            raise InvalidPayload({"w_0": [_("Every weight is 0, which ranks nothing; move one.")]})
        return None
    return _payload(cleaned, screen, settings, {"weights": weights, "judgements": judgements})


def _whole(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _payload(
    cleaned: Mapping[str, Any], screen: Screen, settings: ProxySettings, stated: dict[str, Any]
) -> ProxyPayload:
    now = Tried(weights=stated.get("weights", {}), program=stated.get("program"))
    tried = _read_tried(cleaned, settings)
    if not tried or tried[-1].key != now.key:
        tried = [*tried[: MOST_TRIED - 1], now]
    draft = ProxyPayload(
        mode=settings.mode,
        feature_set=features.VERSION,
        tried=tuple(tried),
        pool=tuple(response.id for response in screen.responses),
        ranks=(1,) * len(screen.responses),
        **stated,
    )
    try:
        order = ranks(offer.scores(screen, settings, draft))
    except program.ProgramError as error:
        raise InvalidPayload({"program": [str(error)]}) from error
    return draft.model_copy(update={"ranks": tuple(order)})


def _read_tried(cleaned: Mapping[str, Any], settings: ProxySettings) -> list[Tried]:
    written = cleaned.get("tried") or ""
    if not written:
        return []
    try:
        rows = json.loads(written)
        return [_tried(row, settings) for row in rows][:MOST_TRIED]
    except (ValueError, TypeError, KeyError, RecursionError, ValidationError):
        sentence = _("What was tried cannot be read; reload the page.")
        raise InvalidPayload({"tried": [sentence]}) from None


def _tried(row: Any, settings: ProxySettings) -> Tried:
    t_ms, said = row
    if settings.mode == "program":
        return Tried(program=said, t_ms=t_ms)
    return Tried(weights=dict(zip(settings.names, said, strict=True)), t_ms=t_ms)


def to_form(payload: ProxyPayload, screen: Screen, settings: ProxySettings) -> dict[str, Any]:
    rows: Sequence[Any] = [
        [t.t_ms, t.program if payload.mode == "program" else [t.weights[n] for n in settings.names]]
        for t in payload.tried
    ]
    data: dict[str, Any] = {"tried": json.dumps(rows, ensure_ascii=False, separators=(",", ":"))}
    if payload.mode == "program":
        return data | {"program": cast(str, payload.program)}
    if settings.mode == "sliders" or settings.weigh:
        data |= {f"w_{i}": str(payload.weights[name]) for i, name in enumerate(settings.names)}
    for i, name in enumerate(settings.criteria if settings.mode == "rubric" else ()):
        data |= {
            f"j_{i}_{response}": str(level)
            for response, level in zip(payload.pool, payload.judgements[name], strict=True)
        }
    return data


# --- Rules that need the screen or the settings ----------------------------------------------------------------------


def validate(payload: ProxyPayload, screen: Screen, settings: ProxySettings) -> None:
    """Raises InvalidPayload."""
    errors: dict[str, list[str]] = {}
    shown = tuple(response.id for response in screen.responses)
    if payload.mode != settings.mode:
        raise InvalidPayload(
            {"mode": [_("This question asks for %(mode)s; send that.") % {"mode": settings.mode}]}
        )
    if payload.pool != shown:
        raise InvalidPayload(
            {"pool": [_("Name the responses as shown: %(ids)s.") % {"ids": ", ".join(map(str, shown))}]}
        )
    if payload.feature_set != features.VERSION:
        errors["feature_set"] = [_("The features have version %(n)d; send that.") % {"n": features.VERSION}]
    if payload.mode == "program":
        if len({t.program for t in payload.tried}) > MOST_PROGRAMS:
            errors["tried"] = [_("Name at most %(n)d different programs.") % {"n": MOST_PROGRAMS}]
        if payload.program != program.normalised(payload.program or ""):
            errors["program"] = [_("Write the program on one line, without spaces at its ends.")]
    for tried in payload.tried:
        if fault := _fault(tried, settings):
            errors.setdefault("tried", [fault])
    if fault := _fault(payload.stated, settings):
        errors["weights" if payload.mode != "program" else "program"] = [fault]
    if payload.mode != "program" and not any(payload.weights.values()):
        errors["weights"] = [_("Every weight is 0, which ranks nothing; move one.")]
    if payload.mode == "rubric" and not _judges(payload, settings):
        errors["judgements"] = [
            _("Judge each of %(names)s for each response, from 0 to %(most)d.")
            % {"names": ", ".join(settings.criteria), "most": settings.levels - 1}
        ]
    if errors:
        raise InvalidPayload(errors)
    try:
        order = ranks(offer.scores(screen, settings, payload))
    except program.ProgramError as error:
        raise InvalidPayload({"program": [str(error)]}) from error
    if list(payload.ranks) != order:
        raise InvalidPayload(
            {"ranks": [_("This ranks them %(ranks)s; send that.") % {"ranks": ", ".join(map(str, order))}]}
        )


def _fault(stated: Tried, settings: ProxySettings) -> str:
    """What is wrong with one setting, in a sentence."""
    if settings.mode == "program":
        return (
            "" if stated.program is not None and not stated.weights else _("Name a program, and no weights.")
        )
    names = settings.names
    if set(stated.weights) != set(names) or stated.program is not None:
        return _("Give a weight to each of: %(names)s.") % {"names": ", ".join(names)}
    if settings.mode == "rubric" and not settings.weigh:
        return "" if set(stated.weights.values()) == {1} else _("Every criterion counts 1 here.")
    if not all(abs(weight) <= settings.widest for weight in stated.weights.values()):
        return _("Weights go from %(low)d to %(high)d.") % {"low": -settings.widest, "high": settings.widest}
    return ""


def _judges(payload: ProxyPayload, settings: ProxySettings) -> bool:
    return set(payload.judgements) == set(settings.criteria) and all(
        len(row) == len(payload.pool) and all(0 <= level < settings.levels for level in row)
        for row in payload.judgements.values()
    )
