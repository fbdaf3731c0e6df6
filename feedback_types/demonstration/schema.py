"""What is stored when a labeler writes the response, and how a campaign asks for it.

    {"text": "Water boils at 100 °C.", "written_from": "scratch", "source": null, "kept": 0,
     "keystrokes": 31, "paste_events": 0, "paste_chars": 0, "writing_ms": 9400}

`source` is the response that served as draft, or whose beginning was continued: then the first `kept` code points of the
text are its own. How much was typed and pasted is counted, never what; all four are None when no script counted.
"""

from __future__ import annotations

import re
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from feedback_types.base import Payload, Settings, setting
from feedback_types.segments import segment_ends

MAX_CHARACTERS = 20_000
DAY_MS = 86_400_000
NEWLINE = re.compile(r"\r\n?")  # a text area sends line feeds alone

WrittenFrom = Literal["scratch", "draft", "prefix"]


class DemonstrationPayload(Payload):
    text: str = Field(min_length=1, max_length=2 * MAX_CHARACTERS)
    written_from: WrittenFrom
    source: int | None = None
    kept: int = Field(default=0, ge=0)
    keystrokes: int | None = Field(default=None, ge=0, le=10_000_000)
    paste_events: int | None = Field(default=None, ge=0, le=100_000)
    paste_chars: int | None = Field(default=None, ge=0, le=10_000_000)
    writing_ms: int | None = Field(default=None, ge=0, le=DAY_MS)

    @model_validator(mode="after")
    def _consistent(self) -> DemonstrationPayload:
        if (self.source is None) != (self.written_from == "scratch"):
            raise ValueError(_("Name the response a draft or a beginning came from, and only then."))
        if self.kept and self.written_from != "prefix":
            raise ValueError(_("Only the beginning of a continued response is kept; else kept is 0."))
        return self

    @property
    def written(self) -> str:
        """What the labeler wrote: the text without the beginning that was given."""
        return self.text[self.kept :]


class DemonstrationSettings(Settings):
    start: Literal["scratch", "draft", "choose", "prefix"] = setting(
        "scratch",
        title=gettext_lazy("Write from"),
        description=gettext_lazy(
            "scratch: an empty page. draft: one of the responses. choose: the response that the labeler picks. prefix: the "
            "beginning of one of the responses, which is continued."
        ),
    )
    prefix_sentences: int = setting(
        1,
        ge=1,
        le=5,
        title=gettext_lazy("Sentences of the beginning"),
        description=gettext_lazy("How many sentences are given when a beginning is continued."),
    )
    hide_responses: bool = setting(
        True,
        title=gettext_lazy("Hide the responses"),
        description=gettext_lazy(
            "Labelers write without seeing what the policy wrote; the responses are kept as what the text is compared with."
        ),
    )
    min_characters: int = setting(
        1,
        ge=1,
        le=MAX_CHARACTERS,
        title=gettext_lazy("Shortest text"),
        description=gettext_lazy("In characters; shorter texts are not taken."),
    )
    max_characters: int = setting(
        MAX_CHARACTERS,
        ge=1,
        le=MAX_CHARACTERS,
        title=gettext_lazy("Longest text"),
        description=gettext_lazy("In characters; longer texts are not taken."),
    )
    pairs: bool = setting(
        False,
        title=gettext_lazy("Also export as preferences"),
        description=gettext_lazy(
            "Adds a pair for each response: the demonstration is preferred, which nobody has checked. Off unless you ask."
        ),
    )

    @model_validator(mode="after")
    def _in_order(self) -> DemonstrationSettings:
        if self.min_characters > self.max_characters:
            raise ValueError(_("The shortest text is longer than the longest."))
        return self


def prefix_end(text: str, sentences: int) -> int:
    """Where the given beginning of a response ends: after so many sentences, but never all of it; 0 when it has only one."""
    ends = segment_ends(text)
    return ends[min(sentences, len(ends) - 1) - 1] if len(ends) > 1 else 0
