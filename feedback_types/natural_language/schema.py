"""What is stored when a labeler says in words what is good or bad, and how a campaign asks for it.

    {"text": "The year is wrong.", "language": "en", "verdict": -1, "turn": null, "start": null, "end": null,
     "suggested": [{"name": "accuracy", "polarity": -1}], "aspects": [{"name": "accuracy", "polarity": -1}],
     "refinements_shown": [{"text": "He wrote it in 1808.", "source": "policy", "generation": "0199…", "accepted": true}]}

The words are kept as they are; what the law reads are the choices beside them: the verdict, the aspects the labeler
confirmed (what was only suggested is part of the choice set), and which revisions were better than the original.
"""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, StringConstraints, field_validator, model_validator

from feedback_types.base import Many, Payload, Settings, setting

OVERALL = "overall"  # the criterion that is about the reward itself
LONGEST_COMMENT = 10_000
LONGEST_REVISION = 200_000
MOST_ASPECTS = 8
MOST_REVISIONS = 8

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[^\W\d_][\w \-]*$")]
Language = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
]


class Aspect(Payload):
    """Something that the comment is about, and whether it is good (1) or bad (-1) there."""

    name: str = Field(min_length=1, max_length=40)
    polarity: int = Field(ge=-1, le=1)

    @field_validator("polarity")
    @classmethod
    def _one_of_two(cls, polarity: int) -> int:
        if polarity == 0:
            raise ValueError(_("An aspect is good (1) or bad (-1); leave out what was not said."))
        return polarity


class Refinement(Payload):
    """A revised version that was shown beside the original.

    source: the live "policy" wrote it from the comment; or it came with the item, written by a "model" or a "person".
    generation: which run of the policy wrote it, where one did.
    accepted: whether the labeler found it better than the original.
    """

    text: str = Field(min_length=1, max_length=LONGEST_REVISION)
    source: Literal["policy", "model", "person"]
    generation: str | None = Field(default=None, min_length=1, max_length=64)
    accepted: bool


class NaturalLanguagePayload(Payload):
    """A comment on the whole response; on message `turn` of the prompt; or on the code points start..end of the response.

    language: BCP 47. verdict: -1 bad, 0 neutral, 1 good, about what the comment is about.
    suggested: aspects the page offered as likely, from the words. aspects: those that the labeler said.
    refinements_shown: in the order shown; each was judged against the original by itself.
    """

    text: str = Field(min_length=1, max_length=LONGEST_COMMENT)
    language: Language
    verdict: int | None = Field(default=None, ge=-1, le=1)
    turn: int | None = Field(default=None, ge=0)
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=1)
    suggested: Many[Aspect] = Field(default=(), max_length=MOST_ASPECTS)
    aspects: Many[Aspect] = Field(default=(), max_length=MOST_ASPECTS)
    refinements_shown: Many[Refinement] = Field(default=(), max_length=MOST_REVISIONS)

    @model_validator(mode="after")
    def _consistent(self) -> NaturalLanguagePayload:
        if not self.text.strip():
            raise ValueError(_("Write what is good or bad, in a word at least."))
        if (self.start is None) != (self.end is None):
            raise ValueError(_("A marked stretch has a start and an end; send both or neither."))
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(_("A marked stretch ends after it starts; mark at least one character."))
        if self.turn is not None and self.start is not None:
            raise ValueError(_("A comment is about a turn or about marked words; leave one of them out."))
        for aspects in (self.suggested, self.aspects):
            if len({aspect.name for aspect in aspects}) != len(aspects):
                raise ValueError(_("An aspect is named twice; name each once."))
        texts = [shown.text for shown in self.refinements_shown]
        if len(set(texts)) != len(texts):
            raise ValueError(_("The same revision is told twice; tell each once."))
        return self

    @property
    def refinement_accepted(self) -> str | None:
        """The first revision that was found better than the original."""
        return next((shown.text for shown in self.refinements_shown if shown.accepted), None)


class NaturalLanguageSettings(Settings):
    about: Literal["response", "span", "turn"] = setting(
        "response",
        title=gettext_lazy("What the comment is about"),
        description=gettext_lazy(
            "response: the whole response. span: words that the labeler marks in it; it is then shown as plain text. turn: "
            "one of the policy's turns, the response or an earlier one."
        ),
    )
    verdict: Literal["off", "two", "three"] = setting(
        "two",
        title=gettext_lazy("Verdict"),
        description=gettext_lazy("off: no verdict. two: bad or good. three: bad, neutral or good."),
    )
    criterion: Name = setting(
        OVERALL,
        title=gettext_lazy("Criterion of the verdict"),
        description=gettext_lazy(
            "“overall” teaches the reward; any other name teaches an attribute of its own, such as “ending”."
        ),
    )
    aspects: tuple[Name, ...] = setting(
        ("accuracy", "completeness", "clarity", "tone"),
        max_length=MOST_ASPECTS,
        title=gettext_lazy("Aspects"),
        description=gettext_lazy(
            "One a line; likely ones are suggested from the words of the comment, and the labeler "
            "confirms them. May be empty."
        ),
    )
    keywords: tuple[Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)], ...] = setting(
        (),
        max_length=MOST_ASPECTS,
        title=gettext_lazy("Keywords of aspects"),
        description=gettext_lazy(
            "One aspect a line: its name, a colon, and words with commas between them, such as “tone: -rude, +friendly, "
            "polite”. They are added to those that are known anyway; + and − say what a word means, * any ending."
        ),
    )
    languages: tuple[Language, ...] = setting(
        ("en", "zh"),
        min_length=1,
        max_length=20,
        title=gettext_lazy("Languages of comments"),
        description=gettext_lazy(
            "One code a line (en, zh, pt-BR). The first is taken when the letters of a comment do not tell."
        ),
    )
    refinements: Literal["off", "responses", "policy"] = setting(
        "off",
        title=gettext_lazy("Revisions"),
        description=gettext_lazy(
            "off: none. responses: the first response of the import is commented on, the others are "
            "revisions of it. policy: "
            "the live policy revises by the comment, where a campaign has one."
        ),
    )

    revised_by: Literal["model", "person"] = setting(
        "model",
        title=gettext_lazy("Who wrote the revisions"),
        description=gettext_lazy(
            "Of revisions that come with the items. Those of a model are trusted less: it may change what it need not."
        ),
    )

    @field_validator("aspects", "languages")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.casefold() for name in names}) != len(names):
            raise ValueError(_("Two names are the same; give each its own."))
        return names

    @model_validator(mode="after")
    def _sensible(self) -> NaturalLanguageSettings:
        if self.about == "turn" and self.refinements != "off":
            raise ValueError(_("Revisions are of the response; ask about the response or a span of it."))
        known = {name.casefold() for name in self.aspects}
        for line in self.keywords:
            name, colon, words = line.partition(":")
            if not colon or not words.strip():
                raise ValueError(
                    _("Write an aspect, a colon and its keywords in “%(line)s”.") % {"line": line}
                )
            if name.strip().casefold() not in known:
                raise ValueError(_("“%(name)s” is not one of the aspects.") % {"name": name.strip()})
        return self
