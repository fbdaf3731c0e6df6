"""Comments in a real browser: a verdict key, words, aspects confirmed by number, revisions by a or o; without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXT = "Faust 🎭 is by Goethe.\r\nHe wrote it in 1990."
BETTER = "Faust 🎭 is by Goethe.\r\nIts first part appeared in 1808."
CHAT = [
    {"role": "user", "content": "Who wrote Faust?"},
    {"role": "assistant", "content": "Goethe did."},
    {"role": "user", "content": "When?"},
]


@pytest.fixture
def cast(site):
    return make_cast()


def make(cast, *texts: str, prompt: Any = "Who wrote Faust?", more=(), **settings: Any):
    protocol = [{"key": "why", "type": "natural_language", "title": "Why?", "settings": settings}, *more]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(campaign=campaign, items=[NewItem(prompt, [NewResponse(t, source_name="p") for t in texts])])
    return campaign


def show(page, site, cast, *texts: str, **how: Any) -> None:
    campaign = make(cast, *texts, **how)
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    page.wait_for_timeout(300)  # the page takes an Enter at once for the second half of a double press


def sent(page) -> list[dict[str, Any]]:
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return list(Feedback.objects.order_by("pk").values_list("payload", flat=True))


def test_a_verdict_words_and_a_confirmed_aspect(page, site, cast) -> None:
    """The suggestion comes from the server; the number of an aspect that was not suggested goes as the verdict goes."""
    show(page, site, cast, TEXT)
    page.keyboard.press("n")
    page.keyboard.type("The year is wrong.")
    page.keyboard.press("Control+Enter")
    likely = page.locator(".nl-likely")
    expect(likely).to_have_count(1)
    expect(likely).to_have_text("bad")
    page.keyboard.press("1")
    for _ in range(2):
        page.keyboard.press("4")  # bad, then good
    [payload] = sent(page)
    assert (payload["text"], payload["language"], payload["verdict"]) == ("The year is wrong.", "en", -1)
    assert payload["suggested"] == [{"name": "accuracy", "polarity": -1}]
    assert payload["aspects"] == [{"name": "accuracy", "polarity": -1}, {"name": "tone", "polarity": 1}]
    assert Feedback.objects.get().choice_set["suggested"] == payload["suggested"]


def test_two_responses_in_turn_and_on_to_the_next_question(page, site, cast) -> None:
    grade = {"key": "grade", "type": "critique", "title": "How good?"}
    show(page, site, cast, "One.", "Two.", aspects=[], more=[grade])
    for verdict, words in (("y", "Short."), ("n", "太短。")):
        page.keyboard.press(verdict)
        page.keyboard.type(words)
        page.keyboard.press("Control+Enter")
    expect(page.locator("#q-grade")).to_have_attribute("data-state", "active")
    expect(page.locator("#q-why .question-summary")).to_contain_text("“太短。”")
    page.keyboard.press("5")
    page.keyboard.press("6")
    said = [p for p in sent(page) if "text" in p]
    assert [(p["verdict"], p["text"], p["language"]) for p in said] == [
        (1, "Short.", "en"),
        (-1, "太短。", "zh"),
    ]


def test_a_revision_that_came_with_the_item(page, site, cast) -> None:
    show(page, site, cast, TEXT, BETTER, aspects=[], refinements="responses")
    expect(page.locator(".nl-revision")).to_be_hidden()
    page.keyboard.press("n")
    page.keyboard.type("Goethe died in 1832.")
    page.keyboard.press("Control+Enter")
    original = page.locator(".response", has=page.locator(".nl-revised"))
    expect(original.locator(".raw").first).to_contain_text("1990", use_inner_text=False)
    assert [w.strip() for w in original.locator("del").all_text_contents()] == ["He wrote it", "1990"]
    assert [w.strip() for w in original.locator("ins").all_text_contents()] == [
        "Its first part appeared",
        "1808",
    ]
    page.keyboard.press("a")
    [payload] = sent(page)
    assert payload["refinements_shown"] == [
        {"text": BETTER, "source": "model", "generation": None, "accepted": True}
    ]


def test_an_open_revision_keeps_the_answer_back(page, site, cast) -> None:
    show(page, site, cast, TEXT, BETTER, aspects=[], refinements="responses")
    page.keyboard.press("n")
    page.keyboard.type("Wrong.")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("This question still needs an answer.")
    page.get_by_label("No, not better").check()
    assert [r["accepted"] for r in sent(page)[0]["refinements_shown"]] == [False]


def test_marked_words_by_keys_and_by_mouse(page, site, cast) -> None:
    show(page, site, cast, TEXT, about="span", aspects=[])
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".nl-marked q")).to_have_text("He wrote it in 1990.")
    page.evaluate(
        """() => {
          const node = document.querySelector(".response .raw").firstChild;
          const at = node.data.indexOf("1990");
          document.getSelection().setBaseAndExtent(node, at, node, at + 4);
        }"""
    )
    page.keyboard.press("n")
    page.keyboard.type("No.")
    page.keyboard.press("Escape")
    [payload] = sent(page)
    assert TEXT[payload["start"] : payload["end"]] == "1990"


def test_an_earlier_turn(page, site, cast) -> None:
    show(page, site, cast, "In 1808.", prompt=CHAT, about="turn", aspects=[])
    page.keyboard.press("j")
    page.keyboard.press("y")
    page.keyboard.type("Right.")
    page.keyboard.press("Control+Enter")
    [payload] = sent(page)
    assert (payload["turn"], payload["verdict"]) == (1, 1)


def test_without_a_live_policy_nothing_is_asked(page, site, cast) -> None:
    show(page, site, cast, TEXT, aspects=[], refinements="policy")
    page.keyboard.press("y")
    page.keyboard.type("Fine.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No live policy answers in this campaign.")).to_be_visible()
    assert page.locator(".nl-live, .nl-again").evaluate_all("all => all.every((e) => e.hidden)")
    assert sent(page)[0]["refinements_shown"] == []


def test_without_scripts(browser, site, cast) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, TEXT, BETTER, about="span", aspects=["tone"], refinements="responses")
        plain.get_by_label("Comment").fill("When he was dead?")
        plain.get_by_label("The words it is about").fill("1991")
        plain.get_by_role("button", name="Send").click()
        assert Feedback.objects.count() == 0
        for message in (
            "Say whether it is good.",
            "These words are not in the response; copy them exactly.",
            "Say whether this version is better than the original.",
        ):
            expect(plain.get_by_text(message)).to_be_visible()
        plain.get_by_role("radiogroup", name="Verdict").get_by_label("Bad").check()
        plain.get_by_label("The words it is about").fill("1990")
        plain.get_by_role("radiogroup", name="tone").get_by_label("good").check()
        plain.get_by_label("Yes, better").check()
        plain.get_by_role("button", name="Send").click()
        [payload] = Feedback.objects.values_list("payload", flat=True)
        assert TEXT[payload["start"] : payload["end"]] == "1990"
        assert payload["aspects"] == [{"name": "tone", "polarity": 1}] and payload["suggested"] == []
        assert payload["refinements_shown"][0]["accepted"] is True


def test_narrow_and_accessible(browser, site, cast) -> None:
    """390 px wide, light and dark, every part open: nothing sticks out, targets are large, axe finds nothing."""
    with browser.page(
        site.url, bypass_csp=True, reduced_motion="reduce", viewport={"width": 390, "height": 844}
    ) as page:
        span = {"key": "where", "type": "natural_language", "title": "Where?", "settings": {"about": "span"}}
        show(page, site, cast, TEXT, BETTER, verdict="three", refinements="responses", more=[span])
        page.keyboard.press("n")
        page.keyboard.type("The year is wrong and the tone is cold.")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#q-why .nl-likely")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [choice.bounding_box() for choice in page.locator("#q-why .nl-choice:visible").all()]
        assert boxes and all(box["height"] >= 40 and box["x"] + box["width"] <= 390 for box in boxes)
        found = []
        for key in ("why", "where"):
            page.locator(f"#q-{key} .question-head").click()
            found += axe_finds_in_both_themes(page)
    assert found == []
