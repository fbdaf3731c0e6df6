"""What goes into a snapshot: the filters a researcher chooses, kept in the manifest so that the cut can be made again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from annotation.errors import Invalid

LabelerKind = Literal["human", "simulated", "ai", "proxy"]


class Filters(BaseModel):
    """Nothing chosen means everything, save answers of AI judges and stated rewards: those only ever enter on request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: tuple[int, ...] = Field((), title="Rounds", description="Empty: all rounds.")
    questions: tuple[str, ...] = Field(
        (), title="Questions", description="Keys of the protocol; empty: all questions."
    )
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
    test_percent: int = Field(
        20,
        ge=1,
        le=50,
        title="Prompts held out for testing, %",
        description="A hash of the normalised prompt decides, so no prompt is on both sides.",
    )

    @field_validator("rounds", "questions", "labeler_kinds")
    @classmethod
    def in_one_order(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same choice in another order is the same snapshot."""
        return tuple(sorted(set(values)))

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
                fields.setdefault(".".join(str(part) for part in e["loc"]) or "filters", []).append(e["msg"])
            raise Invalid(str(_("These filters cannot be used.")), fields=fields) from error

    def until(self, instant: datetime) -> Filters:
        """The same filters with their upper end at `instant`."""
        return self.model_copy(update={"submitted_until": instant})

    def dump(self) -> dict[str, Any]:
        """As JSON, with instants in UTC to the microsecond."""
        data = self.model_dump(mode="json")
        for name in ("submitted_from", "submitted_until"):
            value: datetime | None = getattr(self, name)
            data[name] = None if value is None else utc(value)
        return data


def utc(instant: datetime) -> str:
    """`2026-11-20T18:00:00.000000Z`: one spelling for one instant."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
