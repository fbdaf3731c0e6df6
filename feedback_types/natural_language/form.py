"""What the browser sends for a comment on one response.

Fields: `verdict`, `text`, `language` (empty: as its letters tell), `turn`, `words` or `start` and `end` (what the comment is
about), `aspect_0`, `aspect_1`, … and `better_0`, … (each revision that came with the item). Scripts also fill `suggested`
("accuracy:-1;tone:1": what the page offered) and `written`, the revisions of the live policy as a JSON list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django import forms
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen, unstorable
from feedback_types.natural_language import offer
from feedback_types.natural_language.aspects import language_of
from feedback_types.natural_language.schema import (
    LONGEST_COMMENT,
    Aspect,
    NaturalLanguagePayload,
    NaturalLanguageSettings,
    Refinement,
)
from feedback_types.segments import segment_ends

SAID = ("-1", "1")


class NaturalLanguageForm(AnswerForm):
    text = forms.CharField(
        strip=False,
        required=False,
        max_length=LONGEST_COMMENT + 2000,  # line ends count twice on the way; the payload has the last word
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "true"}),
    )
    language = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: NaturalLanguageSettings = self.settings
        self.letter = self.screen.letter(cast(int, self.target))
        self.fields["text"].label = _("Comment")
        self.fields["language"].label = _("Language")
        cast(forms.ChoiceField, self.fields["language"]).choices = [
            ("", _("as its letters tell")),
            *((tag, tag) for tag in settings.languages),
        ]
        if settings.verdict != "off":
            options = [(str(value), label) for value, label, _key in offer.verdicts(settings)]
            self.fields["verdict"] = forms.ChoiceField(
                label=_("Verdict"), choices=options, required=False, widget=forms.RadioSelect
            )
        if settings.about == "turn":
            self.fields["turn"] = forms.ChoiceField(
                label=_("Turn"), choices=self._turns(), required=False, widget=forms.RadioSelect
            )
        if settings.about == "span":
            self.fields["words"] = forms.CharField(
                label=_("The words it is about"), required=False, strip=False
            )
            for name in ("start", "end"):
                self.fields[name] = forms.IntegerField(
                    min_value=0, max_value=10_000_000, required=False, widget=forms.HiddenInput
                )
        for number, name in enumerate(settings.aspects):
            self.fields[f"aspect_{number}"] = forms.ChoiceField(
                label=name,
                choices=[("", _("not said")), ("-1", _("bad")), ("1", _("good"))],
                required=False,
                widget=forms.RadioSelect,
            )
        if settings.aspects:
            self.fields["suggested"] = forms.CharField(
                required=False, max_length=500, widget=forms.HiddenInput
            )
        for number, response in enumerate(offer.revisions(self.screen, settings)):
            self.fields[f"better_{number}"] = forms.ChoiceField(
                label=self.screen.letter(response.id),
                choices=[("yes", _("Yes, better")), ("no", _("No, not better"))],
                required=False,
                widget=forms.RadioSelect,
            )
        if settings.refinements == "policy":
            self.fields["written"] = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def _turns(self) -> list[tuple[str, str]]:
        earlier = [
            (str(number), Truncator(" ".join(text.split())).chars(60))
            for number, text in offer.turns(self.screen)
        ]
        return [*earlier, ("response", _("The response"))]

    # For the template

    @property
    def ends(self) -> str:
        """Where the sentences of the response end, for those who go through them by keys."""
        return ",".join(map(str, segment_ends(self.screen.response(self.target).text)))

    def verdict_options(self) -> Iterator[tuple[forms.boundfield.BoundWidget, str]]:
        keys = [key for _value, _label, key in offer.verdicts(self.settings)]
        yield from zip(self["verdict"], keys, strict=True)

    def aspects(self) -> Iterator[tuple[forms.BoundField, int]]:
        for number in range(len(self.settings.aspects)):
            yield self[f"aspect_{number}"], number + 1

    def revisions(self) -> Iterator[tuple[forms.BoundField, int]]:
        for number, response in enumerate(offer.revisions(self.screen, self.settings)):
            yield self[f"better_{number}"], response.id


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: NaturalLanguageSettings, target: int | None
) -> NaturalLanguagePayload | None:
    text = cleaned["text"].replace("\r\n", "\n").replace("\r", "\n")
    verdict = cleaned.get("verdict") or ""
    said = {name: cleaned.get(f"aspect_{n}") or "" for n, name in enumerate(settings.aspects)}
    better = [cleaned.get(f"better_{n}") or "" for n in range(len(offer.revisions(screen, settings)))]
    if not (text.strip() or verdict or any(said.values()) or any(better) or cleaned.get("written")):
        return None
    errors: dict[str, list[str]] = {}
    if settings.verdict != "off" and not verdict:
        errors["verdict"] = [_("Say whether it is good.")]
    if not text.strip():
        errors["text"] = [_("Write what is good or bad, in a word at least.")]
    elif problem := unstorable(text):
        errors["text"] = [problem]
    if better and "yes" not in better and "" in better:
        errors[f"better_{better.index('')}"] = [_("Say whether this version is better than the original.")]
    place: dict[str, int] = {}
    shown: list[Refinement] = []
    suggested: tuple[Aspect, ...] = ()
    try:
        place = _place(cleaned, screen, settings, target)
        suggested = _suggested(cleaned.get("suggested") or "")
        shown = [
            Refinement(text=response.text, source=settings.revised_by, accepted=answer == "yes")
            for response, answer in zip(offer.revisions(screen, settings), better, strict=True)
            if answer
        ] + _written(cleaned.get("written") or "")
    except InvalidPayload as error:
        errors.update(error.errors)
    if errors:
        raise InvalidPayload(errors)
    try:
        return NaturalLanguagePayload(
            text=text,
            language=cleaned.get("language") or language_of(text, settings.languages),
            verdict=int(verdict) if verdict else None,
            suggested=suggested,
            aspects=tuple(_aspect(name, value) for name, value in said.items() if value),
            refinements_shown=tuple(shown),
            **place,
        )
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def _aspect(name: str, polarity: str) -> Aspect:
    return Aspect(name=name, polarity=1 if polarity == "1" else -1)


def _suggested(said: str) -> tuple[Aspect, ...]:
    found = [part.rpartition(":") for part in said.split(";") if part]
    if not all(name and polarity in SAID for name, _colon, polarity in found):
        raise InvalidPayload(
            {"suggested": [_("Send names with :-1 or :1 after them and semicolons between them.")]}
        )
    return tuple(_aspect(name, polarity) for name, _colon, polarity in found)


def _place(
    cleaned: Mapping[str, Any], screen: Screen, settings: NaturalLanguageSettings, target: int | None
) -> dict[str, int]:
    """What the comment is about, as fields of the payload. Raises InvalidPayload."""
    if settings.about == "turn":
        turn = cleaned.get("turn") or ("" if offer.turns(screen) else "response")
        if not turn:
            raise InvalidPayload({"turn": [_("Say which turn the comment is about.")]})
        return {} if turn == "response" else {"turn": int(turn)}
    if settings.about != "span":
        return {}
    start, end = cleaned.get("start"), cleaned.get("end")
    if start is not None and end is not None:
        return {"start": start, "end": end}
    words = (cleaned.get("words") or "").strip()
    if not words:
        raise InvalidPayload({"words": [_("Mark the words that the comment is about.")]})
    at = screen.response(target).text.find(words)
    if at < 0:
        raise InvalidPayload({"words": [_("These words are not in the response; copy them exactly.")]})
    return {"start": at, "end": at + len(words)}


def _written(sent: str) -> list[Refinement]:
    """Revisions of the live policy, as the page tells them. Raises InvalidPayload."""
    if not sent:
        return []
    try:
        told = json.loads(sent)
        if not isinstance(told, list) or any(not isinstance(one, dict) for one in told):
            raise ValueError
        return [Refinement.model_validate({"source": "policy", **one}) for one in told]
    except ValidationError as error:
        raise InvalidPayload({"written": InvalidPayload.from_pydantic(error).errors.popitem()[1]}) from error
    except (ValueError, RecursionError) as error:
        raise InvalidPayload({"written": [_("Send a JSON list of revisions.")]}) from error


def to_form(
    payload: NaturalLanguagePayload, screen: Screen, settings: NaturalLanguageSettings
) -> dict[str, Any]:
    data: dict[str, Any] = {"text": payload.text, "language": payload.language}
    if payload.verdict is not None:
        data["verdict"] = str(payload.verdict)
    if settings.about == "turn":
        data["turn"] = "response" if payload.turn is None else str(payload.turn)
    if payload.start is not None:
        data["start"], data["end"] = str(payload.start), str(payload.end)
    said = {aspect.name: str(aspect.polarity) for aspect in payload.aspects}
    data.update({f"aspect_{n}": said[name] for n, name in enumerate(settings.aspects) if name in said})
    if payload.suggested:
        data["suggested"] = ";".join(f"{a.name}:{a.polarity}" for a in payload.suggested)
    shown = {r.text: r for r in payload.refinements_shown}
    for number, response in enumerate(offer.revisions(screen, settings)):
        if response.text in shown:
            data[f"better_{number}"] = "yes" if shown[response.text].accepted else "no"
    if written := [r.dump() for r in payload.refinements_shown if r.source == "policy"]:
        data["written"] = json.dumps(written, ensure_ascii=False)
    return data


def validate(
    payload: NaturalLanguagePayload, screen: Screen, settings: NaturalLanguageSettings, target: int | None
) -> None:
    """Rules that need the texts or the settings. Raises InvalidPayload."""
    text = screen.response(target).text
    errors: dict[str, list[str]] = {}
    offered = [value for value, _label, _key in offer.verdicts(settings)]
    if offered and payload.verdict not in offered:
        errors["verdict"] = [_("Choose one of: %(values)s.") % {"values": ", ".join(map(str, offered))}]
    if not offered and payload.verdict is not None:
        errors["verdict"] = [_("This question asks for no verdict; leave it empty.")]
    if payload.language not in settings.languages:
        errors["language"] = [_("Name one of: %(names)s.") % {"names": ", ".join(settings.languages)}]
    for field, said in (("aspects", payload.aspects), ("suggested", payload.suggested)):
        if unknown := {a.name for a in said} - set(settings.aspects):
            errors[field] = [
                _("These aspects are not on offer: %(names)s.") % {"names": ", ".join(sorted(unknown))}
            ]
    if payload.turn is not None:
        known = [number for number, _text in offer.turns(screen)]
        if settings.about != "turn" or payload.turn not in known:
            errors["turn"] = [_("Name one of the policy's earlier turns that is on the screen.")]
    if settings.about == "span" and payload.start is None:
        errors["start"] = [_("Mark the words that the comment is about.")]
    elif payload.start is not None and payload.end is not None:
        if settings.about != "span":
            errors["start"] = [_("This question is not about marked words; leave start and end empty.")]
        elif payload.end > len(text):
            errors["end"] = [
                _("The response has %(n)d characters; a mark ends there at the latest.") % {"n": len(text)}
            ]
        elif not text[payload.start : payload.end].strip():
            errors["start"] = [_("A mark covers only white space; mark some words.")]
    if problem := _revisions_wrong(payload, screen, settings, text):
        errors["refinements_shown"] = [problem]
    if errors:
        raise InvalidPayload(errors)


def _revisions_wrong(
    payload: NaturalLanguagePayload, screen: Screen, settings: NaturalLanguageSettings, text: str
) -> str:
    shown = payload.refinements_shown
    if shown and settings.refinements == "off":
        return _("This question shows no revisions; leave them out.")
    if settings.refinements == "responses":
        known = [response.text for response in offer.revisions(screen, settings)]
        if any(r.source != settings.revised_by or r.text not in known for r in shown):
            return _("Name the revisions that came with the item, and who wrote them as the question says.")
        if not any(r.accepted for r in shown) and len(shown) < len(known):
            return _("Say of each revision whether it is better, until one is.")
    if settings.refinements == "policy" and any(r.source != "policy" for r in shown):
        return _("These revisions are written by the policy; say so.")
    if any(r.text == text or not r.text.strip() for r in shown):
        return _("A revision is a text that differs from the original.")
    if any(r.generation is not None and r.source != "policy" for r in shown):
        return _("Only the policy's own revisions name a generation.")
    return ""
