"""What is stored when a response is revealed as a stream and the labeler may stop it.

    {"mode": "stream", "outcome": "stopped", "reason": "bad", "stop_char": 57, "rendered_char": 56, "stream_cps": 40,
     "t_ms": 1430, "stepped": false, "full_text_available": false, "segments": [21, 49, 90]}

Every run is stored, also one that goes to the end ("finished") or is broken off ("left"): who was not stopped tells as much.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Annotated, Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field, field_validator

from feedback_types.base import Many, Payload, Settings, setting

REASONS = {
    "bad": _("It goes wrong"),
    "unsafe": _("Harmful or unsafe"),
    "enough": _("Enough read"),
    "already_know": _("I know the rest"),
    "slip": _("Pressed by accident"),
}
JUDGING = ("bad", "unsafe")  # the reasons that say something about the reward
GRACE_MS = 1500  # after the last character a stop still counts: people take 0.3 to 1.5 s to react
DAY_MS = 86_400_000


class Live(Payload):
    """What the policy wrote while it was shown, in place of the stored response.

    text: what the page had got when it was stopped, broken off or finished; the policy may have been a few characters on.
    generations: which runs of the policy wrote it; more than one when a stream broke off and was taken up again.
    """

    text: str = Field(max_length=200_000)
    generations: Many[Annotated[str, Field(min_length=1, max_length=64)]] = Field(min_length=1, max_length=50)


class EStopPayload(Payload):
    """One response, revealed once.

    mode: "stream" (stopped while it ran), or "hindsight" (the whole text was shown and the labeler says where it should have
        stopped): two choice sets, two laws.
    stop_char: the reveal had got here when the key was pressed; rendered_char: what was on the screen, never more.
        In hindsight the chosen sentence end, and the whole text.
    stream_cps, t_ms: speed of the reveal, and reading time without the pauses; None in hindsight.
    stepped: revealed sentence by sentence, because the system asks for less motion.
    full_text_available: whether the labeler could see the rest when choosing; the page shows it after the answer only.
    segments: sentence ends of the response, in code points.
    live: set when the policy wrote the response while it was shown; then all places are in its text, and what would have
        come after a stop was never written.
    """

    mode: Literal["stream", "hindsight"]
    outcome: Literal["stopped", "finished", "left"]
    reason: Literal["bad", "unsafe", "enough", "already_know", "slip"] | None = None
    stop_char: int | None = Field(default=None, ge=0)
    rendered_char: int = Field(ge=0)
    stream_cps: int | None = Field(default=None, ge=1, le=1000)
    t_ms: int | None = Field(default=None, ge=0, le=DAY_MS)
    stepped: bool = False
    full_text_available: bool
    segments: Many[int]
    live: Live | None = None

    def dump(self) -> dict[str, Any]:
        """Without `live` where nothing was written live, as it was stored before there was such a thing."""
        said = super().dump()
        return said if self.live else {name: value for name, value in said.items() if name != "live"}

    def shown(self, stored: str) -> str:
        """The text that all places are in."""
        return stored if self.live is None else self.live.text

    @property
    def length(self) -> int:
        return self.segments[-1] if self.segments else 0

    @property
    def rendered_segments(self) -> int:
        """How many sentences were on the screen as a whole."""
        return bisect_right(self.segments, self.rendered_char)

    @property
    def stopped_at(self) -> int:
        """Number (from 1) of the sentence after which it was stopped; a stop inside the first one counts for the first.

        Only for stopped runs. Hindsight: the sentence that the labeler chose.
        """
        if self.mode == "hindsight" and self.stop_char is not None:
            return bisect_left(self.segments, self.stop_char) + 1
        return max(1, self.rendered_segments)

    @property
    def fraction(self) -> float:
        """How much of the text came out before it was stopped, 0 to 1; 1 for a run to the end or an empty text."""
        if self.outcome == "finished" or not self.length:
            return 1.0
        at = self.stop_char if self.mode == "hindsight" and self.stop_char is not None else self.rendered_char
        return at / self.length


class EStopSettings(Settings):
    chars_per_s: int = setting(
        default=40,
        ge=5,
        le=400,
        title=_("Characters per second"),
        description=_("How fast the response appears. People read 20 to 30 characters a second."),
    )
    response: Literal["stored", "live"] = setting(
        default="stored",
        title=_("Response"),
        description=_(
            "“live”: the policy writes the response while it is shown, and stopping really stops it. “stored”: the response "
            "of the item is shown, also where no policy answers."
        ),
    )
    start: Literal["self", "key"] = setting(
        default="self",
        title=_("Start"),
        description=_("“self”: the stream starts when the item appears. “key”: it waits for the space bar."),
    )
    reasons: tuple[str, ...] = setting(
        default=tuple(REASONS),
        title=_("Reasons"),
        description=_(
            "Why a labeler may have stopped, in the order of their keys: bad, unsafe, enough, already_know, slip. "
            "Only bad and unsafe say something about the reward."
        ),
    )

    @field_validator("reasons")
    @classmethod
    def _known(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [r for r in reasons if r not in REASONS]
        if unknown:
            raise ValueError(_("Unknown reason: %(names)s.") % {"names": ", ".join(unknown)})
        if len(set(reasons)) < len(reasons):
            raise ValueError(_("Name each reason once."))
        if "bad" not in reasons:
            raise ValueError(_("Keep “bad”: without it a stop says nothing."))
        return reasons
