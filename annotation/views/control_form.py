"""The part of a campaign's settings that controls quality: gold items and what follows from them, practice for newcomers."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy

from annotation.campaigns.services import RANGES, SHARES


def _share(name: str, label: Any, help_text: Any) -> forms.FloatField:
    return forms.FloatField(
        label=label, help_text=help_text, min_value=0, max_value=SHARES[name], step_size=0.01
    )


class ControlFields(forms.Form):
    """Fields that are named in `campaigns.services.CONTROL`; the settings form adds its own."""

    PARTS: ClassVar[tuple[tuple[str, Any, tuple[str, ...]], ...]] = (
        ("gold", gettext_lazy("Gold items"), ("gold_share", "gold_warn", "gold_pause", "gold_window")),
        ("practice", gettext_lazy("Practice"), ("practice_first", "practice_pass", "practice_retries")),
    )

    gold_share = _share(
        "gold_share",
        gettext_lazy("Share of gold items"),
        gettext_lazy(
            "Of a labeler's new items, from 0 to 0.5: 0.05 is one in twenty. Labelers cannot tell them apart."
        ),
    )
    gold_warn = _share(
        "gold_warn",
        gettext_lazy("Warn below"),
        gettext_lazy(
            "Mean closeness to what is expected, from 0 to 1. The labeler reads a kind word, you find a notice. 0: never."
        ),
    )
    gold_pause = _share(
        "gold_pause",
        gettext_lazy("Pause below"),
        gettext_lazy("The labeler gets no more items until an admin lets them in again. 0: never."),
    )
    gold_window = forms.IntegerField(
        label=gettext_lazy("Latest gold answers that are judged"),
        help_text=gettext_lazy("Nobody is judged before they have given so many."),
        min_value=RANGES["gold_window"][0], max_value=RANGES["gold_window"][1],
    )  # fmt: skip

    practice_first = forms.BooleanField(
        label=gettext_lazy("Newcomers practise first"),
        help_text=gettext_lazy(
            "On the practice items, with the right answer after each; before their first item."
        ),
        required=False,
    )
    practice_pass = _share(
        "practice_pass",
        gettext_lazy("Qualified from"),
        gettext_lazy("Mean closeness over the practice items, from 0 to 1."),
    )
    practice_retries = forms.IntegerField(
        label=gettext_lazy("Further attempts"),
        help_text=gettext_lazy("How often somebody may try again who did not qualify. 0: not at all."),
        min_value=RANGES["practice_retries"][0], max_value=RANGES["practice_retries"][1],
    )  # fmt: skip
