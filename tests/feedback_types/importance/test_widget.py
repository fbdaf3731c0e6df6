"""Marks in a real browser: sentences by j and k, 1, 2, 3 and clicks, selected words, the prompt; and without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXT = "It is 🏠 home.\r\nShops only sell. A house keeps things. It is so."
PROMPT = "Is a 🔦 not for sale?\r\nSay where it is."
Marked = list[tuple[str, int, int]]


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts: str, more=(), **settings: Any) -> None:
    protocol = [
        *more,
        {"key": "why", "type": "importance", "title": "What decided it?", "settings": settings},
    ]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(campaign=campaign, items=[NewItem(PROMPT, [NewResponse(t, source_name="p") for t in texts])])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    page.wait_for_timeout(300)  # the page takes an Enter at once for the second half of a double press


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> list[dict[str, Any]]:
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return list(Feedback.objects.order_by("pk").values_list("payload", flat=True))


def marked(payload: dict[str, Any], text: str = TEXT) -> Marked:
    def source(mark: dict[str, Any]) -> str:
        return PROMPT if mark["where"] == "prompt" else text

    return [(source(m)[m["start"] : m["end"]], m["sign"], m["weight"]) for m in payload["marks"]]


def point(page, words: str, box: str = ".response .raw") -> dict[str, float]:
    """Where the middle of some words is on the screen."""
    return page.evaluate(
        """([words, box]) => {
          const node = document.querySelector(box).firstChild;
          const range = document.createRange();
          range.setStart(node, node.data.indexOf(words));
          range.setEnd(node, node.data.indexOf(words) + words.length);
          const r = range.getBoundingClientRect();
          return { x: r.x + r.width / 2, y: r.y + r.height / 2 };
        }""",
        [words, box],
    )


def test_sentences_by_keys(page, site, cast) -> None:
    """j to the second sentence: it helped; on to the third: it hurt, twice; back, cleared, and helped after all."""
    show(page, site, cast, TEXT)
    press(page, "j", "j", "1", "j", "2", "2", "k", "3", "1", "0")
    [payload] = sent(page)
    assert marked(payload) == [("Shops only sell.", 1, 1), ("A house keeps things.", -1, 2)]
    assert payload["explains"] is None


def test_clicks_go_round_and_words_can_be_selected(page, site, cast) -> None:
    show(page, site, cast, TEXT)
    for words, times in (("home", 1), ("only", 2), ("It is so", 3)):
        for _ in range(times):
            at = point(page, words)
            page.mouse.click(at["x"], at["y"])
            page.wait_for_timeout(
                600
            )  # or the browser takes two clicks for a double one, which selects a word
    begin, end = point(page, "keeps"), point(page, "things")
    page.mouse.move(begin["x"], begin["y"])
    page.mouse.dblclick(end["x"], end["y"])
    page.get_by_role("button", name="Helped").click()
    page.get_by_label("Nothing more to mark").check()
    [payload] = sent(page)
    assert marked(payload) == [("It is 🏠 home.", 1, 1), ("Shops only sell.", -1, 1), ("things", 1, 1)]


def test_two_best_and_two_worst_of_each(page, site, cast) -> None:
    show(page, site, cast, TEXT, "One. Two.", mode="best_worst")
    for n in (4, 2):
        if page.locator(".imp-focus").get_attribute("data-pairs") == "2":
            press(page, *["j", "1"] * 2, "j", "1", "2", "j", "2")  # a third "best" is not taken
        else:
            press(page, "j", "1", "j", "2")
        assert n
    payloads = sent(page)
    found = {len(p["segments"]): [m["sign"] for m in p["marks"]] for p in payloads}
    assert found == {4: [1, 1, -1, -1], 2: [1, -1]}


def test_words_of_the_prompt(page, site, cast) -> None:
    show(page, site, cast, TEXT, where="both", signed=False, weights=False)
    press(page, "j", "j", "1", "j", "1", "0")
    [payload] = sent(page)
    assert marked(payload) == [("Say where it is.", 0, 1), ("It is 🏠 home.", 0, 1)]
    assert [m["turn"] for m in payload["marks"]] == [0, None]


def test_what_it_explains_is_stored(page, site, cast) -> None:
    grade = {"key": "grade", "type": "critique", "title": "How good?"}
    show(page, site, cast, TEXT, more=[grade], explains="grade")
    press(page, "6", "0")
    assert sent(page)[-1] | {"segments": []} == {
        "explains": "grade", "mode": "marks", "segments": [], "prompt_segments": [], "marks": [],
    }  # fmt: skip


def test_without_scripts(browser, site, cast) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, TEXT, where="both")
        box = plain.get_by_label("What mattered in A")
        box.fill("++ Shops only sell.\n- for mountains")
        plain.get_by_role("button", name="Send").click()
        expect(
            plain.get_by_text("Line 2: these words are not in the text; copy them exactly.")
        ).to_be_visible()
        box.fill("++ Shops only sell.\n- not for sale")
        plain.get_by_role("button", name="Send").click()
        [payload] = Feedback.objects.values_list("payload", flat=True)
        assert marked(payload) == [("Shops only sell.", 1, 2), ("not for sale", -1, 1)]


def test_narrow_and_accessible(browser, site, cast) -> None:
    """390 px wide, light and dark, with marks: nothing sticks out, targets are large, axe finds nothing."""
    with browser.page(
        site.url, bypass_csp=True, reduced_motion="reduce", viewport={"width": 390, "height": 844}
    ) as page:
        show(page, site, cast, TEXT, "One. Two.", where="both")
        press(page, "j", "1", "j", "j", "2", "2")
        expect(page.locator(".imp-mark")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [button.bounding_box() for button in page.locator(".imp-button:visible").all()]
        assert boxes and all(box["height"] >= 40 and box["x"] + box["width"] <= 390 for box in boxes)
        assert axe_finds_in_both_themes(page) == []
