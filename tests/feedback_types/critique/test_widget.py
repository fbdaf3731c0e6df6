"""Critiques in a real browser: one key a scale, letters, marks in code points, and the same without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXT = "Faust 🎭 is by Goethe.\r\nHe wrote it in 1990. 👍🏽"
FULL = {
    "criteria": ["overall", "tone"],
    "grades": 5,
    "verdict": "three",
    "tags": ["verbose"],
    "categories": ["factual", "style"],
}


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts: str, **settings: Any) -> None:
    protocol = [{"key": "grade", "type": "critique", "title": "How good?", "settings": settings}]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    responses = [NewResponse(text, source_name="p") for text in texts]
    add_items(campaign=campaign, items=[NewItem("Who wrote Faust?", responses)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> list[dict[str, Any]]:
    page.wait_for_timeout(
        300
    )  # the page takes an Enter right after an item appears for the second half of a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return list(Feedback.objects.order_by("pk").values_list("payload", flat=True))


def select(page, words: str, response: int = 0) -> None:
    """As a mouse would, from where the words start to where they end on the screen."""
    page.evaluate(
        """([words, n]) => {
          const node = document.querySelectorAll(".response .raw")[n].firstChild;
          const at = node.data.indexOf(words);
          document.getSelection().setBaseAndExtent(node, at, node, at + words.length);
        }""",
        [words, response],
    )


def test_one_key_for_each_side(page, site, cast) -> None:
    show(page, site, cast, "One.", "Two.")
    press(page, "7", "2")
    assert [p["ratings"]["overall"] for p in sent(page)] == [7, 2]


def test_the_arrow_goes_back_and_a_grade_is_changed(page, site, cast) -> None:
    show(page, site, cast, "One.", "Two.")
    press(page, "7", "2", "ArrowUp", "4")
    assert [p["ratings"]["overall"] for p in sent(page)] == [4, 2]


def test_ten_grades_end_with_zero(page, site, cast) -> None:
    show(page, site, cast, "One.", grades=10)
    press(page, "0")
    assert sent(page)[0]["ratings"] == {"overall": 10}


def test_letters_say_verdict_and_tags(page, site, cast) -> None:
    show(page, site, cast, "One.", "Two.", **{**FULL, "categories": []})
    press(page, "v", "m", "4", "5", "n", "1")
    press(page, "v", "v", "2")
    first, second = sent(page)
    assert (first["verdict"], first["ratings"], first["tags"]) == (0, {"overall": 4, "tone": 5}, ["verbose"])
    assert (second["verdict"], second["ratings"], second["tags"]) == (-1, {"overall": 1, "tone": 2}, [])


def test_marks_are_code_points_of_the_exact_text(page, site, cast) -> None:
    """Emoji before the mark, and a carriage return that the page does not show."""
    show(page, site, cast, TEXT, **{**FULL, "criteria": ["overall"], "verdict": "off"})
    select(page, "🎭 is")
    press(page, "t")
    select(page, " 1990. ")  # a double click takes spaces along
    press(page, "f", "f")
    select(page, "👍🏽")
    press(page, "f")
    expect(page.locator(".critique-mark")).to_have_count(3)
    press(page, "3")
    [payload] = sent(page)
    marks = [(TEXT[m["start"] : m["end"]], m["category"], m["severity"]) for m in payload["spans"]]
    assert marks == [("🎭 is", "style", 1), ("1990.", "factual", 2), ("👍🏽", "factual", 1)]


def test_marks_grow_together_and_can_be_taken_back(page, site, cast) -> None:
    show(page, site, cast, "One two three four.", criteria=[], categories=["factual"])
    for words in ("One two", "two three", "four"):
        select(page, words)
        press(page, "f")
    marks = page.locator(".critique-mark")
    expect(marks.locator("q")).to_have_text(["One two three", "four"])
    marks.nth(1).get_by_role("button", name="Remove this mark").click()
    marks.nth(0).locator(".critique-severity").click()
    press(page, "0")
    [payload] = sent(page)
    assert payload["spans"] == [{"start": 0, "end": 13, "category": "factual", "severity": 2}]


def test_nothing_to_mark_is_an_answer(page, site, cast) -> None:
    show(page, site, cast, "One.", "Two.", criteria=[], categories=["factual"])
    expect(page.locator("#q-grade")).to_have_attribute("data-state", "active")
    press(page, "0", "0")
    assert [p["spans"] for p in sent(page)] == [[], []]


def test_targets_are_large_and_nothing_moves(page, site, cast) -> None:
    show(page, site, cast, "One.", "Two.")
    choices = page.locator(".critique-choice")
    before = [choices.nth(i).bounding_box() for i in range(choices.count())]
    press(page, "3")
    assert [choices.nth(i).bounding_box() for i in range(choices.count())] == before
    assert all(box["width"] >= 24 and box["height"] >= 40 for box in before)
    page.set_viewport_size({"width": 390, "height": 800})
    narrow = [choices.nth(i).bounding_box() for i in range(choices.count())]
    assert all(box["width"] >= 24 and box["x"] + box["width"] <= 390 for box in narrow)
    assert (
        choices.first.inner_text().strip() == "1"
    )  # the digit is the label; it stays where keys are not printed


def test_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, TEXT, **FULL)
        plain.get_by_role("radiogroup", name="A: Overall").get_by_label("4").check()
        plain.get_by_label("Marks of A").fill("2 factual: in 1990")
        plain.get_by_role("button", name="Send").click()
        assert Feedback.objects.count() == 0
        expect(plain.get_by_text("Say whether this response is good.")).to_be_visible()
        expect(plain.get_by_text("Grade this response on tone too.")).to_be_visible()
        plain.get_by_role("radiogroup", name="A: Verdict").get_by_label("Neutral").check()
        plain.get_by_role("radiogroup", name="A: tone").get_by_label("5").check()
        plain.get_by_label("verbose").check()
        plain.get_by_role("button", name="Send").click()
        [payload] = Feedback.objects.values_list("payload", flat=True)
        [mark] = payload["spans"]
        assert TEXT[mark["start"] : mark["end"]] == "in 1990" and mark["severity"] == 2
        assert payload["ratings"] == {"overall": 4, "tone": 5} and payload["tags"] == ["verbose"]


def test_axe_finds_nothing(browser, site, cast) -> None:
    """All parts of a critique beside a ranking and a choice of the best; one after the other open."""
    asked = {
        "grade": ("critique", {**FULL, "categories": []}),
        "order": ("comparison", {"mode": "ranking"}),
        "best": ("comparison", {"mode": "best"}),
        "marks": ("critique", {"criteria": [], "categories": ["factual"]}),
    }
    protocol = [
        {"key": key, "title": f"Title of {key}", "type": slug, "settings": settings}
        for key, (slug, settings) in asked.items()
    ]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(
        campaign=campaign, items=[NewItem("Who?", [NewResponse(t, source_name="p") for t in (TEXT, "No.")])]
    )
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as seen:
        site.sign_in(seen, cast.lena)
        seen.goto(f"/campaigns/{campaign.slug}/label/")
        select(
            seen,
            "Goethe" if "Goethe" in (seen.locator(".response .raw").first.text_content() or "") else "No",
        )
        press(seen, "f", "n", "3", "v")
        found = []
        for key in asked:
            seen.locator(f"#q-{key} .question-head").click()
            press(seen, "1")
            found += [f"{key} {line}" for line in axe_finds_in_both_themes(seen)]
    assert found == []
