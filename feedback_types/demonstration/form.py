"""What the browser sends for a demonstration: a text area, and counts that scripts fill in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import ValidationError

from feedback_types.base import AnswerForm, InvalidPayload, Screen
from feedback_types.demonstration import offer
from feedback_types.demonstration.schema import (
    DAY_MS,
    MAX_CHARACTERS,
    NEWLINE,
    DemonstrationPayload,
    DemonstrationSettings,
    prefix_end,
)

COUNTS = {
    "keystrokes": 10_000_000,
    "paste_events": 100_000,
    "paste_chars": 10_000_000,
    "writing_ms": DAY_MS,
}


class DemonstrationForm(AnswerForm):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: DemonstrationSettings = self.settings
        self.prefix_text = offer.given_prefix(self.screen, settings) if settings.start == "prefix" else ""
        self.draft_text = ""
        if settings.start == "draft":
            self.draft_text = NEWLINE.sub("\n", self.screen.responses[0].text)
        self.fields["text"] = forms.CharField(
            label=_("Go on from here") if self.prefix_text else _("Your response"),
            initial=self.draft_text,
            strip=False,
            required=False,
            max_length=2 * MAX_CHARACTERS,
            widget=forms.Textarea(attrs={"rows": 10, "dir": "auto"}),
        )
        if settings.start == "choose":
            drafts = [
                (str(r.id), _("Start from %(letter)s") % {"letter": self.screen.letter(r.id)})
                for r in self.screen.responses
            ]
            self.fields["source"] = forms.ChoiceField(
                label=_("Draft"), choices=drafts, required=False, widget=forms.RadioSelect
            )
        for name, most in COUNTS.items():
            self.fields[name] = forms.IntegerField(
                min_value=0, max_value=most, required=False, widget=forms.HiddenInput
            )

    # For the template

    def drafts(self) -> Iterator[tuple[forms.boundfield.BoundWidget, int]]:
        yield from zip(self["source"], range(1, len(self.screen.responses) + 1), strict=True)


def parse(
    cleaned: Mapping[str, Any], screen: Screen, settings: DemonstrationSettings
) -> DemonstrationPayload | None:
    written = NEWLINE.sub("\n", cleaned.get("text") or "")
    source = None
    if settings.start == "choose":
        source = int(cleaned.get("source") or 0) or None
    elif settings.start != "scratch":
        source = screen.responses[0].id
    is_draft = source is not None and offer.FROM[settings.start] == "draft"
    draft = NEWLINE.sub("\n", screen.response(source).text) if is_draft else ""
    if not written.strip() or written == draft:
        return None
    if settings.start == "choose" and source is None:
        raise InvalidPayload({"source": [_("Say from which response you started.")]})
    prefix = offer.given_prefix(screen, settings) if settings.start == "prefix" else ""
    try:
        return DemonstrationPayload(
            text=prefix + written,
            written_from=offer.FROM[settings.start],
            source=source,
            kept=len(prefix),
            **{name: cleaned.get(name) for name in COUNTS},
        )
    except ValidationError as error:
        raise InvalidPayload.from_pydantic(error) from error


def to_form(payload: DemonstrationPayload, settings: DemonstrationSettings) -> dict[str, Any]:
    counts = {name: getattr(payload, name) for name in COUNTS}
    source = {"source": str(payload.source)} if settings.start == "choose" else {}
    return {
        "text": payload.written,
        **source,
        **{name: "" if count is None else str(count) for name, count in counts.items()},
    }


def validate(payload: DemonstrationPayload, screen: Screen, settings: DemonstrationSettings) -> None:
    """Rules that need the screen or the settings. Raises InvalidPayload."""
    if payload.written_from != offer.FROM[settings.start]:
        wanted = {"from": offer.FROM[settings.start]}
        raise InvalidPayload({"written_from": [_("This campaign asks to write from: %(from)s.") % wanted]})
    errors: dict[str, list[str]] = {}
    written, n = payload.written, len(payload.written.strip())
    if payload.source is not None:
        source = screen.response(payload.source)
        if settings.start != "choose" and source.id != screen.responses[0].id:
            first = {"id": screen.responses[0].id}
            errors["source"] = [_("The text starts from the response shown first, %(id)d.") % first]
        elif payload.written_from == "prefix":
            end = prefix_end(source.text, settings.prefix_sentences)
            if payload.kept != end:
                errors["kept"] = [_("The beginning that was given ends at %(n)d.") % {"n": end}]
            elif not payload.text.startswith(source.text[:end]):
                errors["text"] = [_("The text starts with the beginning that was given; leave it as it is.")]
        elif written == NEWLINE.sub("\n", source.text):
            errors["text"] = [_("Change the draft first; it is still as it was.")]
    if "\r" in written:
        errors.setdefault("text", []).append(_("End lines with a line feed alone."))
    if n < settings.min_characters:
        least = settings.min_characters
        words = ngettext(
            "Write at least %(n)d character; so far it is %(written)d.",
            "Write at least %(n)d characters; so far it is %(written)d.",
            least,
        )
        errors.setdefault("text", []).append(words % {"n": least, "written": n})
    if len(written) > settings.max_characters:
        words = _("Write at most %(n)d characters; it is %(written)d.")
        errors.setdefault("text", []).append(words % {"n": settings.max_characters, "written": len(written)})
    if errors:
        raise InvalidPayload(errors)
