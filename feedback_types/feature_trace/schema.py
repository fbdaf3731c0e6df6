"""What is stored for a feature trace, and how a campaign asks for one.

    {"feature": "formality", "definition_version": 1, "ordered_ids": [4, 9, 3], "rewrite": null,
     "start_level": 0.0, "end_level": 1.0}

says: along formality, 4 has the least, then 9, and 3 has the most. A trace rises, as in FERL: it starts at the least. Or one
response was rewritten (`ordered_ids` is empty):

    {…, "rewrite": {"source": 7, "text": "Good day, Sir.", "has": "more", "keystrokes": 14, "edit_ms": 5200}, …}

`start_level` and `end_level` say how much of the feature the ends have, from 0 (none) to 1 (as much as can be) in tenths;
0 and 1 where the campaign does not ask.
"""

from __future__ import annotations

import re
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator, model_validator

from feedback_types.base import Many, Payload, Settings, setting

MOST = 5
STEPS = 10  # a level is one of 0, 1/10, …, 1
MAX_CHARACTERS = 20_000
DAY_MS = 86_400_000
NEWLINE = re.compile(r"\r\n?")  # a text area sends line feeds alone


class Rewrite(Payload):
    """A response in other words. `has`: whether the new text has more or less of the feature than the response `source`.

    keystrokes: a count, never what was typed; edit_ms: time in the editor; both None when no script counted.
    """

    source: int
    text: str = Field(max_length=MAX_CHARACTERS)
    has: Literal["more", "less"]
    keystrokes: int | None = Field(default=None, ge=0, le=10_000_000)
    edit_ms: int | None = Field(default=None, ge=0, le=DAY_MS)


class TracePayload(Payload):
    """An order from the least to the most of a feature, or a rewrite; exactly one of both."""

    feature: str = Field(min_length=1, max_length=40)
    definition_version: int = Field(ge=1)
    ordered_ids: Many[int] = Field(default=(), max_length=MOST)
    rewrite: Rewrite | None = None
    start_level: float = Field(default=0.0, ge=0, le=1)
    end_level: float = Field(default=1.0, ge=0, le=1)

    @field_validator("start_level", "end_level")
    @classmethod
    def _in_tenths(cls, level: float) -> float:
        if level != round(level * STEPS) / STEPS:
            raise ValueError(_("A level is a number of tenths: 0.0, 0.1, … 1.0."))
        return level

    @model_validator(mode="after")
    def _consistent(self) -> TracePayload:
        if bool(self.ordered_ids) == (self.rewrite is not None):
            raise ValueError(_("Send either an order or a rewrite."))
        if len(set(self.ordered_ids)) != len(self.ordered_ids):
            raise ValueError(_("A response is named twice in the order; name each once."))
        if self.start_level >= self.end_level:
            raise ValueError(_("The least has a lower level than the most."))
        return self

    @property
    def levels(self) -> tuple[int, int]:
        """Start and end in tenths."""
        return round(self.start_level * STEPS), round(self.end_level * STEPS)


class TraceSettings(Settings):
    feature: str = setting(
        "formality",
        max_length=40,
        pattern=r"^[^\W\d_][\w \-]*$",
        title=gettext_lazy("Feature"),
        description=gettext_lazy("Its name, such as formality; answers about one name train one head."),
    )
    definition: str = setting(
        "",
        max_length=300,
        title=gettext_lazy("Definition"),
        description=gettext_lazy("What it is, in a sentence that the labelers read."),
    )
    definition_version: int = setting(
        1,
        ge=1,
        le=1_000_000,
        title=gettext_lazy("Version of the definition"),
        description=gettext_lazy(
            "Stored with each answer; raise it when you change the definition, so that answers can be told apart."
        ),
    )
    mode: Literal["order", "rewrite"] = setting(
        "order",
        title=gettext_lazy("What is asked"),
        description=gettext_lazy(
            "order: put three to five responses in order. rewrite: change one response so that it has more or less."
        ),
    )
    direction: Literal["either", "more", "less"] = setting(
        "either",
        title=gettext_lazy("Rewrite to have"),
        description=gettext_lazy(
            "What labelers should try; what came of it they say themselves once it is written. Only for rewrites."
        ),
    )
    levels: bool = setting(
        False,
        title=gettext_lazy("Ask for the levels at both ends"),
        description=gettext_lazy(
            "Labelers also say how much of the feature the least and the most have. It ties traces to one another."
        ),
    )
