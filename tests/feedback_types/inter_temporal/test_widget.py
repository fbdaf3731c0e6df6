"""Labels, curves and orders in a real browser: keys, the pointer, touch-sized targets, and the same without scripts."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback
from feedback_types.inter_temporal.offer import step_ends
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

STEPS = "One pen costs 2 €.\r\nSo 3 pens cost 5 €. 👍🏽\nThe answer is 5 €."
OTHER = "A pen is 3 €.\nTwo are 6 €."
CHAT = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello! What can I do?"},
    {"role": "user", "content": "A joke, please."},
    {"role": "assistant", "content": "No."},
    {"role": "user", "content": "Why not?"},
]


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts: str, prompt: Any = "What do 3 pens cost?", **settings: Any) -> None:
    protocol = [{"key": "steps", "type": "inter_temporal", "title": "Is each right?", "settings": settings}]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(
        campaign=campaign, items=[NewItem(prompt, [NewResponse(text, source_name="p") for text in texts])]
    )
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page) -> list[dict[str, Any]]:
    page.wait_for_timeout(300)  # an Enter right after an item appears is taken for half of a double press
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible(timeout=30_000)
    return list(Feedback.objects.order_by("pk").values_list("payload", flat=True))


def states(page) -> list[str]:
    return page.locator(".inter_temporal-map button").evaluate_all("all => all.map(b => b.dataset.state)")


def painted(page, name: str) -> list[str]:
    return page.evaluate("name => [...CSS.highlights.get(name)].map(String)", f"inter_temporal-{name}")


def test_one_key_a_step_and_the_first_error_stops(page, site, cast) -> None:
    show(page, site, cast, STEPS)
    assert painted(page, "current") == ["One pen costs 2 €."]
    press(page, "3")
    assert painted(page, "current") == ["So 3 pens cost 5 €. 👍🏽"]  # the next one, by itself
    press(page, "e")
    assert states(page) == ["good", "bad", "after"]
    assert painted(page, "after") == ["The answer is 5 €."]
    [payload] = sent(page)
    assert payload["segments"] == step_ends(STEPS)
    assert (payload["labels"], payload["first_error_index"]) == ([1, -1, None], 1)


def test_labels_are_changed_cleared_and_taken_back(page, site, cast) -> None:
    show(page, site, cast, STEPS)
    press(page, "3", "1", "k", "1")  # the error is in the first one after all: what came later is missing
    assert states(page) == ["bad", "after", "after"]
    press(page, "3")
    assert states(page) == ["good", "open", "open"]
    press(page, "2", "2")
    assert states(page) == ["good", "okay", "okay"]
    press(page, "Backspace")
    assert states(page) == ["good", "okay", "open"]
    press(page, "ArrowUp", "Backspace")
    assert states(page) == ["good", "open", "open"]
    press(page, "1")
    [payload] = sent(page)
    assert payload["labels"] == [1, -1, None]


def test_an_open_step_before_the_error_is_asked_for_never_guessed(page, site, cast) -> None:
    show(page, site, cast, STEPS)
    press(page, "j", "j", "e")
    assert states(page) == ["open", "open", "bad"]
    page.wait_for_timeout(300)
    press(page, "Enter")
    assert Feedback.objects.count() == 0
    press(page, "2", "3")
    [payload] = sent(page)
    assert payload["labels"] == [0, 1, -1]


def test_right_or_wrong_needs_one_key_where_all_is_right(page, site, cast) -> None:
    show(page, site, cast, STEPS, neutral=False)
    press(page, "0")
    assert sent(page)[0]["labels"] == [1, 1, 1]


def test_the_mouse_does_it_too(page, site, cast) -> None:
    """A step is chosen in the text or on the map, a label by its button."""
    show(page, site, cast, STEPS, OTHER, stop_at_error=False)
    first = page.evaluate("JSON.parse(document.querySelector('.response-source').textContent).text")
    expect(page.locator(".inter_temporal-map button:visible")).to_have_count(3 if first == STEPS else 2)
    place = page.evaluate(
        """() => {
          const node = document.querySelectorAll(".response .raw")[1].firstChild;
          const range = document.createRange();
          range.setStart(node, node.data.lastIndexOf("\\n") + 2);
          range.setEnd(node, node.data.lastIndexOf("\\n") + 3);
          const box = range.getBoundingClientRect();
          return [box.x + 2, box.y + box.height / 2];
        }"""
    )
    page.mouse.click(*place)
    last = (OTHER if first == STEPS else STEPS).rpartition("\n")[2]
    assert painted(page, "current") == [last]
    page.locator(".inter_temporal-choice:visible", has_text="Bad").click()
    while page.locator('.inter_temporal-map [data-state="open"]').count():
        page.locator(".inter_temporal-choice:visible", has_text="Good").click()
    found = {tuple(p["segments"]): p["labels"] for p in sent(page)}
    assert sorted(found.values()) == sorted([[1, 1, 1], [1, -1]] if last in OTHER else [[1, 1, -1], [1, 1]])


def test_each_turn_of_a_dialogue(page, site, cast) -> None:
    show(page, site, cast, "Because.", prompt=CHAT, unit="turn", stop_at_error=False, unsure=True)
    expect(page.locator("[data-inter_temporal~=current]")).to_contain_text("What can I do?")
    press(page, "3", "1", "4")
    expect(page.locator("[data-inter_temporal~=bad]")).to_contain_text("No.")
    [payload] = sent(page)
    assert (payload["segments"], payload["labels"]) == ([1, 3, 5], [1, -1, None])


def test_two_moments_are_ordered_by_an_arrow(page, site, cast) -> None:
    show(page, site, cast, f"{STEPS}\nDone.", reading="order", pairs=2)
    assert len(painted(page, "first")) == len(painted(page, "second")) == 1
    press(page, "ArrowLeft", "ArrowLeft", "j", "ArrowDown")  # the second one is changed
    [payload] = sent(page)
    assert [pair["better"] for pair in payload["pairs"]] == ["first", "equal"]
    assert len({pair[side] for pair in payload["pairs"] for side in ("first", "second")}) == 4  # disjoint


def test_a_curve_is_drawn_with_a_held_key_while_the_response_appears(page, site, cast) -> None:
    show(page, site, cast, STEPS, reading="curve", chars_per_s=100)
    assert painted(page, "unread") == [STEPS.replace("\r", "")]  # nothing shows before it came out
    press(page, "r")
    expect(page.locator(".response .rendered")).to_be_hidden()  # nor by another view
    press(page, "r", "Space")
    page.keyboard.down("ArrowUp")
    expect(page.locator(".inter_temporal-pad")).to_have_attribute(
        "aria-valuenow", re.compile("[7-9][0-9]|100")
    )
    page.keyboard.up("ArrowUp")
    expect(page.locator(".inter_temporal-pad")).to_have_attribute("data-phase", "done", timeout=10_000)
    assert painted(page, "unread") == [""] or painted(page, "unread") == []
    [payload] = sent(page)
    curve, length = payload["curve"], step_ends(STEPS)[-1]
    assert payload["drawn"] == "live" and curve[0] == [0, 0, 0.5] and curve[-1][0] == length
    assert curve[-1][2] >= 0.7 and all(a[1] <= b[1] and a[2] <= b[2] for a, b in pairwise(curve))
    assert all(abs(offset - min(length, ms / 10)) <= 1.5 for offset, ms, _value in curve)


def test_a_curve_is_drawn_with_the_pointer_over_the_whole_text(page, site, cast) -> None:
    show(page, site, cast, STEPS, reading="curve", draw="after")
    box = page.locator(".inter_temporal-pad").bounding_box()

    def move(x: float, y: float) -> None:
        page.mouse.move(box["x"] + 1 + x * (box["width"] - 2), box["y"] + (1 - y) * box["height"])

    move(0, 0.75)
    page.mouse.down()
    move(0.5, 0.75)
    move(1, 0.25)
    page.mouse.up()
    [payload] = sent(page)
    heights = {offset: value for offset, _ms, value in payload["curve"]}
    assert payload["drawn"] == "after"
    assert heights[0] == pytest.approx(0.75, abs=0.02)
    assert heights[step_ends(STEPS)[-1]] == pytest.approx(0.25, abs=0.03)


def test_a_curve_by_keys_is_taken_back_and_drawn_again(page, site, cast) -> None:
    show(page, site, cast, STEPS, reading="curve", draw="after")
    press(page, "j", "j", "Backspace", "ArrowUp", "j", "ArrowDown", "ArrowDown", "j")
    [payload] = sent(page)
    assert [(offset, value) for offset, _ms, value in payload["curve"]] == [(0, 0.55), (20, 0.45), (61, 0.45)]


def test_nothing_moves_and_targets_are_large(page, site, cast) -> None:
    show(page, site, cast, STEPS)
    choices = page.locator(".inter_temporal-row.inter_temporal-current .inter_temporal-choice:visible")
    text = page.locator(".response .raw")
    before, read = choices.nth(0).bounding_box(), text.bounding_box()
    press(page, "3")
    assert (choices.nth(0).bounding_box(), text.bounding_box()) == (before, read)
    page.set_viewport_size({"width": 390, "height": 800})
    for found in (choices, page.locator(".inter_temporal-map button")):
        boxes = [found.nth(i).bounding_box() for i in range(found.count())]
        assert all(b["width"] >= 24 and b["height"] >= 24 and b["x"] + b["width"] <= 390 for b in boxes)


def test_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        show(plain, site, cast, STEPS)
        step = lambda n: plain.get_by_role("radiogroup", name=f"A: Step {n} of 3")  # noqa: E731
        step(2).get_by_label("Bad").check()
        step(3).get_by_label("Good").check()
        plain.get_by_role("button", name="Send").click()
        assert Feedback.objects.count() == 0
        expect(plain.get_by_text("Label this segment too.")).to_be_visible()
        expect(
            plain.get_by_text("Segment 2 is the first error; leave those after it without a label.")
        ).to_be_visible()
        step(1).get_by_label("Okay").check()
        step(3).get_by_label("no label").check()
        plain.get_by_role("button", name="Send").click()
        [payload] = Feedback.objects.values_list("payload", flat=True)
        assert payload["labels"] == [0, -1, None]


def test_a_curve_and_an_order_without_scripts(browser, site, cast, page) -> None:
    with browser.page(site.url, java_script_enabled=False) as plain:
        protocol = [
            {"key": "order", "type": "inter_temporal", "settings": {"reading": "order"}},
            {"key": "curve", "type": "inter_temporal", "settings": {"reading": "curve", "draw": "after"}},
        ]
        campaign = make_campaign(cast, items=0, protocol=protocol)
        add_items(campaign=campaign, items=[NewItem("?", [NewResponse(STEPS, source_name="p")])])
        site.sign_in(plain, cast.lena)
        plain.goto(f"/campaigns/{campaign.slug}/label/")
        for n, height in enumerate(("60", "57.5", "0"), start=1):
            plain.get_by_label(f"A: Step {n} of 3").fill(height)
        plain.get_by_label("Equal").check()
        plain.get_by_role("button", name="Send").click()
        order, curve = Feedback.objects.order_by("question").values_list("payload", flat=True)[::-1]
        assert order["pairs"][0]["better"] == "equal"
        assert (curve["drawn"], curve["curve"]) == (
            "typed",
            [[0, None, 0.6], [20, None, 0.575], [43, None, 0.0], [61, None, 0.0]],
        )


def test_axe_finds_nothing(browser, site, cast) -> None:
    asked = {
        "steps": {},
        "turns": {"unit": "turn", "stop_at_error": False, "unsure": True},
        "order": {"reading": "order", "pairs": 2},
        "curve": {"reading": "curve", "draw": "after"},
    }
    protocol = [
        {"key": key, "title": f"Title of {key}", "type": "inter_temporal", "settings": settings}
        for key, settings in asked.items()
    ]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(campaign=campaign, items=[NewItem(CHAT, [NewResponse(STEPS, source_name="p")])])
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as seen:
        site.sign_in(seen, cast.lena)
        seen.goto(f"/campaigns/{campaign.slug}/label/")
        press(seen, "3")
        found = []
        for key in asked:
            seen.locator(f"#q-{key} .question-head").click()
            press(seen, "j")
            found += [f"{key} {line}" for line in axe_finds_in_both_themes(seen)]
    assert found == []
