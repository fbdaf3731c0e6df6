"""What is stored for a comparison, and how a campaign asks for one.

    {"items": [17, 12], "ranks": [1, 2], "strength": 2, "both_bad": false, "aspect": null}

says: 17, shown first, is clearly better than 12. Three shapes share the schema: a pair with a strength; a ranking
(`strength` null, every rank given, equal ranks a tie); the best of several (`strength` null, rank 1 for the best, null for
the others, whose order was not said).
"""

from __future__ import annotations

from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from feedback_types.base import Many, Payload, Settings, setting

STRENGTHS = 3
MOST = 9

Mode = Literal["auto", "ranking", "best"]
Kind = Literal["pair", "ranking", "best"]


class ComparisonPayload(Payload):
    """`items` are response ids as shown; `strength` > 0 means that the first shown is better; `both_bad` that none
    is good."""

    items: Many[int] = Field(min_length=2, max_length=MOST)
    ranks: Many[int | None] = Field(min_length=2, max_length=MOST)
    strength: int | None = Field(default=None, ge=-STRENGTHS, le=STRENGTHS)
    both_bad: bool = False
    aspect: str | None = Field(default=None, min_length=1, max_length=40)

    @model_validator(mode="after")
    def _consistent(self) -> ComparisonPayload:
        if len(set(self.items)) != len(self.items):
            raise ValueError(_("A response is named twice in items; name each once."))
        if len(self.items) != len(self.ranks):
            raise ValueError(_("Give one rank for each of the items."))
        said = sorted({rank for rank in self.ranks if rank is not None})
        if said != list(range(1, len(said) + 1)):
            raise ValueError(_("Ranks count up from 1 without gaps; equal ranks are a tie."))
        if None in self.ranks and (
            self.strength is not None or self.ranks.count(None) != len(self.ranks) - 1
        ):
            raise ValueError(
                _("Either rank every response, or give rank 1 to the best and null to all others.")
            )
        if self.both_bad and (set(self.ranks) != {1} or self.strength not in (None, 0)):
            raise ValueError(_("When none is good, every rank is 1 and the strength is 0."))
        if self.strength is not None and (
            len(self.items) != 2 or list(self.ranks) != pair_ranks(self.strength)
        ):
            raise ValueError(
                _(
                    "A strength is for two responses and agrees with their ranks: above 0, the first is better."
                )
            )
        return self

    @property
    def kind(self) -> Kind:
        """Which of the three shapes this is; "none is good" of several responses reads as a ranking in which all
        are tied."""
        if self.strength is not None:
            return "pair"
        return "best" if None in self.ranks else "ranking"

    def strength_from(self, first: int) -> int | None:
        """The strength as if this response had been shown first: who reads an answer may have another order before them."""
        return self.strength if self.strength is None or self.items[0] == first else -self.strength


def pair_ranks(strength: int) -> list[int | None]:
    """Ranks of the first and second shown response under a strength."""
    return [1, 1] if strength == 0 else [1, 2] if strength > 0 else [2, 1]


class ComparisonSettings(Settings):
    mode: Mode = setting(
        "auto",
        title=gettext_lazy("How to compare"),
        description=gettext_lazy(
            "auto: two responses are compared as a pair, more are ranked. ranking: all are put in order. best: "
            "only the best is picked."
        ),
    )
    strengths: int = setting(
        3,
        ge=1,
        le=STRENGTHS,
        title=gettext_lazy("Degrees of better"),
        description=gettext_lazy(
            "For pairs: 1 asks only which is better; 3 tells slightly, clearly and much better apart."
        ),
    )
    ties: bool = setting(
        True,
        title=gettext_lazy("Offer ties"),
        description=gettext_lazy(
            "Labelers may call responses equally good. Without ties every difference has to be decided."
        ),
    )
    both_bad: bool = setting(
        True,
        title=gettext_lazy("Offer “none is good”"),
        description=gettext_lazy(
            "One more answer for responses that are all bad; it teaches how good an answer must be to count as good."
        ),
    )
    aspect: str = setting(
        "",
        max_length=40,
        pattern=r"^$|^[^\W\d_][\w \-]*$",
        title=gettext_lazy("Aspect"),
        description=gettext_lazy(
            "Leave empty to ask which response is better. A name, such as helpfulness, asks about this aspect "
            "alone and trains it apart from the reward."
        ),
    )
