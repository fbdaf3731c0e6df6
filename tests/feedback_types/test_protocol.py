"""Which questions go together on one screen, and what is said when they do not."""

from __future__ import annotations

from typing import Any

import pytest

from feedback_types import registry
from feedback_types.base import (
    InvalidPayload,
    Message,
    Question,
    Screen,
    Turn,
)
from feedback_types.protocol import load_protocol


def ask(*slugs: str | dict[str, Any], is_stored: bool = False) -> tuple[Question, ...]:
    entries = [slug if isinstance(slug, dict) else {"type": slug} for slug in slugs]
    return load_protocol(
        [{"key": f"q{n}", "title": f"Question {n}", **entry} for n, entry in enumerate(entries, start=1)],
        is_stored=is_stored,
    )


def refusals(*slugs: str | dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(InvalidPayload) as refused:
        ask(*slugs)
    return refused.value.errors


def test_what_lets_responses_appear_is_asked_first():
    assert len(ask("e_stop", "comparison", "critique")) == 3
    assert refusals("comparison", "e_stop") == {
        "questions.2": [
            "The responses are hidden until it has let them appear; put it before “Question 1”, which needs their "
            "whole text."
        ]
    }


def test_two_questions_cannot_both_let_responses_appear():
    said = refusals("e_stop", "e_stop", "comparison")
    assert set(said) == {"questions.1", "questions.2"}
    assert said["questions.2"] == [
        "It lets the responses appear, and so does “Question 1”; keep one of the two."
    ]


def test_what_puts_another_text_in_place_is_asked_last():
    assert len(ask("comparison", "critique", "improvement")) == 3
    assert refusals("improvement", "critique") == {
        "questions.1": [
            "It puts another text in the place of a response; put it after “Question 2”, which is about the responses as "
            "they are."
        ]
    }
    assert refusals("improvement", "improvement")["questions.2"] == [
        "It puts another text in the place of a response, and so does “Question 1”; keep one of the two."
    ]


def test_marks_are_asked_for_in_one_question():
    marks = {"type": "critique", "settings": {"categories": ["factual"]}}
    assert len(ask(marks, "critique")) == 2
    assert refusals(marks, marks) == {
        "questions.2": ["Words are marked in “Question 1” already; ask for all categories there."]
    }


def test_numbers_of_responses_that_exclude_each_other_are_told_at_the_later_question(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(type(registry.get("critique")), "arity", (1, 1))
    said = "These types cannot share a screen: “Question %d” needs at least 2 responses, “Question %d” takes at most 1."
    assert refusals("comparison", "critique") == {"questions.2": [said % (1, 2)]}
    assert refusals("critique", "comparison") == {"questions.2": [said % (2, 1)]}


def test_a_question_without_a_title_is_called_by_its_type():
    entries = [{"key": "a", "type": "critique"}, {"key": "b", "type": "e_stop"}]
    with pytest.raises(InvalidPayload, match="put it before “Critique”"):
        load_protocol(entries)


def test_a_stored_protocol_is_read_though_a_rule_came_later():
    assert [q.type.slug for q in ask("comparison", "e_stop", is_stored=True)] == ["comparison", "e_stop"]


class Explains(type(registry.get("comparison"))):  # type: ignore[misc]
    """A type with a rule of its own, as in the words of the contract."""

    def conflict(self, settings, before, after):
        if said := super().conflict(settings, before, after):
            return said
        if not any(q.type.attributes.intent == "Evaluative" for q in before):
            return "This question explains a judgement; put one before it."
        return ""

    def reveals(self, settings):
        return True


def test_a_type_has_rules_of_its_own_after_those_of_all():
    explains, (judgement,), (stream,) = Explains(), ask("critique"), ask("e_stop")
    own = "This question explains a judgement; put one before it."
    assert explains.conflict(None, (), (judgement,)) == own
    assert explains.conflict(None, (judgement,), ()).startswith("The responses are hidden")
    assert explains.conflict(None, (stream, judgement), ()).startswith("It lets the responses appear")


@pytest.mark.parametrize("feedback_type", registry.all_types(), ids=lambda t: t.slug)
def test_every_type_says_whether_it_can_be_asked_alone(feedback_type):
    """…or says in a sentence what it needs beside it."""
    for example in feedback_type.valid:
        said = feedback_type.conflict(feedback_type.settings(example.settings), (), ())
        assert said == "" or said.endswith(".")


def test_turns_of_the_assistant_come_with_their_place_in_the_prompt():
    dialogue = Screen(
        (
            Message("system", "Be brief."),
            Message("user", "Hi"),
            Message("assistant", "Hello 👋🏽"),
            Message("user", "Bye"),
            Message("assistant", ""),
            Message("user", "?"),
        ),
        (),
    )
    assert dialogue.turns == (Turn(2, "Hello 👋🏽"), Turn(4, ""))
    assert Screen((Message("user", "Hi"),), ()).turns == ()
