"""Demonstrations in a real browser: written, pasted, from drafts and beginnings; nothing of the responses leaks."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

SECRET = "At 90 °C, says the policy.\r\nMore tomorrow. 🏔"
TURNS = [
    {"role": "user", "content": "Is 91 prime?"},
    {"role": "assistant", "content": "No: 91 = 7 · 13."},
    {"role": "user", "content": "How would I have found that?"},
]


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts: str, prompt: Any = "When does water boil?", **settings: Any) -> Any:
    asked = [{"key": "write", "type": "demonstration", "title": "Write the answer", "settings": settings}]
    campaign = make_campaign(cast, items=0, protocol=asked)
    responses = [NewResponse(text, source_name="p") for text in texts or (SECRET,)]
    add_items(campaign=campaign, items=[NewItem(prompt, responses)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    return campaign


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> dict[str, Any]:
    page.wait_for_timeout(300)  # an Enter right after the item appeared would count as a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return Feedback.objects.get().payload


def test_written_in_a_dialogue_and_read_as_others_will(page, site, cast) -> None:
    show(page, site, cast, "Guess.", prompt=TURNS)
    press(page, "e")
    page.keyboard.type("Divide by **small** primes.")
    press(page, "Control+Enter")
    expect(page.locator(".demo-rendered strong")).to_have_text("small")
    payload = sent(page)
    counted = payload.pop("writing_ms")
    assert counted > 0
    assert payload == {
        "text": "Divide by **small** primes.", "written_from": "scratch", "source": None, "kept": 0,
        "keystrokes": 27, "paste_events": 0, "paste_chars": 0,
    }  # fmt: skip


def test_what_the_policy_wrote_is_not_in_the_page(page, site, cast) -> None:
    """Neither in the markup nor in the API; it is in the choice set that is stored."""
    campaign = show(page, site, cast)
    assert "says the policy" not in page.content()
    expect(page.locator(".response")).to_have_count(0)
    press(page, "r", "d", "l")  # nothing to turn, and nothing breaks
    press(page, "e")
    page.keyboard.type("At 100 °C.")
    press(page, "Control+Enter")
    sent(page)
    feedback = Feedback.objects.get()
    [response] = feedback.submission.item.responses.values_list("pk", flat=True)
    assert feedback.choice_set["samples"] == [response] and not feedback.choice_set["are_shown"]
    assert campaign.pk == feedback.submission.campaign_id


def test_pasting_is_counted_and_never_kept(page, site, cast) -> None:
    show(page, site, cast)
    press(page, "e")
    page.keyboard.type("At 100.")
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.setData("text/plain", text);
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        "kept nowhere 🏔",
    )
    press(page, "Control+Enter")
    payload = sent(page)
    assert (payload["paste_events"], payload["paste_chars"], payload["keystrokes"]) == (1, 14, 7)
    assert "nowhere" not in str(payload)


def test_too_short_says_so(page, site, cast) -> None:
    show(page, site, cast, min_characters=20)
    press(page, "e")
    page.keyboard.type("At 100 °C.")
    press(page, "Control+Enter")
    expect(page.locator(".demo-count")).to_have_text("10 of at least 20 characters")
    press(page, "e")
    page.keyboard.type(" At sea level.")
    press(page, "Control+Enter")
    assert sent(page)["text"] == "At 100 °C. At sea level."


def test_from_a_beginning(page, site, cast) -> None:
    show(page, site, cast, start="prefix")
    expect(page.locator(".demo-prefix")).to_contain_text("At 90 °C, says the policy.")
    assert "More tomorrow" not in page.content()
    press(page, "e")
    page.keyboard.type("It is wrong.")
    press(page, "Control+Enter")
    payload = sent(page)
    assert payload["text"] == "At 90 °C, says the policy.\r\nIt is wrong." and payload["kept"] == 28


def test_from_the_draft_that_was_chosen(page, site, cast) -> None:
    show(page, site, cast, SECRET, "Never.", start="choose")
    second = page.locator(".response").nth(1)
    chosen, text = int(second.get_attribute("data-response")), second.locator(".raw").text_content()
    press(page, "2")
    editor = page.get_by_label("Your response")
    expect(editor).to_be_focused()
    press(page, "Control+Enter")
    page.wait_for_timeout(300)
    press(page, "Enter")  # the draft as it was is no answer
    expect(page.locator(".toast")).to_contain_text("still needs an answer")
    press(page, "e")
    page.keyboard.type(" Really.")
    press(page, "Control+Enter")
    payload = sent(page)
    assert (payload["source"], payload["written_from"]) == (chosen, "draft")
    assert payload["text"] == text.strip("\n").replace("\r\n", "\n") + " Really."


def test_without_scripts_and_on_a_phone(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False, viewport={"width": 390, "height": 800}) as plain:
        show(plain, site, cast, min_characters=5)
        box = plain.get_by_label("Your response").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        plain.get_by_label("Your response").fill("100")
        plain.get_by_role("button", name="Send").click()
        expect(plain.get_by_text("Write at least 5 characters; so far it is 3.").first).to_be_visible()
        assert plain.get_by_label("Your response").input_value() == "100"  # nothing is lost
        plain.get_by_label("Your response").fill("At 100 °C.")
        plain.get_by_role("button", name="Send").click()
        payload = Feedback.objects.get().payload
        assert payload["text"] == "At 100 °C." and payload["keystrokes"] is None


def test_axe_finds_nothing(browser, site, cast) -> None:
    found = []
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as empty:
        for start in ("scratch", "choose", "prefix"):
            seen = empty.context.new_page()
            show(seen, site, cast, SECRET, "Never.", start=start)
            press(seen, "e")
            seen.keyboard.type("Some *words*.")
            press(seen, "Control+Enter")
            expect(seen.locator(".demo-rendered em")).to_be_visible()
            found += axe_finds_in_both_themes(seen)
    assert found == []
