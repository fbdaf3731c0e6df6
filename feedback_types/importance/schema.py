"""What is stored when a labeler marks what decided a judgement, and how a campaign asks for it.

    {"explains": "better", "mode": "marks", "segments": [21, 49, 90], "prompt_segments": [],
     "marks": [{"where": "response", "turn": null, "start": 21, "end": 48, "sign": -1, "weight": 2}]}

A mark lies in the response or in one message of the prompt. What could be marked is stored beside what was: `segments` are
the sentence ends of the response, `prompt_segments` those of each message of the prompt where the prompt can be marked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from feedback_types.base import Many, Payload, Settings, setting

MOST_MARKS = 200
MOST_WEIGHT = 3
BEST = 2  # sentences on each side of "best and worst"


class Mark(Payload):
    """Words that mattered: code points, end exclusive, of the response or of message `turn` of the prompt.

    sign: 1 helped, -1 hurt, 0 mattered (where the direction was not asked). weight: 1 (a little) to 3 (it decided).
    """

    where: Literal["response", "prompt"]
    turn: int | None = Field(default=None, ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=1)
    sign: int = Field(ge=-1, le=1)
    weight: int = Field(default=1, ge=1, le=MOST_WEIGHT)

    @model_validator(mode="after")
    def _sensible(self) -> Mark:
        if self.start >= self.end:
            raise ValueError(_("A mark ends after it starts; mark at least one character."))
        if (self.turn is None) == (self.where == "prompt"):
            raise ValueError(
                _("A mark in the prompt names its message in turn, one in the response does not.")
            )
        return self

    @property
    def place(self) -> tuple[str, int]:
        """Which text it lies in."""
        return self.where, -1 if self.turn is None else self.turn


class ImportancePayload(Payload):
    """explains: key of the question whose answer this is about, None for the judgement in general."""

    explains: str | None = Field(default=None, max_length=32)
    mode: Literal["marks", "best_worst"] = "marks"
    segments: Many[int]
    prompt_segments: Many[Many[int]] = ()
    marks: Many[Mark] = Field(default=(), max_length=MOST_MARKS)

    @model_validator(mode="after")
    def _apart(self) -> ImportancePayload:
        runs = sorted((mark.place, mark.start, mark.end) for mark in self.marks)
        if any(a[0] == b[0] and b[1] < a[2] for a, b in pairwise(runs)):
            raise ValueError(_("Two marks overlap; make them one."))
        return self

    def ends(self, place: tuple[str, int]) -> tuple[int, ...]:
        """Sentence ends of the text that a mark lies in."""
        where, turn = place
        if where == "response":
            return self.segments
        return self.prompt_segments[turn] if turn < len(self.prompt_segments) else ()


class ImportanceSettings(Settings):
    explains: str = setting(
        "",
        max_length=32,
        pattern=r"^([a-z][a-z0-9_]{0,31})?$",
        title=gettext_lazy("Explains"),
        description=gettext_lazy(
            "Name in the data of an earlier question whose answer the marks explain; empty for the judgement in general."
        ),
    )
    where: Literal["response", "prompt", "both"] = setting(
        "response",
        title=gettext_lazy("Where to mark"),
        description=gettext_lazy(
            "In the response, in the prompt, or in both. Marks in the prompt are kept and compared, but teach no reward."
        ),
    )
    mode: Literal["marks", "best_worst"] = setting(
        "marks",
        title=gettext_lazy("Mode"),
        description=gettext_lazy(
            "marks: as many sentences or words as mattered. best_worst: the two best and the two worst "
            "sentences of the response."
        ),
    )
    signed: bool = setting(
        True,
        title=gettext_lazy("Helped or hurt"),
        description=gettext_lazy(
            "Ask of each mark whether it helped or hurt. Without it marks say how much was at stake, but not which way."
        ),
    )
    weights: bool = setting(
        True,
        title=gettext_lazy("How much"),
        description=gettext_lazy("Ask of each mark how much it mattered, from 1 to 3: the same key again."),
    )

    @model_validator(mode="after")
    def _sensible(self) -> ImportanceSettings:
        if self.mode == "best_worst" and (self.where != "response" or not self.signed):
            raise ValueError(
                _("Best and worst sentences are those of the response, and signed; use marks for the rest.")
            )
        return self
