"""What goes into a snapshot: the filters a researcher chooses, kept in the manifest so that the cut can be made again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from annotation.errors import Invalid

PSEUDONYM = re.compile(r"l-[0-9a-f]{12}")
LabelerKind = Literal["human", "simulated", "ai", "proxy"]


class Filters(BaseModel):
    """Nothing chosen means everything, save answers of AI judges and stated rewards: those only ever enter on request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: tuple[int, ...] = Field((), title="Rounds", description="Empty: all rounds.")
    questions: tuple[str, ...] = Field(
        (), title="Questions", description="Keys of the protocol; empty: all questions."
    )
    types: tuple[str, ...] = Field((), title="Feedback types", description="Slugs; empty: all types.")
    labelers: tuple[str, ...] = Field(
        (), title="Only these labelers", description="Pseudonyms; empty: everybody."
    )
    labelers_excluded: tuple[str, ...] = Field((), title="Without these labelers", description="Pseudonyms.")
    labeler_kinds: tuple[LabelerKind, ...] = Field(
        ("human", "simulated"),
        title="Answers from",
        description="Answers of people, of simulated labelers, of AI judges and of stated rewards are always told apart.",
        min_length=1,
    )
    submitted_from: AwareDatetime | None = Field(None, title="Submitted from")
    submitted_until: AwareDatetime | None = Field(
        None,
        title="Submitted until",
        description="Empty: until now. Later answers never enter the snapshot.",
    )
    include_late: bool = Field(
        True,
        title="Keep late answers",
        description="Late answers are in the events, marked; views for training never hold them.",
    )
    agreement_at_least: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Agreement of at least",
        description="1 - the mean distance of two answers to one question about one item, by the distance of the question's "
        "type; 1 is unanimity. Answers to questions about which fewer than two people were heard are then left out.",
    )
    settled: bool = Field(
        False,
        title="Settled answers in the labelers' place",
        description="On items that a reviewer has settled, the reviewer's answers take the place of what labelers said. A "
        "decision that the other filters leave out by its time, round or reviewer settles nothing; agreement is asked of "
        "labelers alone.",
    )
    test_percent: int = Field(
        20,
        ge=1,
        le=50,
        title="Prompts held out for testing, %",
        description="A hash of the normalised prompt decides, so no prompt is on both sides.",
    )

    # No filters, but on the card; from the campaign's settings, and kept so that the snapshot can be made again.
    data_license: str = Field("", max_length=20, title="Licence of the data")
    legal_basis: str = Field("", max_length=20, title="Legal basis")

    @field_validator("rounds", "questions", "types", "labelers", "labelers_excluded", "labeler_kinds")
    @classmethod
    def in_one_order(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same choice in another order is the same snapshot."""
        return tuple(sorted(set(values)))

    @field_validator("labelers", "labelers_excluded")
    @classmethod
    def pseudonyms(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not PSEUDONYM.fullmatch(value):
                raise ValueError(f"{value[:40]!r} is no pseudonym; one looks like l-3f9a0c2e11d4")
        return values

    @model_validator(mode="after")
    def possible(self) -> Filters:
        if both := sorted({*self.labelers} & {*self.labelers_excluded}):
            raise ValueError(
                f"{both[0]} is both chosen and excluded; take the pseudonym out of one of the two"
            )
        if self.submitted_from and self.submitted_until and self.submitted_from > self.submitted_until:
            raise ValueError(
                "submitted_from lies after submitted_until, so nothing could be in it; swap them"
            )
        return self

    @classmethod
    def read(cls, raw: Any) -> Filters:
        """Filters from a form or an API call. Raises Invalid naming the filter."""
        if isinstance(raw, Filters):
            return raw
        try:
            return cls.model_validate(raw or {})
        except ValidationError as error:
            fields: dict[str, list[str]] = {}
            for e in error.errors(include_url=False, include_context=False, include_input=False):
                fields.setdefault(".".join(str(part) for part in e["loc"]) or "filters", []).append(
                    e["msg"].removeprefix("Value error, ")
                )
            raise Invalid(str(_("These filters cannot be used.")), fields=fields) from error

    def until(self, instant: datetime) -> Filters:
        """The same filters with their upper end at `instant`."""
        return self.model_copy(update={"submitted_until": instant})

    def dump(self) -> dict[str, Any]:
        """As JSON, with instants in UTC to the microsecond. `settled` came later: it is there only where it was chosen, so
        that a cut without it keeps its name."""
        data = self.model_dump(mode="json")
        if not self.settled:
            del data["settled"]
        for name in ("submitted_from", "submitted_until"):
            value: datetime | None = getattr(self, name)
            data[name] = None if value is None else utc(value)
        return data


def utc(instant: datetime) -> str:
    """`2026-11-20T18:00:00.000000Z`: one spelling for one instant."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
