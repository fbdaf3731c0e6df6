"""A dialogue on the labeling screen: what is folded, who speaks, and that every message is there exactly, in order."""

from __future__ import annotations

import re

from django.template.loader import render_to_string

from annotation.views.contexts import LONG_INSTRUCTIONS, screen_context
from feedback_types import registry
from feedback_types.base import Message, Question, Screen, ShownResponse

ASK = [Question("q", registry.get("critique"), registry.get("critique").settings())]


def shown(*messages: tuple[str, str]) -> tuple[dict, str]:
    screen = Screen(tuple(Message(*m) for m in messages), (ShownResponse(1, "Yes."),))
    context = screen_context(ASK, screen)
    return context["item"], render_to_string("label/_item.html", context)


def dialogue(n: int) -> list[tuple[str, str]]:
    """n messages, the last one from the person."""
    return [("user" if (n - i) % 2 else "assistant", f"message {i}") for i in range(n)]


def numbers(messages: list[dict]) -> list[int]:
    return [m["number"] for m in messages]


def test_one_question_is_not_folded():
    item, page = shown(("user", "Why?"))
    assert numbers(item["messages"]) == [0] and item["earlier"] == item["instructions"] == []
    assert 'class="turns"' not in page


def test_all_but_the_last_three_messages_are_folded():
    item, page = shown(*dialogue(12))
    assert numbers(item["earlier"]) == list(range(9)) and numbers(item["messages"]) == [9, 10, 11]
    assert "9 earlier turns" in page and page.count('<details class="turns">') == 1


def test_instructions_stay_in_sight_and_in_order():
    item, page = shown(("system", "Be brief."), *dialogue(6))
    assert (numbers(item["instructions"]), numbers(item["earlier"]), numbers(item["messages"])) == (
        [0], [1, 2, 3], [4, 5, 6],
    )  # fmt: skip
    assert re.findall(r'data-turn="(\d+)"', page) == [str(n) for n in range(7)]
    assert page.index("Be brief.") < page.index("<details")


def test_long_instructions_are_folded_under_their_own_name():
    _item, page = shown(("system", "word " * LONG_INSTRUCTIONS), ("user", "Hi"))
    assert (
        page.index("<details")
        < page.index("Instructions to the assistant</summary>")
        < page.index("word word")
    )


def test_a_prompt_of_instructions_alone_is_still_shown():
    item, _page = shown(("system", "Write a poem."))
    assert numbers(item["messages"]) == [0]


def test_each_message_says_who_speaks_and_carries_its_exact_text_isolated():
    _item, page = shown(("assistant", "שלום **עולם**\n  <b>"), ("user", "?"))
    assert '<pre class="raw" dir="auto" hidden>\nשלום **עולם**\n  &lt;b&gt;</pre>' in page
    assert (
        page.count('<p class="message-role">Assistant</p>')
        == page.count('<p class="message-role">Person</p>')
        == 1
    )
    assert page.count('<div class="rendered" dir="auto">') >= 2
