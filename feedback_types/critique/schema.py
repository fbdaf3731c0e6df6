"""What is stored for a critique of one response, and how a campaign asks for one.

    {"verdict": null, "grades": 7, "ratings": {"overall": 6}, "tags": ["verbose"],
     "spans": [{"start": 12, "end": 40, "category": "factual", "severity": 2}]}

Whatever the campaign asks is answered completely: every criterion has its grade, and no mark means "nothing to mark".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, StringConstraints, field_validator, model_validator

from feedback_types.base import Many, Payload, Settings, setting

OVERALL = "overall"  # the criterion that is about the reward itself
MOST_GRADES = 10
MOST_MARKS = 200

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[^\W\d_][\w \-]*$")]


class Mark(Payload):
    """A stretch of the response: code points, end exclusive; severity 1 (slight) to 3 (grave)."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    category: str = Field(min_length=1, max_length=40)
    severity: int = Field(default=1, ge=1, le=3)

    @model_validator(mode="after")
    def _forward(self) -> Mark:
        if self.start >= self.end:
            raise ValueError(_("A mark ends after it starts; mark at least one character."))
        return self

    @property
    def run(self) -> tuple[int, int, str]:
        return self.start, self.end, self.category


class CritiquePayload(Payload):
    """`verdict` -1 bad, 0 neutral, 1 good; `ratings` are grades from 1 (worst) to `grades` (best)."""

    verdict: int | None = Field(default=None, ge=-1, le=1)
    grades: int = Field(default=7, ge=2, le=MOST_GRADES)
    ratings: dict[str, int] = Field(default_factory=dict, max_length=8)
    tags: Many[str] = Field(default=(), max_length=8)
    spans: Many[Mark] = Field(default=(), max_length=MOST_MARKS)

    @model_validator(mode="after")
    def _consistent(self) -> CritiquePayload:
        for name, grade in self.ratings.items():
            if not 1 <= grade <= self.grades:
                raise ValueError(
                    _("Grade %(name)s from 1 to %(most)d.") % {"name": name, "most": self.grades}
                )
        if len(set(self.tags)) != len(self.tags):
            raise ValueError(_("A tag is named twice; name each once."))
        runs = sorted((mark.category, mark.start, mark.end) for mark in self.spans)
        if any(a[0] == b[0] and b[1] < a[2] for a, b in pairwise(runs)):
            raise ValueError(_("Two marks of one category overlap; make them one."))
        return self


class CritiqueSettings(Settings):
    criteria: tuple[Name, ...] = setting(
        (OVERALL,),
        max_length=8,
        title=gettext_lazy("Criteria"),
        description=gettext_lazy(
            "One a line; each response is graded on each. “overall” teaches the reward, every other name teaches "
            "an attribute of its own. "
            "May be empty."
        ),
    )
    grades: int = setting(
        7,
        ge=2,
        le=MOST_GRADES,
        title=gettext_lazy("Grades"),
        description=gettext_lazy("How many grades there are: 1 is the worst, this number the best."),
    )
    verdict: Literal["off", "two", "three"] = setting(
        "off",
        title=gettext_lazy("Verdict"),
        description=gettext_lazy("off: no verdict. two: bad or good. three: bad, neutral or good."),
    )
    tags: tuple[Name, ...] = setting(
        (),
        max_length=8,
        title=gettext_lazy("Tags"),
        description=gettext_lazy("One a line; labelers tick those that apply to the response as a whole."),
    )
    categories: tuple[Name, ...] = setting(
        (),
        max_length=6,
        title=gettext_lazy("Categories of marks"),
        description=gettext_lazy(
            "One a line; labelers select words and say which kind of error they are. Responses are then shown as plain text."
        ),
    )

    @field_validator("criteria", "tags", "categories")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.casefold() for name in names}) != len(names):
            raise ValueError(_("Two names are the same; give each its own."))
        return names

    @model_validator(mode="after")
    def _something(self) -> CritiqueSettings:
        if not (self.criteria or self.verdict != "off" or self.tags or self.categories):
            raise ValueError(_("Ask for something: a verdict, a criterion, tags or categories of marks."))
        return self

    @property
    def only_marks(self) -> bool:
        """Whether there is nothing that must be chosen, so that "nothing to mark" has to be said."""
        return not self.criteria and self.verdict == "off"
