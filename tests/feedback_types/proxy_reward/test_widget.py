"""Stating a reward in a real browser: keys alone, mouse, a program asked from the server, without scripts, a phone, axe."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from feedback_types.proxy_reward.examples import CURT, FEATURES, LIST, PLAIN, PROGRAM, RUBRIC
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

TEXTS = {"plain": PLAIN, "list": LIST, "curt": CURT}


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *more: dict[str, Any], **settings: Any) -> Any:
    protocol = [
        {"key": "proxy", "type": "proxy_reward", "title": "What counts?", "settings": settings},
        *more,
    ]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    responses = [NewResponse(text, source_name="p") for text in TEXTS.values()]
    add_items(campaign=campaign, items=[NewItem("How do I boil an egg?", responses)])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    return campaign


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> dict[str, Any]:
    page.wait_for_timeout(300)  # an Enter right after an item appears is the second half of a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    [payload] = Feedback.objects.filter(type="proxy_reward").values_list("payload", flat=True)
    return payload


def names(payload: dict[str, Any], response_ids: list[int]) -> list[str]:
    """Which of the three texts these are."""
    texts = dict(
        Feedback.objects.get(type="proxy_reward").submission.item.responses.values_list("pk", "text")
    )
    known = {text: name for name, text in TEXTS.items()}
    return [known[texts[i]] for i in response_ids]


def ranked(payload: dict[str, Any]) -> dict[str, int]:
    return dict(zip(names(payload, payload["pool"]), payload["ranks"], strict=True))


def order(page) -> list[str]:
    return page.locator(".proxy-order li .proxy-letter").all_inner_texts()


def letter_of(page, name: str) -> str:
    return page.locator(".response", has_text=TEXTS[name].split("\n")[0]).get_attribute("data-label")


# --- Sliders ---------------------------------------------------------------------------------------------------------


def test_arrows_weigh_and_the_order_follows(page, site, cast) -> None:
    show(page, site, cast, **FEATURES)
    press(page, "ArrowLeft")
    expect(page.locator(".proxy-order li").first).to_contain_text(letter_of(page, "curt"))
    press(page, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    expect(page.locator(".proxy-order li").first).to_contain_text(letter_of(page, "list"))
    expect(page.locator(".response-label[data-proxy-place='1']")).to_have_text(
        f"{letter_of(page, 'list')} – response {letter_of(page, 'list')}"
    )
    payload = sent(page)
    assert payload["weights"] == {"words": -1, "sentences": 0, "lists": 2}
    assert ranked(payload) == {"plain": 3, "list": 1, "curt": 2}
    seen = [tuple(t["weights"][n] for n in FEATURES["features"]) for t in payload["tried"]]
    assert seen == [(0, 0, 0), (-1, 0, 0), (-1, 0, 1), (-1, 0, 2)]
    times = [t["t_ms"] for t in payload["tried"]]
    assert times == sorted(times) and times[-1] > 0
    offered = Feedback.objects.get().choice_set["candidates"]
    assert sum(candidate["seen"] for candidate in offered) == 3  # all at 0 is no answer


def test_the_page_and_the_server_count_the_same(page, site, cast) -> None:
    """What the page shows first under many settings is what the server ranks first."""
    show(page, site, cast, **FEATURES)
    press(page, "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowLeft")
    shown = page.locator(".proxy-order li").evaluate_all(
        "all => all.map((li) => [Number(li.dataset.response), Number(li.dataset.place)])"
    )
    payload = sent(page)
    assert dict(shown) == dict(zip(payload["pool"], payload["ranks"], strict=True))


def test_a_mouse_moves_a_slider(page, site, cast) -> None:
    show(page, site, cast, **FEATURES)
    box = page.get_by_label("Lists").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    expect(page.locator(".proxy-order li").first).to_contain_text(letter_of(page, "list"))
    assert sent(page)["weights"] == {"words": 0, "sentences": 0, "lists": 3}


def test_enter_goes_on_to_the_next_question_first(page, site, cast) -> None:
    """Moving a slider never leaves the question; saying that the ranking looks right does."""
    more = {"key": "best", "type": "comparison", "title": "Best?", "settings": {"mode": "best"}}
    show(page, site, cast, more, **FEATURES)
    press(page, "ArrowRight", "ArrowRight")
    expect(page.locator("#q-proxy")).to_have_attribute("data-state", "active")
    press(page, "Enter")
    expect(page.locator("#q-best")).to_have_attribute("data-state", "active")
    expect(page.locator("#q-proxy .question-summary")).to_contain_text("Words +2")
    press(page, "1")
    assert sent(page)["weights"]["words"] == 2


def test_all_at_zero_is_no_answer(page, site, cast) -> None:
    show(page, site, cast, **FEATURES)
    page.wait_for_timeout(300)
    press(page, "Enter")
    expect(page.locator(".toast", has_text="This question still needs an answer.")).to_be_visible()
    press(page, "ArrowLeft")
    assert sent(page)["weights"]["words"] == -1


# --- A rubric --------------------------------------------------------------------------------------------------------


def test_one_key_for_each_cell_and_weights_after(page, site, cast) -> None:
    show(page, site, cast, **RUBRIC)
    first, second, third = page.locator(".response").evaluate_all(
        "all => all.map((r) => Number(r.dataset.response))"
    )
    press(page, "y", "n", "y", "y", "n", "n", "ArrowUp", "+")
    expect(page.locator(".proxy-order li").first).to_have_attribute("data-response", str(second))
    payload = sent(page)
    assert payload["pool"] == [first, second, third]
    assert payload["judgements"] == {"Correct": [1, 1, 0], "Kind": [0, 1, 0]}
    assert (payload["weights"], payload["ranks"]) == ({"Correct": 2, "Kind": 1}, [2, 1, 3])


# --- A program -------------------------------------------------------------------------------------------------------


def test_a_program_is_ranked_by_the_server(page, site, cast) -> None:
    show(page, site, cast, **PROGRAM)
    press(page, "e")
    page.keyboard.type("9**9**9")
    press(page, "Control+Enter")
    expect(page.locator(".proxy-problem")).to_have_text("A number becomes too large.")
    page.get_by_label("Reward program").fill("")
    page.keyboard.type("-words")  # no key: a pause is enough
    expect(page.locator(".proxy-order li[data-place='1']")).to_contain_text(letter_of(page, "curt"))
    page.get_by_label("Reward program").fill("2 * lists - words / 10")
    expect(page.locator(".proxy-order li[data-place='1']")).to_contain_text(letter_of(page, "list"))
    press(page, "Escape")
    payload = sent(page)
    assert payload["program"] == "2 * lists - words / 10"
    assert ranked(payload) == {"plain": 3, "list": 1, "curt": 2}
    assert [t["program"] for t in payload["tried"]] == ["-words", "2 * lists - words / 10"]
    assert len(Feedback.objects.get().choice_set["candidates"]) == 2


# --- Without scripts, narrow, and for everybody ----------------------------------------------------------------------


def test_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        more = {
            "key": "rubric",
            "type": "proxy_reward",
            "title": "Judge.",
            "settings": {**RUBRIC, "weigh": False},
        }
        code = {"key": "code", "type": "proxy_reward", "title": "Program.", "settings": PROGRAM}
        show(plain, site, cast, more, code, **FEATURES)
        plain.get_by_label("Lists", exact=True).focus()
        press(plain, "ArrowRight")  # a slider of the browser's own
        for letter in "ABC":
            plain.get_by_role("radiogroup", name=f"{letter}: Correct").get_by_label("Yes").check()
        plain.get_by_label("Reward program").fill("words.upper")
        plain.get_by_role("button", name="Send").click()
        expect(plain.get_by_text("Judge this too.").first).to_be_visible()
        expect(plain.get_by_text("is not part of the language").first).to_be_visible()
        for letter in "ABC":
            plain.get_by_role("radiogroup", name=f"{letter}: Kind").get_by_label("No").check()
        plain.get_by_label("Reward program").fill("-words")
        plain.get_by_role("button", name="Send").click()
        stored = dict(Feedback.objects.values_list("question", "payload"))
        assert stored["proxy"]["weights"] == {"words": 0, "sentences": 0, "lists": 1}
        assert [t["t_ms"] for t in stored["proxy"]["tried"]] == [None]
        assert stored["rubric"]["judgements"] == {"Correct": [1, 1, 1], "Kind": [0, 0, 0]}
        assert stored["code"]["program"] == "-words" and len(stored["code"]["tried"]) == 1


def test_a_phone_has_room_for_it(page, site, cast) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    show(page, site, cast, **FEATURES)
    sliders = page.locator(".proxy input[type=range]")
    boxes = [sliders.nth(i).bounding_box() for i in range(sliders.count())]
    assert all(box["height"] >= 24 and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_axe_finds_nothing(browser, site, cast) -> None:
    rubric = {"key": "rubric", "type": "proxy_reward", "title": "Judge.", "settings": RUBRIC}
    code = {"key": "code", "type": "proxy_reward", "title": "Program.", "settings": PROGRAM}
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as seen:
        show(seen, site, cast, rubric, code, **FEATURES)
        press(seen, "ArrowRight")
        found = []
        for key in ("proxy", "rubric", "code"):
            seen.locator(f"#q-{key} .question-head").click()
            found += [f"{key} {line}" for line in axe_finds_in_both_themes(seen)]
    assert found == []
