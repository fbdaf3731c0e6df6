"""What is stored for one exposure to one response, also when nothing happened, and what a campaign may observe.

    {"recorder": "page", "reaction": "up", "reaction_ms": 8400, "exposed_ms": 9100, "segments": [23, 50, 68],
     "visible_ms": [9100, 9100, 6200], "revisits": [0, 0, 1], "events": [{"event": "copy", "count": 1, "t_ms": 7200}],
     "condensed": false}

Everything is summed up in the page. Times are milliseconds since the response first came into view, and stand still while
the tab is hidden, a window lies over the text, or nobody is there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator, model_validator

from feedback_types.base import Many, Payload, Settings, setting

MAX_MS = 24 * 3600 * 1000
MAX_COUNT = 10_000

# Reactions in the order of their buttons: name -> (sign, key, label).
REACTIONS = {
    "up": ("👍", "+", gettext_lazy("Good")),
    "heart": ("❤️", "*", gettext_lazy("Love it")),
    "laugh": ("😄", ":", gettext_lazy("Funny")),
    "confused": ("😕", "!", gettext_lazy("Confusing")),
    "down": ("👎", "-", gettext_lazy("Bad")),
}
Reaction = Literal["up", "heart", "laugh", "confused", "down"]
# What may be observed, and what may have happened: whether it can be counted, or follows from the visible time.
Signal = Literal["visible_time", "copy", "select", "regenerate"]
Counted = Literal["copy", "select", "regenerate"]
COUNTED: tuple[Counted, ...] = ("copy", "select", "regenerate")
# Milliseconds in view for each code point at which a quicker pace becomes a slower one: skimmed, quick, read, slow.
# 40 is some 250 English words a minute.
PACE_EDGES = (8, 24, 60)


class Counter(Payload):
    """How often something happened, and when it first did."""

    event: Counted
    count: int = Field(ge=1, le=MAX_COUNT)
    t_ms: int | None = Field(ge=0, le=MAX_MS)


class SocialPayload(Payload):
    """`recorder`: "page" measured all the time; "paused" was paused for a while, so that what is missing says nothing;
    "plain" a page without scripts, which has the reactions only. `segments` are sentence ends in code points;
    `exposed_ms` is how long any of it was in view."""

    recorder: Literal["page", "paused", "plain"]
    reaction: Reaction | None
    reaction_ms: int | None = Field(ge=0, le=MAX_MS)
    exposed_ms: int = Field(ge=0, le=MAX_MS)
    segments: Many[int] = Field(max_length=20_000)
    visible_ms: Many[int] = Field(max_length=20_000)
    revisits: Many[int] = Field(max_length=20_000)
    events: Many[Counter] = Field(max_length=len(COUNTED))
    condensed: bool = False

    @field_validator("segments")
    @classmethod
    def _rising(cls, ends: tuple[int, ...]) -> tuple[int, ...]:
        if any(a >= b for a, b in pairwise((0, *ends))):
            raise ValueError(_("Sentence ends rise from the beginning of the text."))
        return ends

    @field_validator("visible_ms", "revisits")
    @classmethod
    def _sensible(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 <= number <= MAX_MS for number in numbers):
            raise ValueError(_("Times and counts are whole numbers from 0."))
        return numbers

    @model_validator(mode="after")
    def _consistent(self) -> SocialPayload:
        names = [counter.event for counter in self.events]
        if len(set(names)) != len(names):
            raise ValueError(_("One kind of event is counted twice; count each once."))
        if self.reaction is None and self.reaction_ms is not None:
            raise ValueError(_("Only a reaction has a time."))
        return self

    @property
    def length(self) -> int:
        return self.segments[-1] if self.segments else 0

    @property
    def pace(self) -> int:
        """0 skimmed, 1 quick, 2 read, 3 slow, by the time that there was for each code point."""
        per_point = self.exposed_ms / max(1, self.length)
        return sum(per_point >= edge for edge in PACE_EDGES)

    @property
    def reread(self) -> bool:
        return any(self.revisits)

    def happened(self, event: str) -> bool:
        return any(counter.event == event for counter in self.events)

    @property
    def signs(self) -> frozenset[str]:
        """Everything that happened, by name, without how often and when."""
        found = {counter.event for counter in self.events} | ({"reread"} if self.reread else set())
        return frozenset(found | ({self.reaction} if self.reaction else set()))


class SocialSettings(Settings):
    reactions: tuple[Reaction, ...] = setting(
        ("up", "heart", "laugh", "confused", "down"),
        min_length=1,
        max_length=len(REACTIONS),
        title=gettext_lazy("Reactions"),
        description=gettext_lazy("Which small faces stand after each response. Nobody has to choose one."),
    )
    signals: tuple[Signal, ...] = setting(
        ("visible_time", "copy", "select"),
        max_length=4,
        title=gettext_lazy("Observed"),
        description=gettext_lazy(
            "What is counted while a labeler reads, with their consent: how long each sentence is in view and whether it "
            "came back, how often something was copied or selected, and whether a new response was asked for."
        ),
    )
    legal_basis: Literal["consent", "agreement"] = setting(
        "consent",
        title=gettext_lazy("Legal basis"),
        description=gettext_lazy(
            "consent: freely given by the person. agreement: an agreement with employees or their council allows it. "
            "The consent of employed labelers is often not valid, since they can hardly refuse: rely on an agreement there, "
            "and keep a data protection impact assessment. Either way it is off until the person switches it on."
        ),
    )

    @field_validator("reactions", "signals")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(_("Two names are the same; give each its own."))
        return names

    @property
    def counted(self) -> tuple[Counted, ...]:
        return tuple(name for name in COUNTED if name in self.signals)
