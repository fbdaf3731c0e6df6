"""Feature traces in a real browser: digits, dragging, a rewrite, levels, a phone, and the same without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXTS = ("I should be glad to assist. 🎩", "Sure, I can help.", "yep, no prob", "好的。")


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts: str, **settings: Any) -> None:
    asked = [{"key": "formal", "type": "feature_trace", "title": "How formal?", "settings": settings}]
    campaign = make_campaign(cast, items=0, protocol=asked)
    responses = [NewResponse(text, source_name="p") for text in texts]
    add_items(campaign=campaign, items=[NewItem("Can you help me move?", responses)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> dict[str, Any]:
    page.wait_for_timeout(300)  # an Enter right after the item appeared would count as a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return Feedback.objects.get().payload


def shown(page) -> list[int]:
    return [int(n) for n in page.locator(".response").evaluate_all("all => all.map(r => r.dataset.response)")]


def test_digits_from_the_most(page, site, cast) -> None:
    show(page, site, cast, *TEXTS[:3])
    ids = shown(page)
    press(page, "2", "1", "Backspace", "3", "1")
    assert sent(page)["ordered_ids"] == [ids[0], ids[2], ids[1]]  # stored from the least


def test_cards_are_dragged_onto_the_line(page, site, cast) -> None:
    show(page, site, cast, *TEXTS)
    ids = shown(page)
    card, line = page.locator(".trace-card"), page.locator(".trace-line")

    def drag(key: int, x: float) -> None:
        box, room = card.and_(page.locator(f'[data-key="{key}"]')).bounding_box(), line.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 15)
        page.mouse.down()
        page.mouse.move(room["x"] + room["width"] * 0.5, room["y"] + 20, steps=3)
        page.mouse.move(room["x"] + room["width"] * x, room["y"] + room["height"] / 2, steps=3)
        page.mouse.up()

    drag(1, 0.5)
    drag(2, 0.99)
    drag(3, 0.01)
    assert line.locator("strong").all_text_contents() == ["C", "A", "B"]
    drag(2, 0.01)  # taken along on the line
    assert line.locator("strong").all_text_contents() == ["B", "C", "A"]
    page.locator(".trace-tray .trace-card").click()
    payload = sent(page)
    assert payload["ordered_ids"] == [ids[3], ids[0], ids[2], ids[1]]
    assert (payload["start_level"], payload["end_level"]) == (0.0, 1.0)


def test_levels_by_arrows_and_by_sliders(page, site, cast) -> None:
    show(page, site, cast, *TEXTS[:3], levels=True)
    press(page, "1", "2", "3")
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")  # the levels have not been said yet
    expect(page.get_by_role("alert").or_(page.locator(".toast"))).to_be_visible()
    press(page, "ArrowDown", "ArrowDown", "ArrowRight")
    page.get_by_label("How much formality the one with the least has").fill("0.3")
    page.locator("#q-formal").focus()
    payload = sent(page)
    assert (payload["start_level"], payload["end_level"]) == (0.3, 0.8)


def test_a_rewrite_is_written_judged_and_counted(page, site, cast) -> None:
    show(page, site, cast, "Sure.\r\nSee you! 👋", mode="rewrite")
    press(page, "m")  # nothing is written yet
    press(page, "e", "Control+a")
    page.keyboard.type("Certainly, Sir.")
    press(page, "Control+Enter", "m")
    payload = sent(page)
    rewrite = payload["rewrite"]
    assert (rewrite["text"], rewrite["has"], rewrite["keystrokes"]) == ("Certainly, Sir.", "more", 15)
    assert rewrite["edit_ms"] >= 0 and payload["ordered_ids"] == []


def test_a_phone_shows_all_cards(page, site, cast) -> None:
    show(page, site, cast, *TEXTS)
    page.set_viewport_size({"width": 390, "height": 800})
    boxes = [page.locator(".trace-card").nth(i).bounding_box() for i in range(4)]
    assert all(box["height"] >= 40 and box["x"] + box["width"] <= 390 for box in boxes)
    for i in (3, 2, 1, 0):
        page.locator(f'.trace-card[data-key="{i + 1}"]').click()
    assert sent(page)["ordered_ids"] == sorted(
        Feedback.objects.get().payload["ordered_ids"], key=shown_order(page)
    )


def shown_order(page):
    """Cards were taken from the last to the first, so the first has the least."""
    ids = [option["value"] for option in Feedback.objects.get().choice_set["options"]]
    return ids.index


def test_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, *TEXTS[:3], levels=True)
        ids = shown_plain(plain)
        for letter, place in (("A", "2"), ("B", "1")):
            plain.get_by_role("radiogroup", name=f"Place of {letter}").get_by_label(place).check()
        plain.get_by_role("button", name="Send").click()
        expect(plain.get_by_text("Give this response a place too.")).to_be_visible()
        plain.get_by_role("radiogroup", name="Place of C").get_by_label("3").check()
        plain.get_by_label("These levels are right").check()
        plain.get_by_role("button", name="Send").click()
        assert Feedback.objects.get().payload["ordered_ids"] == [ids[2], ids[0], ids[1]]


def shown_plain(plain) -> list[int]:
    return [int(response.get_attribute("data-response")) for response in plain.locator(".response").all()]


def test_axe_finds_nothing(browser, site, cast) -> None:
    found = []
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as empty:
        for texts, settings in ((TEXTS, {"levels": True}), (TEXTS[:1], {"mode": "rewrite", "levels": True})):
            seen = empty.context.new_page()
            show(seen, site, cast, *texts, **settings)
            press(seen, "1", "2", "e")
            found += axe_finds_in_both_themes(seen)
    assert found == []
