"""What is stored when a labeler states a reward, and how a campaign asks for one.

    {"mode": "sliders", "feature_set": 1, "weights": {"lists": 2, "words": -1}, "judgements": {}, "program": null,
     "program_sha": null, "tried": [{"weights": {"lists": 0, "words": 0}, "program": null, "t_ms": 0},
                                    {"weights": {"lists": 2, "words": -1}, "program": null, "t_ms": 4100}],
     "pool": [17, 12, 15], "ranks": [2, 1, 2]}

says: by two for lists and minus one for words, 12 comes first and 17 and 15 tie; everything at 0 was on the screen before.
`tried` is every setting whose ranking the labeler saw, in its order, the last one the one that was kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, StringConstraints, field_validator, model_validator

from feedback_types.base import Many, Payload, Settings, setting
from feedback_types.proxy_reward.program import LONGEST, sha_of

FEWEST, MOST = 3, 9  # responses of a pool
MOST_FEATURES = 5
MOST_CRITERIA = 20
WIDEST = 5
MOST_TRIED = 200
MOST_PROGRAMS = 20  # different ones: each is run on the whole pool when the answer is stored
WEEK_MS = 7 * 24 * 3600 * 1000

Mode = Literal["sliders", "rubric", "program"]
FeatureName = Literal[
    "words", "sentences", "sentence_length", "reading_ease", "questions", "exclamations", "lists", "code", "numbers",
    "politeness", "hedges", "repetition",
]  # fmt: skip
Criterion = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[^\W\d_][\w \-]*$")
]


class Tried(Payload):
    """One setting whose ranking was on the screen, and when: milliseconds after the item appeared, None if unknown."""

    weights: dict[str, int] = Field(default_factory=dict, max_length=MOST_CRITERIA)
    program: str | None = Field(default=None, max_length=LONGEST)
    t_ms: int | None = Field(default=None, ge=0, le=WEEK_MS)

    @property
    def key(self) -> tuple[tuple[tuple[str, int], ...], str]:
        """What is stated, whenever it was."""
        return tuple(sorted(self.weights.items())), self.program or ""


class ProxyPayload(Payload):
    """`weights` by feature or criterion; `judgements` of a rubric: a level for each of the pool by criterion, 0 the worst.

    `pool` are the responses as shown, `ranks` what the proxy makes of them: 1 the best, equal ranks a tie.
    """

    mode: Mode
    feature_set: int = Field(ge=1)
    weights: dict[str, int] = Field(default_factory=dict, max_length=MOST_CRITERIA)
    judgements: dict[str, Many[int]] = Field(default_factory=dict, max_length=MOST_CRITERIA)
    program: str | None = Field(default=None, max_length=LONGEST)
    program_sha: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    tried: Many[Tried] = Field(min_length=1, max_length=MOST_TRIED)
    pool: Many[int] = Field(min_length=FEWEST, max_length=MOST)
    ranks: Many[int] = Field(min_length=FEWEST, max_length=MOST)

    @model_validator(mode="after")
    def _consistent(self) -> ProxyPayload:
        if len(set(self.pool)) != len(self.pool):
            raise ValueError(_("A response is named twice in pool; name each once."))
        if len(self.ranks) != len(self.pool):
            raise ValueError(_("Give one rank for each of the pool."))
        said = sorted(set(self.ranks))
        if said != list(range(1, len(said) + 1)):
            raise ValueError(_("Ranks count up from 1 without gaps; equal ranks are a tie."))
        if (self.mode == "program") != (self.program is not None):
            raise ValueError(_("A program is for the mode “program”, and needed there."))
        if (self.mode == "program") == bool(self.weights):
            raise ValueError(_("Weights are for sliders and rubrics, and needed there."))
        if (self.mode == "rubric") != bool(self.judgements):
            raise ValueError(_("Judgements are for rubrics, and needed there."))
        if self.program_sha != (None if self.program is None else sha_of(self.program)):
            raise ValueError(_("program_sha is the SHA-256 of the program; leave both out or send both."))
        if self.tried[-1].key != self.stated.key:
            raise ValueError(_("The last setting tried is the one that is kept."))
        return self

    @property
    def stated(self) -> Tried:
        """What was kept, in the form of what was tried."""
        return Tried(weights=self.weights, program=self.program)

    @property
    def top(self) -> tuple[int, ...]:
        """What the proxy ranks first; several where they tie."""
        return tuple(i for i, rank in zip(self.pool, self.ranks, strict=True) if rank == 1)


class ProxySettings(Settings):
    mode: Mode = setting(
        "sliders",
        title=gettext_lazy("How a reward is stated"),
        description=gettext_lazy(
            "sliders: weights on features of the text that a program counts. rubric: your criteria, judged for each "
            "response. program: an expression over the features."
        ),
    )
    features: tuple[FeatureName, ...] = setting(
        ("words", "reading_ease", "lists", "politeness", "hedges"),
        max_length=MOST_FEATURES,
        title=gettext_lazy("Features"),
        description=gettext_lazy("For sliders: one to five. A program may always use all of them."),
    )
    widest: int = setting(
        3,
        ge=1,
        le=WIDEST,
        title=gettext_lazy("Largest weight"),
        description=gettext_lazy("Weights are whole numbers from minus this to this."),
    )
    criteria: tuple[Criterion, ...] = setting(
        (),
        max_length=MOST_CRITERIA,
        title=gettext_lazy("Criteria of the rubric"),
        description=gettext_lazy(
            "One a line, short; say in the guidelines what each means. Each teaches an attribute of its own."
        ),
    )
    levels: int = setting(
        2,
        ge=2,
        le=5,
        title=gettext_lazy("Levels of a criterion"),
        description=gettext_lazy("2 asks yes or no; more are grades from 0 to one less than this."),
    )
    weigh: bool = setting(
        True,
        title=gettext_lazy("Labelers weigh the criteria"),
        description=gettext_lazy(
            "Without it every criterion counts one, and the rubric teaches its criteria but not the reward."
        ),
    )
    sample: int = setting(
        60,
        ge=0,
        le=100,
        title=gettext_lazy("Settings to compare with"),
        description=gettext_lazy(
            "So many settings drawn from all there are are stored beside the tried ones, as what the labeler passed over."
        ),
    )

    @field_validator("features", "criteria")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.casefold() for name in names}) != len(names):
            raise ValueError(_("Two names are the same; give each its own."))
        return names

    @model_validator(mode="after")
    def _something(self) -> ProxySettings:
        if self.mode == "sliders" and not self.features:
            raise ValueError(_("Choose at least one feature for the sliders."))
        if self.mode == "rubric" and not self.criteria:
            raise ValueError(_("Name at least one criterion for the rubric."))
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """What is weighed: features, criteria, or nothing for a program."""
        return {"sliders": self.features, "rubric": self.criteria, "program": ()}[self.mode]
