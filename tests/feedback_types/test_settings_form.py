"""The form made from any Settings class: every kind of field, there and back, and errors beside the field."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from django.http import QueryDict
from pydantic import Field, field_validator

from feedback_types import registry
from feedback_types.base import FeedbackType, Settings
from feedback_types.settings_form import settings_form, to_data


class Pace(enum.Enum):
    SLOW = "slow"
    VERY_FAST = "very_fast"


class Everything(Settings):
    count: int = Field(3, ge=1, le=9, title="Count", description="How many.")
    rate: float = Field(0.5, gt=0, le=2, title="Rate", description="How fast.")
    is_on: bool = Field(True, title="On", description="Whether.")
    mode: Literal["auto", "by_hand"] = Field("auto", title="Mode", description="How.")
    level: Literal[1, 2, 3] = Field(2, title="Level", description="A number to choose.")
    pace: Pace = Field(Pace.SLOW, title="Pace", description="An enum.")
    names: tuple[str, ...] = Field(("a", "b c"), max_length=3, title="Names", description="One a line.")
    reasons: list[Literal["bad", "unsafe"]] = Field(["bad"], title="Reasons", description="Several.")
    note: str | None = Field(None, max_length=5, title="Note", description="May be missing.")
    limit: int | None = Field(None, ge=1, title="Limit", description="May be missing.")
    title: str = Field("", title="Title", description="May be empty.")

    @field_validator("names")
    @classmethod
    def _no_bang(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any("!" in name for name in names):
            raise ValueError("Leave the exclamation mark out.")
        return names


def post(data: dict[str, Any]) -> QueryDict:
    """As a browser sends it."""
    query = QueryDict(mutable=True)
    for name, value in data.items():
        query.setlist(name, value if isinstance(value, list) else [value])
    return query


@pytest.mark.parametrize(
    "settings",
    [
        Everything(),
        Everything(
            count=9,
            rate=1.25,
            is_on=False,
            mode="by_hand",
            level=3,
            pace=Pace.VERY_FAST,
            names=(),
            reasons=["unsafe", "bad"],
            note="hello",
            limit=7,
            title="名前",
        ),
        Everything(reasons=[]),
    ],
)
def test_settings_go_through_the_form_unchanged(settings: Everything) -> None:
    form = settings_form(Everything, post(to_data(settings, "questions-0")), prefix="questions-0")
    assert form.is_valid(), form.errors
    read = form.settings
    assert read is not None
    # Boxes come back in the order of the page.
    assert read.model_copy(update={"reasons": sorted(read.reasons)}) == settings.model_copy(
        update={"reasons": sorted(settings.reasons)}
    )


@pytest.mark.parametrize("feedback_type", registry.all_types(), ids=lambda t: t.slug)
def test_every_type_has_a_form_for_its_settings(feedback_type: FeedbackType) -> None:
    for raw in [{}, *(dict(example.settings) for example in feedback_type.valid)]:
        settings = feedback_type.settings(raw)
        form = settings_form(type(settings), post(to_data(settings)))
        assert form.is_valid(), form.errors
        assert form.settings == settings
        assert "<" in str(settings_form(type(settings), initial=settings))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", "10", "less than or equal to 9"),
        ("count", "4.5", "whole number"),
        ("rate", "0", "greater than 0"),  # by the class: the form field knows only "at least"
        ("rate", "nan", "number"),
        ("mode", "other", "not one of the available choices"),
        ("level", "4", "not one of the available choices"),
        ("names", "a\nb!", "exclamation mark"),
        ("names", "a\nb\nc\nd", "at most 3"),
        ("note", "longer", "at most 5"),
        ("limit", "0", "greater than or equal to 1"),
        ("reasons", ["bad", "worse"], "not one of the available choices"),
        ("title", "a\x00b", "Null characters"),
    ],
)
def test_errors_stand_beside_their_field(field: str, value: Any, message: str) -> None:
    form = settings_form(Everything, post({**to_data(Everything()), field: value}))
    assert not form.is_valid()
    assert set(form.errors) == {field}
    assert message in str(form.errors[field])


def test_the_page_shows_ranges_and_help() -> None:
    html = str(settings_form(Everything))
    assert 'max="9"' in html and 'min="1"' in html
    assert "How many." in html and "by hand" in html and "a\nb c" in html


def test_an_unknown_kind_of_setting_is_a_programming_error() -> None:
    class Odd(Settings):
        table: dict[str, int] = Field({}, title="Table", description="No field for it.")

    with pytest.raises(TypeError, match="table"):
        settings_form(Odd)
