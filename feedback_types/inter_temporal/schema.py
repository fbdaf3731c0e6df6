"""What is stored when a labeler judges different times of one response, and how a campaign asks for it.

    {"reading": "labels", "unit": "step", "segments": [21, 49, 90], "labels": [1, -1, null], "first_error_index": 1,
     "drawn": null, "curve": [], "pairs": []}
    {"reading": "curve", …, "drawn": "live", "curve": [[0, 0, 0.5], [21, 525, 0.5], [33, 830, 0.62], [90, 2250, 0.62]]}
    {"reading": "order", …, "pairs": [{"first": 0, "second": 2, "better": "second"}]}

The segments are cut before anybody labels and stored with the answer (`offer.py` cuts them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from feedback_types.base import Many, Payload, Settings, setting

MOST_POINTS = 5000
START = 0.5  # where every curve begins: neither satisfied nor not
LAG_MS = 700  # a hand follows the eye by about so much while the text runs on
DAY_MS = 86_400_000

Label = Annotated[int, Field(ge=-1, le=1)]
Point = Annotated[
    tuple[
        Annotated[int, Field(ge=0)],
        Annotated[int, Field(ge=0, le=DAY_MS)] | None,
        Annotated[float, Field(ge=0, le=1)],
    ],
    Field(strict=False),  # a JSON list, kept as a tuple; what it holds stays strict
]


class Pair(Payload):
    """Two segments of one response by their index, and which of them is the better one."""

    first: int = Field(ge=0)
    second: int = Field(ge=1)
    better: Literal["first", "equal", "second"]

    @property
    def sign(self) -> int:
        return {"first": 1, "equal": 0, "second": -1}[self.better]


class InterTemporalPayload(Payload):
    """One response, judged at several times.

    segments: where the steps or sentences end, in code points of the response; for turns the number of each turn in
        the dialogue, from 0, the response's own being the number of messages before it.
    labels: one for each segment: 1 good, 0 okay, -1 bad; None where nothing was said, which is not 0.
    first_error_index: the segment at which the labeler stopped; everything after it is None.
    drawn: the curve was drawn while the response appeared ("live"), over the whole text ("after"), or typed as
        numbers ("typed", without scripts).
    curve: (offset, ms since the start or None when typed, value): the value holds from there on until the next point.
        The first point is at 0 and the last at the end of the text; value 0 is not satisfied at all, 1 entirely.
    """

    reading: Literal["labels", "curve", "order"]
    unit: Literal["step", "sentence", "turn"]
    segments: Many[int]
    labels: Many[Label | None] = ()
    first_error_index: int | None = Field(default=None, ge=0)
    drawn: Literal["live", "after", "typed"] | None = None
    curve: Many[Point] = Field(default=(), max_length=MOST_POINTS)
    pairs: Many[Pair] = ()

    @model_validator(mode="after")
    def _ordered(self) -> InterTemporalPayload:
        if self.first_error_index is not None:
            before, at, after = self._around(self.first_error_index)
            if at != (-1,) or -1 in before or any(label is not None for label in after):
                raise ValueError(_("The first error is the first -1, and nothing is said after it."))
        for earlier, later in pairwise(self.curve):
            if later[0] < earlier[0] or (self.drawn == "live" and (later[1] or 0) < (earlier[1] or 0)):
                raise ValueError(_("The points of a curve go forward; sort them."))
        if any((point[1] is None) != (self.drawn == "typed") for point in self.curve):
            raise ValueError(_("Each point that was drawn has its time, and no other."))
        return self

    def _around(self, index: int) -> tuple[tuple[int | None, ...], ...]:
        return self.labels[:index], self.labels[index : index + 1], self.labels[index + 1 :]

    @property
    def first_error_fraction(self) -> float:
        """Where the first error is, from 0 (at once) to 1 (nowhere)."""
        if self.first_error_index is None or not self.segments:
            return 1.0
        return self.first_error_index / len(self.segments)

    @property
    def heights(self) -> list[float]:
        """The curve's value at the end of each segment.

        A live curve is read LAG_MS after the segment had come out (or at its last point); any other at the end itself.
        """
        offsets = [offset for offset, _ms, _value in self.curve]
        times = [ms or 0 for _offset, ms, _value in self.curve]
        found = []
        for end in self.segments:
            last = bisect_left(offsets, end)  # how many points lie before the end
            if self.drawn == "live" and last < len(times):
                last = bisect_right(times, times[last] + LAG_MS)
            found.append(self.curve[last - 1][2] if last else START)
        return found


class InterTemporalSettings(Settings):
    reading: Literal["labels", "curve", "order"] = setting(
        "labels",
        title=gettext_lazy("What is asked"),
        description=gettext_lazy(
            "labels: bad, okay or good for each segment. curve: how satisfied one is, drawn along the text. order: "
            "which of two moments of the response is the better one."
        ),
    )
    unit: Literal["step", "sentence", "turn"] = setting(
        "step",
        title=gettext_lazy("Segments"),
        description=gettext_lazy(
            "step: a paragraph where the text has blank lines, else a line, else a sentence. sentence: each one. "
            "turn: each of the assistant, the response among them."
        ),
    )
    stop_at_error: bool = setting(
        True,
        title=gettext_lazy("Stop at the first error"),
        description=gettext_lazy(
            "Labels only: the first bad segment ends the response; what follows is not labelled."
        ),
    )
    neutral: bool = setting(
        True,
        title=gettext_lazy("Offer “okay”"),
        description=gettext_lazy(
            "Labels only: without it a segment is right or wrong, and the rest can be right by one key."
        ),
    )
    unsure: bool = setting(
        False,
        title=gettext_lazy("Offer “cannot tell”"),
        description=gettext_lazy(
            "Labels only, and not when the first error stops: a segment may be left without a label."
        ),
    )
    draw: Literal["live", "after"] = setting(
        "live",
        title=gettext_lazy("When the curve is drawn"),
        description=gettext_lazy("Curve only. live: while the response appears. after: over the whole text."),
    )
    chars_per_s: int = setting(
        40,
        ge=5,
        le=400,
        title=gettext_lazy("Characters per second"),
        description=gettext_lazy(
            "Live curve only: how fast the response appears. People read 20 to 30 characters a second."
        ),
    )
    pairs: int = setting(
        1,
        ge=1,
        le=5,
        title=gettext_lazy("Pairs of moments"),
        description=gettext_lazy(
            "Order only: how many pairs are asked for each response, if it has as many segments."
        ),
    )

    @model_validator(mode="after")
    def _possible(self) -> InterTemporalSettings:
        if self.reading == "curve" and self.unit == "turn":
            raise ValueError(_("A curve runs along one response; choose steps or sentences for it."))
        if self.reading == "labels" and self.unsure and self.stop_at_error:
            raise ValueError(_("Offer “cannot tell” only where every segment is labelled."))
        return self
