"""Sets that label steps and turns: small rows of the same shapes, with the answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from annotation.replay.sets import SETS, answers_on
from annotation.replay.sets.steps import joined
from feedback_types.base import InvalidPayload, Message, Screen, ShownResponse
from feedback_types.protocol import load_protocol

PROMPT = [{"role": "user", "content": "How many?"}]


def said(name: str, row: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The case of a row, and the payload that its labeler gives on the screen made of it."""
    real = SETS[name]
    case = real.read(row)
    screen = Screen(
        tuple(Message(m["role"], m["content"]) for m in case.prompt),
        (ShownResponse(7, case.responses[0]["content"]),),
    )
    (answer,) = answers_on(screen, load_protocol(real.protocol), case.said[0])
    assert answer.target == 7
    return case, answer.payload.dump()


def test_steps_are_joined_so_that_they_are_cut_at_the_same_places() -> None:
    assert joined(["2 + 2 = 4.", "So 4."]) == ("2 + 2 = 4.\nSo 4.", [11, 16])
    assert joined(["2 + 2\n= 4.", "So 4."]) == ("2 + 2\n= 4.\n\nSo 4.", [12, 17])


def test_the_first_wrong_step_of_a_solution() -> None:
    row = {
        "id": "m1",
        "prompt": PROMPT,
        "steps": ["2 🍎.", "3 🍐.", "So 6.", "#### 6"],
        "first_error_step": 2,
    }
    case, payload = said("mr_gsm8k_steps", row)
    assert case.responses[0]["content"] == "2 🍎.\n3 🍐.\nSo 6.\n#### 6"
    assert payload["segments"] == [5, 10, 16, 22]
    assert (payload["labels"], payload["first_error_index"]) == ([1, 1, -1, None], 2)


def test_a_chain_without_a_mistake_and_one_that_rules_labelled() -> None:
    row = {
        "id": "b1",
        "prompt": PROMPT,
        "steps": ["A.", "B."],
        "first_error_step": None,
        "labelled_by": "human",
        "source": "m",
    }
    _case, payload = said("bigbench_mistake", row)
    assert (payload["labels"], payload["first_error_index"]) == ([1, 1], None)
    case = SETS["bigbench_mistake"].read(row | {"labelled_by": "rules, mostly"})
    assert (list(case.said), case.refused) == ([], ["labelled by rules, not by a person"])


def test_steps_that_the_question_would_cut_otherwise_are_not_said() -> None:
    """One line is no list of steps, so it is cut into sentences; the set means it as one."""
    row = {"id": "m2", "prompt": PROMPT, "steps": ["Two. And three."], "first_error_step": 0}
    with pytest.raises(InvalidPayload, match="other segments"):
        said("mr_gsm8k_steps", row)


def test_impressions_of_a_chatbot_s_turns() -> None:
    turns = [{"user": f"u{n}", "assistant": f"a{n}", "impression": n} for n in range(3)]
    case, payload = said("conture_turns", {"id": "c1", "turns": turns})
    assert [m["content"] for m in case.prompt] == ["u0", "a0", "u1", "a1", "u2"]
    assert case.responses[0]["content"] == "a2"
    assert (payload["segments"], payload["labels"]) == ([1, 3, 5], [-1, 0, 1])


def test_the_one_who_begins_rates_the_other() -> None:
    ratings = [5, 2, 1, None, 4, 5, 3]  # of each turn, by the person who did not say it
    turns = [
        {"agent": f"agent_{n % 2 + 1}", "text": f"t{n}", "partner_rating": rating}
        for n, rating in enumerate(ratings)
    ]
    case, payload = said("topical_chat_turns", {"id": "t1", "turns": turns})
    assert [m["content"] for m in case.prompt] == ["t0", "t1", "t2", "t3", "t4"]
    assert case.responses[0]["content"] == "t5"  # the seventh turn has no reply
    assert payload["labels"] == [-1, None, 1]
