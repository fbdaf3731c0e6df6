"""What is stored when a labeler edits a response and says whether that made it better.

    {"edited_text": "Water boils at 100 °C.", "ops": [{"op": "replace", "start": 15, "end": 18, "text": "100 "}],
     "intervened_at": 15, "segments": [22], "suggestions_shown": [], "suggested_for": [], "picked": null,
     "refused": [], "confirm_better": true, "keystrokes": 4, "edit_ms": 5200}

Three choices are kept apart, because each has a choice set of its own: where (one of `segments`), what (one of
`suggestions_shown`, if there were any), and whether the result is better than the original (`confirm_better`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from feedback_types.base import Many, Payload, Settings, setting
from feedback_types.improvement.diff import Op
from feedback_types.segments import segment_at, segments

MOST_SUGGESTIONS = 12
MOST_REFUSED = 5
MOST_TAKEOVERS = 50
DAY_MS = 86_400_000


class Draft(Payload):
    """One version of the text that was put beside the original. `picked`: it is this suggestion, unchanged."""

    edited_text: str
    ops: Many[Op] = Field(min_length=1)
    picked: int | None = Field(default=None, ge=0)


class Takeover(Payload):
    """One intervention in what the policy wrote: the labeler changed the beginning, and the policy went on from there.

    before: what stood there before the labeler touched it; at: the first place that was changed in it, its length when it
        was only cut short or gone on from.
    prefix: what the policy went on from, without the white space at its end; generation: which run wrote `text` after it,
        as far as it came. outcome: whether it ended by itself, was stopped, or broke off.
    """

    before: str = Field(max_length=200_000)
    at: int = Field(ge=0)
    prefix: str = Field(max_length=200_000)
    generation: Annotated[str, Field(min_length=1, max_length=64)]
    text: str = Field(max_length=200_000)
    outcome: Literal["finished", "stopped", "failed"]


class ImprovementPayload(Payload):
    """The last draft, and the drafts before it that the labeler called no better than the original.

    edited_text, ops, picked: the last draft; the changes are offsets into the original.
    intervened_at: the first place that was touched.
    segments: sentence ends of the original, the choice set of "where".
    suggestions_shown: whole texts that were offered; `suggested_for` names the sentences (from 0) for which the labeler
        asked for them, empty when they were offered for the whole text.
    refused: drafts that got the answer "no" before, in order, at most five.
    confirm_better: the answer about the last draft.
    takeovers: where the policy went on from an edited beginning, in order, if the campaign lets it.
    keystrokes: a count, never what was typed; edit_ms: time in the editor; both None when no script counted.
    """

    edited_text: str
    ops: Many[Op] = Field(min_length=1)
    intervened_at: int = Field(ge=0)
    segments: Many[int]
    suggestions_shown: Many[str] = Field(default=(), max_length=MOST_SUGGESTIONS)
    suggested_for: Many[int] = ()
    picked: int | None = Field(default=None, ge=0)
    refused: Many[Draft] = Field(default=(), max_length=MOST_REFUSED)
    confirm_better: bool
    keystrokes: int | None = Field(default=None, ge=0, le=10_000_000)
    edit_ms: int | None = Field(default=None, ge=0, le=DAY_MS)
    takeovers: Many[Takeover] = Field(default=(), max_length=MOST_TAKEOVERS)

    def dump(self) -> dict[str, Any]:
        """Without `takeovers` where there were none, as it was stored before there was such a thing."""
        said = super().dump()
        return (
            said if self.takeovers else {name: value for name, value in said.items() if name != "takeovers"}
        )

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """All drafts, in the order in which they were judged."""
        return (*self.refused, Draft(edited_text=self.edited_text, ops=self.ops, picked=self.picked))

    @property
    def place(self) -> frozenset[int]:
        """The sentences in which the labeler first intervened."""
        return frozenset(self.suggested_for) or touched(self.segments, self.drafts[0].ops)


class ImprovementSettings(Settings):
    max_growth: int = setting(
        default=20_000,
        ge=100,
        le=20_000,
        title=_("Longest addition"),
        description=_("By how many characters the edited text may be longer than the original."),
    )
    suggestions: Literal["none", "cuts"] = setting(
        default="none",
        title=_("Suggestions"),
        description=_(
            "“cuts” offers to take out one of the sentences (of responses with 2 to 12 sentences); one touch makes the edit."
        ),
    )
    take_over: bool = setting(
        default=False,
        title=_("Take over"),
        description=_(
            "The live policy can go on from the edited beginning, as often as wanted; every intervention is stored. "
            "Where no policy answers the text is edited by hand."
        ),
    )


def touched(ends: Sequence[int], ops: Sequence[Op]) -> frozenset[int]:
    """Sentences (from 0) that the changes reach into; text put between two sentences counts for the one after it."""
    found: set[int] = set()
    for op in ops:
        if ends:
            found.update(range(segment_at(ends, op.start), segment_at(ends, max(op.start, op.end - 1)) + 1))
    return frozenset(found)


def cuts(text: str, ends: Sequence[int]) -> list[str]:
    """The text without each one of its sentences; nothing when it has only one, too many, or two cuts give the same text."""
    if not 2 <= len(ends) <= MOST_SUGGESTIONS:
        return []
    found = [text[:start] + text[end:] for start, end in segments(text, ends)]
    return found if len(set(found)) == len(found) and all(cut.strip() for cut in found) else []
