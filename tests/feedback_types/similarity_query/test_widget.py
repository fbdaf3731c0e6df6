"""Similarity queries in a real browser: one key, the mouse, a phone, and the same without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXTS = ("Breathe slowly. 🧘", "Refuse the exam.", "慢慢呼吸。")


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, **settings: Any) -> list[str]:
    """Opens the item; the texts in the order in which they are shown."""
    asked = [
        {"key": "alike", "type": "similarity_query", "title": "Which two are alike?", "settings": settings}
    ]
    campaign = make_campaign(cast, items=0, protocol=asked)
    responses = [NewResponse(text, source_name="p") for text in TEXTS]
    add_items(campaign=campaign, items=[NewItem("How do I calm down?", responses)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    return [raw.strip("\n") for raw in page.locator(".response .raw").all_text_contents()]


def sent(page) -> dict[str, Any]:
    page.wait_for_timeout(300)  # an Enter right after the item appeared would count as a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return Feedback.objects.get().payload


def odd(payload: dict[str, Any]) -> int:
    """The place of the odd one out on the screen."""
    return next(place for place, item in enumerate(payload["items"]) if item not in payload["pair"])


def test_one_key_and_another_before_sending(page, site, cast) -> None:
    show(page, site, cast)
    page.keyboard.press("3")
    page.keyboard.press("2")
    expect(page.locator('.response[data-similarity="odd"]')).to_have_count(1)
    assert odd(sent(page)) == 1


def test_the_mouse_and_a_phone_see_all_three(page, site, cast) -> None:
    show(page, site, cast)
    options = page.locator(".similarity-option")
    before = [options.nth(i).bounding_box() for i in range(3)]
    options.nth(0).click()
    assert [options.nth(i).bounding_box() for i in range(3)] == before  # nothing moves
    page.set_viewport_size({"width": 390, "height": 800})
    boxes = [options.nth(i).bounding_box() for i in range(3)]
    assert all(box["height"] >= 40 and box["x"] + box["width"] <= 390 for box in boxes)
    assert odd(sent(page)) == 0


def test_with_a_reference_two_keys_are_left(page, site, cast) -> None:
    shown = show(page, site, cast, mode="reference", instruction="Alike in what they advise.")
    reference = shown.index(TEXTS[0])
    expect(page.get_by_text("Alike in what they advise.")).to_be_visible()
    expect(page.locator(".similarity-option")).to_have_count(2)
    page.keyboard.press(str(reference + 1))  # the reference itself is no answer
    liked = (reference + 1) % 3
    page.keyboard.press(str(liked + 1))
    payload = sent(page)
    assert payload["reference"] == payload["items"][reference]
    assert set(payload["pair"]) == {payload["items"][reference], payload["items"][liked]}


def test_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast)
        plain.get_by_role("button", name="Send").click()
        expect(plain.get_by_text("This question still needs an answer.").first).to_be_visible()
        plain.get_by_label("C is the odd one out").check()
        plain.get_by_role("button", name="Send").click()
        assert odd(Feedback.objects.get().payload) == 2


def test_axe_finds_nothing(browser, site, cast) -> None:
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as seen:
        show(seen, site, cast)
        seen.keyboard.press("2")
        found = axe_finds_in_both_themes(seen)
    assert found == []
