"""Comparisons in a real browser: arrows, digits, none is good, and the same without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

GRADE = {"key": "grade", "type": "critique", "title": "How good?"}


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, responses: int = 2, more=(), **settings: Any) -> None:
    protocol = [{"key": "better", "type": "comparison", "title": "Which?", "settings": settings}, *more]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    texts = [NewResponse(f"Answer {n}.", source_name="p") for n in range(responses)]
    add_items(campaign=campaign, items=[NewItem("Who?", texts)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page, question: str = "better") -> list[dict[str, Any]]:
    page.wait_for_timeout(
        300
    )  # the page takes an Enter right after an item appears for the second half of a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return list(Feedback.objects.filter(question=question).order_by("pk").values_list("payload", flat=True))


@pytest.mark.parametrize(
    ("keys", "strength"),
    [
        (["ArrowLeft"], 1),
        (["ArrowLeft", "ArrowLeft"], 2),
        (["ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight"], -3),
        (["ArrowLeft", "ArrowLeft", "ArrowRight"], -1),
        (["ArrowLeft", "ArrowDown"], 0),
    ],
)
def test_arrows_pick_and_strengthen(page, site, cast, keys, strength) -> None:
    show(page, site, cast)
    press(page, *keys)
    [payload] = sent(page)
    assert payload["strength"] == strength and not payload["both_bad"]


def test_a_second_arrow_still_counts_when_the_next_question_is_active(page, site, cast) -> None:
    show(page, site, cast, more=[GRADE])
    press(page, "ArrowRight")
    expect(page.locator("#q-grade")).to_have_attribute("data-state", "active")
    press(page, "6", "ArrowRight", "2")
    expect(page.locator("#q-better .question-summary")).to_have_text("B is clearly better")
    [payload] = sent(page)
    assert payload["strength"] == -2
    grades = (
        Feedback.objects.filter(question="grade")
        .order_by("pk")
        .values_list("payload__ratings__overall", flat=True)
    )
    assert list(grades) == [6, 2]  # one key for each side


def test_nothing_moves_when_something_is_chosen(page, site, cast) -> None:
    show(page, site, cast)
    options = page.locator(".comparison-option")
    before = [options.nth(i).bounding_box() for i in range(options.count())]
    press(page, "ArrowLeft", "ArrowLeft")
    assert [options.nth(i).bounding_box() for i in range(options.count())] == before
    assert all(box["width"] >= 24 and box["height"] >= 40 for box in before)


def test_none_is_good(page, site, cast) -> None:
    show(page, site, cast)
    press(page, "b")
    [payload] = sent(page)
    assert payload["both_bad"] and payload["strength"] == 0


def test_only_what_is_on_offer(page, site, cast) -> None:
    show(page, site, cast, strengths=1, ties=False, both_bad=False)
    press(page, "ArrowDown", "b")
    expect(page.locator("input:checked")).to_have_count(0)
    press(page, "ArrowLeft", "ArrowLeft")
    [payload] = sent(page)
    assert payload["strength"] == 1


def test_digits_rank_with_ties(page, site, cast) -> None:
    show(page, site, cast, responses=4)
    press(page, "3", "1", "2", "Backspace", "=", "4", "2")
    expect(page.locator("#q-better")).to_have_attribute("data-state", "active")
    [payload] = sent(page)
    assert payload["ranks"] == [2, 3, 1, 2]


def test_a_ranking_and_none_is_good_exclude_each_other(page, site, cast) -> None:
    show(page, site, cast, responses=3)
    press(page, "1", "2", "b")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    press(page, "2")
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(0)
    press(page, "b")
    [payload] = sent(page)
    assert payload["both_bad"] and payload["ranks"] == [1, 1, 1]


def test_a_digit_picks_the_best(page, site, cast) -> None:
    show(page, site, cast, responses=4, mode="best")
    press(page, "9", "2", "4")
    [payload] = sent(page)
    assert payload["ranks"] == [None, None, None, 1]


@pytest.mark.parametrize(("responses", "choose"), [(2, ["B is clearly better"]), (3, ["A", "B", "C"])])
def test_without_scripts(browser, site, cast, page, responses, choose) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, responses=responses)
        if responses == 2:
            plain.get_by_label("B is clearly better").check()
        else:
            for place, letter in ((2, "A"), (1, "B"), (2, "C")):
                plain.get_by_role("radiogroup", name=f"Place of {letter}").get_by_label(str(place)).check()
        plain.get_by_role("button", name="Send").click()
        [payload] = Feedback.objects.values_list("payload", flat=True)
        assert payload["ranks"] == ([2, 1] if responses == 2 else [2, 1, 2])
