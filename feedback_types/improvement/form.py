"""What the browser sends about one response: the text in a text area, and whether it is better now.

Scripts put an editor in the place of the response and keep these fields filled; without them the fields are what is shown.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from django import forms
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import TypeAdapter, ValidationError

from feedback_types.base import AnswerForm
from feedback_types.improvement.diff import Op, apply, word_ops
from feedback_types.improvement.schema import DAY_MS, MOST_REFUSED, MOST_SUGGESTIONS, Takeover, cuts
from feedback_types.segments import segments

NEWLINE = re.compile(r"\r\n?")


class Texts(forms.CharField):
    """A JSON list of texts in a hidden field; None when nothing was sent."""

    widget = forms.HiddenInput

    def __init__(self, most: int):
        self.most = most
        super().__init__(required=False)

    def clean(self, value: Any) -> list[str] | None:
        sent = super().clean(value)
        if not sent:
            return None
        try:
            texts = json.loads(sent)
        except (ValueError, RecursionError):
            texts = None
        if (
            not isinstance(texts, list)
            or len(texts) > self.most
            or not all(isinstance(text, str) for text in texts)
        ):
            raise forms.ValidationError(_("Send a JSON list of at most %(n)d texts.") % {"n": self.most})
        return texts


class Takeovers(forms.CharField):
    """A JSON list of takeovers in a hidden field."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, strip=False)

    def clean(self, value: Any) -> tuple[Takeover, ...]:
        sent = super().clean(value)
        try:
            return TAKEOVERS.validate_json(sent) if sent else ()
        except ValidationError as error:
            raise forms.ValidationError(_("Send a JSON list of takeovers.")) from error


TAKEOVERS = TypeAdapter(tuple[Takeover, ...])


class ImprovementForm(AnswerForm):
    edited_text = forms.CharField(
        strip=False, required=False, widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"})
    )
    better = forms.ChoiceField(
        choices=[("yes", gettext_lazy("Yes, better")), ("no", gettext_lazy("No, not better"))],
        required=False,
        widget=forms.RadioSelect,
    )
    cut = forms.TypedChoiceField(coerce=int, empty_value=None, required=False, widget=forms.RadioSelect)
    refused = Texts(MOST_REFUSED)
    suggestions = Texts(MOST_SUGGESTIONS)
    suggested_for = forms.CharField(required=False, widget=forms.HiddenInput)
    takeovers = Takeovers()
    keystrokes = forms.IntegerField(
        min_value=0, max_value=10_000_000, required=False, widget=forms.HiddenInput
    )
    edit_ms = forms.IntegerField(min_value=0, max_value=DAY_MS, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.text = self.screen.response(self.target).text
        spans = segments(self.text)
        self.ends = [end for _start, end in spans]
        self.letter = self.screen.letter(cast(int, self.target))
        self.fields["edited_text"].initial = self.text
        self.cuts = cuts(self.text, self.ends) if self.settings.suggestions == "cuts" else []
        cast(forms.ChoiceField, self.fields["cut"]).choices = [
            (n, Truncator(" ".join(self.text[start:end].split())).chars(80))
            for n, (start, end) in enumerate(spans)
            if self.cuts
        ]

    def clean_suggested_for(self) -> tuple[int, ...]:
        said = self.cleaned_data["suggested_for"]
        if said and not re.fullmatch(r"\d{1,6}(,\d{1,6}){0,999}", said):
            raise forms.ValidationError(_("Send sentence numbers with commas between them."))
        return tuple(int(n) for n in said.split(",")) if said else ()


def restore_newlines(original: str, edited: str) -> str:
    """What a text area sent, with the line ends of the original; new lines end like its first one.

    Browsers send every line end alike, whatever was in the text.
    """
    edited = NEWLINE.sub("\n", edited)
    plain = NEWLINE.sub("\n", original)
    if plain == original:
        return edited
    line_end = next(iter(re.findall(r"\r\n?|\n", original)))
    offsets = [0]
    for piece in re.findall(r"\r\n|.|\n", original, re.DOTALL):
        offsets.append(offsets[-1] + len(piece))
    ops = [
        Op(op=op.op, start=offsets[op.start], end=offsets[op.end], text=op.text.replace("\n", line_end))
        for op in word_ops(plain, edited)
    ]
    return apply(original, ops)
