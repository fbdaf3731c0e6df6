"""What the browser sends about one response.

The script sets `mode` to "stream" and fills the hidden fields. Without scripts the whole text is on the page and the labeler
marks the sentence after which it should have stopped.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from pydantic import ValidationError

from feedback_types.base import AnswerForm
from feedback_types.e_stop.schema import DAY_MS, GRACE_MS, REASONS, Live
from feedback_types.segments import segments


class EStopForm(AnswerForm):
    mode = forms.ChoiceField(
        choices=[("stream", "stream"), ("hindsight", "hindsight")], required=False, widget=forms.HiddenInput
    )
    outcome = forms.ChoiceField(
        choices=[("stopped", "stopped"), ("finished", "finished"), ("left", "left")],
        required=False,
        widget=forms.HiddenInput,
    )
    stop_char = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    rendered_char = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    stream_cps = forms.IntegerField(min_value=1, max_value=1000, required=False, widget=forms.HiddenInput)
    t_ms = forms.IntegerField(min_value=0, max_value=DAY_MS, required=False, widget=forms.HiddenInput)
    live = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    stepped = forms.BooleanField(required=False, widget=forms.HiddenInput)
    stop_after = forms.TypedChoiceField(
        coerce=int, empty_value=None, required=False, widget=forms.RadioSelect
    )
    reason = forms.ChoiceField(required=False, widget=forms.RadioSelect)

    grace_ms = GRACE_MS

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.text = self.screen.response(self.target).text
        spans = segments(self.text)
        self.ends = [end for _start, end in spans]
        self.letter = self.screen.letter(cast(int, self.target))
        places = [
            (
                n,
                _("After “%(sentence)s”")
                % {"sentence": Truncator(" ".join(self.text[start:end].split())).chars(80)},
            )
            for n, (start, end) in enumerate(spans[:-1], start=1)
        ]
        cast(forms.ChoiceField, self.fields["stop_after"]).choices = [
            *places,
            (max(1, len(spans)), _("Nowhere: it was right to go on to the end")),
        ]
        cast(forms.ChoiceField, self.fields["reason"]).choices = [
            ("", _("No reason")),
            *((r, REASONS[r]) for r in self.settings.reasons),
        ]

    def clean_live(self) -> Live | None:
        said = self.cleaned_data["live"]
        if not said:
            return None
        try:
            return Live.model_validate_json(said)
        except ValidationError as error:
            raise forms.ValidationError(_("Send the text and its generations as JSON.")) from error
