"""What the browser sends for one exposure: the reaction, and what the script summed up.

`recorder` says who measured: the page as it comes says "plain", the script "page" or "paused" just before sending. The
measurements are lists of numbers with commas between, one for each sentence, and `copy:2:5300` for each kind of event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _

from feedback_types.base import AnswerForm
from feedback_types.segments import segment_ends
from feedback_types.social_behavior.schema import MAX_MS, REACTIONS, SocialSettings

NUMBERS = re.compile(r"(\d{1,8}(,\d{1,8})*)?", re.ASCII)
COUNTERS = re.compile(r"([a-z]{1,12}:\d{1,5}:\d{1,8}(,[a-z]{1,12}:\d{1,5}:\d{1,8})*)?", re.ASCII)
Hidden = forms.HiddenInput


class SocialForm(AnswerForm):
    recorder = forms.ChoiceField(
        choices=[(name, name) for name in ("plain", "page", "paused")],
        required=False,
        initial="plain",
        widget=Hidden,
    )
    reaction = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    reaction_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MS, widget=Hidden)
    exposed_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MS, widget=Hidden)
    visible_ms = forms.CharField(required=False, max_length=200_000, widget=Hidden)
    revisits = forms.CharField(required=False, max_length=200_000, widget=Hidden)
    events = forms.CharField(required=False, max_length=200, widget=Hidden)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings: SocialSettings = self.settings
        self.letter = self.screen.letter(self.target) if self.target is not None else ""
        choices = [("", _("No reaction")), *((name, REACTIONS[name][2]) for name in settings.reactions)]
        cast(forms.ChoiceField, self.fields["reaction"]).choices = choices

    @property
    def ends(self) -> list[int]:
        return segment_ends(self.screen.response(self.target).text)

    def options(self) -> Iterator[tuple[Any, str, str]]:
        """(radio button, sign, key) of each reaction; the one for none has neither."""
        names: list[str] = ["", *self.settings.reactions]
        for name, button in zip(names, self["reaction"], strict=True):
            sign, key, _label = REACTIONS[name] if name else ("", "", "")
            yield button, sign, key

    def clean_visible_ms(self) -> tuple[int, ...]:
        return self._numbers("visible_ms")

    def clean_revisits(self) -> tuple[int, ...]:
        return self._numbers("revisits")

    def clean_events(self) -> list[dict[str, Any]]:
        text = self.cleaned_data["events"]
        if not COUNTERS.fullmatch(text):
            raise forms.ValidationError(_("Write events as name:count:milliseconds, with commas between."))
        parts = [part.split(":") for part in text.split(",") if part]
        return [{"event": name, "count": int(count), "t_ms": int(t_ms)} for name, count, t_ms in parts]

    def _numbers(self, name: str) -> tuple[int, ...]:
        text = self.cleaned_data[name]
        if not NUMBERS.fullmatch(text):
            raise forms.ValidationError(_("Write whole numbers with commas between."))
        return tuple(int(part) for part in text.split(",") if part)
