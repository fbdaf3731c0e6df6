"""The stream in a real browser: nothing shows before it came out, Esc stops it, a digit says why; and without scripts."""

import pytest
from playwright.sync_api import expect

from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback, Submission
from feedback_types.segments import segment_ends
from tests.browsers import axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

FIRST = "Water boils early up here 👍🏽. " + "A second sentence follows the first one. " * 4 + "The end."
SECOND = "Short and good."
SHARED = {"chars_per_s": 60}


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts, settings=None, more=()):
    protocol = [{"key": "stop", "type": "e_stop", "settings": SHARED | (settings or {})}, *more]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(
        campaign=campaign, items=[NewItem("Does it boil?", [NewResponse(t, source_name="p") for t in texts])]
    )
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")


def article(page, position=0):
    return page.locator("article.response").nth(position)


def streamed(page, position=0) -> str:
    return article(page, position).locator(".e_stop-stream").inner_text()


def shown_text(page, position) -> str:
    return page.evaluate(
        "n => JSON.parse(document.querySelectorAll('.response-source')[n].textContent).text", position
    )


def wait_for(page, characters, position=0):
    page.wait_for_function(
        """([n, most]) => {
            const stream = document.querySelectorAll("article.response")[n].querySelector(".e_stop-stream");
            return [...(stream?.innerText || "")].length >= most;
        }""",
        arg=[position, characters],
    )


def stored(page, expected=1):
    for _ in range(160):
        if Submission.objects.count() == expected:
            break
        page.wait_for_timeout(50)
    expect(
        page.get_by_text("Nothing is waiting for you here.")
    ).to_be_visible()  # no request is under way any more
    return list(Feedback.objects.order_by("pk").values_list("target_id", "payload"))


def test_a_stream_is_stopped_with_a_reason(page, site, cast):
    show(page, site, cast, FIRST)
    expect(article(page).locator(".rendered")).to_be_hidden()
    wait_for(page, 45)
    assert FIRST.startswith(streamed(page).strip())
    page.keyboard.press("Escape")
    at = streamed(page)
    page.wait_for_timeout(300)
    assert streamed(page) == at  # it stands
    expect(article(page).locator(".rendered")).to_be_hidden()  # the rest must not sway the reason
    expect(page.get_by_role("radiogroup", name="Why did you stop?")).to_be_visible()
    page.keyboard.press("2")
    expect(article(page).locator(".rendered")).to_be_visible()
    page.keyboard.press("Enter")
    [(target, payload)] = stored(page)
    assert target
    assert payload["outcome"] == "stopped" and payload["reason"] == "unsafe" and payload["mode"] == "stream"
    assert (
        FIRST[: payload["rendered_char"]].strip() == at.strip()
    )  # code points: the thumb and its colour are two
    assert payload["rendered_char"] <= payload["stop_char"] <= payload["rendered_char"] + 60
    assert payload["t_ms"] == pytest.approx(1000 * payload["stop_char"] / 60, abs=400)
    assert payload["segments"] == segment_ends(FIRST)
    assert (
        payload["stream_cps"] == 60
        and payload["full_text_available"] is False
        and payload["stepped"] is False
    )


def test_a_run_to_the_end_is_stored_too_and_the_second_waits(page, site, cast):
    show(page, site, cast, SECOND, FIRST, settings={"chars_per_s": 400})
    first, second = (shown_text(page, n) for n in (0, 1))
    wait_for(page, 5, 0)
    expect(article(page, 1).locator(".e_stop-stream")).to_have_text("This one comes next.")
    expect(article(page, 0).locator(".rendered")).to_be_visible(timeout=5_000)
    wait_for(page, 5, 1)
    assert second.startswith(streamed(page, 1).strip())
    expect(article(page, 1).locator(".rendered")).to_be_visible(timeout=5_000)
    page.keyboard.press("Enter")
    found = stored(page)
    assert [
        (p["outcome"], p["rendered_char"], p["reason"])
        for _t, p in sorted(found, key=lambda f: f[1]["rendered_char"])
    ] == [
        ("finished", len(SECOND), None),
        ("finished", len(FIRST), None),
    ]
    assert {first, second} == {FIRST, SECOND}


def test_it_waits_for_the_space_bar_and_keeps_its_place_over_a_reload(page, site, cast):
    show(page, site, cast, FIRST, settings={"start": "key", "reasons": ["bad", "slip"]})
    page.wait_for_timeout(400)
    assert streamed(page).strip() == ""
    page.keyboard.press("Space")
    wait_for(page, 40)
    page.wait_for_timeout(1200)  # the draft is sent
    page.reload()
    assert streamed(page).startswith("Water boils early up here 👍🏽.")  # the first sentence is there again
    before = streamed(page)
    page.wait_for_timeout(300)
    assert streamed(page) == before
    page.get_by_role("button", name="Start").click()
    wait_for(page, 100)
    page.get_by_role("button", name="Stop Esc").click()
    page.get_by_label("Pressed by accident").check()
    page.keyboard.press("Enter")
    [(_target, payload)] = stored(page)
    assert payload["reason"] == "slip" and payload["rendered_char"] >= 100


def test_less_motion_means_whole_sentences(page, site, cast):
    page.emulate_media(reduced_motion="reduce")
    show(page, site, cast, FIRST, settings={"chars_per_s": 100})
    ends = segment_ends(FIRST)
    wait_for(page, ends[1])
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    [(_target, payload)] = stored(page)
    assert payload["stepped"] is True
    assert payload["rendered_char"] in ends
    assert payload["stop_char"] >= payload["rendered_char"]


def test_escape_stops_also_while_another_question_is_open_and_leaving_is_told(page, site, cast):
    grade = {"key": "grade", "type": "critique"}
    show(page, site, cast, FIRST, more=[grade])
    wait_for(page, 20)
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(article(page).locator(".rendered")).to_be_visible()
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    assert [p.get("outcome") for _t, p in stored(page)] == ["stopped", None]


def test_an_optional_stream_that_is_left(page, site, cast):
    campaign = make_campaign(
        cast,
        items=0,
        protocol=[
            {"key": "stop", "type": "e_stop", "settings": SHARED, "required": False},
            {"key": "grade", "type": "critique"},
        ],
    )
    add_items(campaign=campaign, items=[NewItem("Does it boil?", [NewResponse(FIRST, source_name="p")])])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    wait_for(page, 20)
    page.keyboard.press("Tab")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    payload = stored(page)[0][1]
    assert payload["outcome"] == "left" and 20 <= payload["rendered_char"] < len(FIRST)


def test_time_stands_still_under_a_window_and_out_of_sight(page, site, cast):
    show(page, site, cast, FIRST * 12, settings={"chars_per_s": 400})
    wait_for(page, 20)
    page.keyboard.press("g")
    page.wait_for_timeout(200)
    before = streamed(page)
    page.wait_for_timeout(500)
    assert streamed(page) == before
    page.keyboard.press("Escape")  # closes the guidelines, does not stop
    wait_for(page, 1800)  # it scrolls along
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -4000)
    page.wait_for_timeout(300)
    before = streamed(page)
    page.wait_for_timeout(400)
    assert streamed(page) == before
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    assert stored(page)[0][1]["rendered_char"] >= 1800


def test_without_scripts_it_asks_in_hindsight(browser, site, cast):
    campaign = make_campaign(cast, items=0, protocol=[{"key": "stop", "type": "e_stop"}])
    add_items(campaign=campaign, items=[NewItem("Does it boil?", [NewResponse(FIRST, source_name="p")])])
    with browser.page(site.url, java_script_enabled=False) as page:
        site.sign_in(page, cast.lena)
        page.goto(f"/campaigns/{campaign.slug}/label/")
        expect(article(page).locator(".rendered")).to_be_visible()
        page.get_by_label("After “Water boils early up here 👍🏽.”").check()
        page.get_by_label("It goes wrong").check()
        page.get_by_role("button", name="Send").click()
        [(_target, payload)] = stored(page)
        assert payload["mode"] == "hindsight" and payload["stop_char"] == segment_ends(FIRST)[0]
        assert (
            payload["full_text_available"] is True and payload["reason"] == "bad" and payload["t_ms"] is None
        )


def test_axe_finds_nothing_in_any_state(browser, site, cast):
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce") as page:
        show(page, site, cast, FIRST, SECOND, settings={"start": "key", "chars_per_s": 20})
        found = axe_finds_in_both_themes(page)
        page.keyboard.press("Space")
        expect(page.get_by_role("button", name="Stop Esc")).to_be_visible()
        found += axe_finds_in_both_themes(page)
        page.keyboard.press("Escape")
        found += axe_finds_in_both_themes(page)
        page.keyboard.press("1")
        found += axe_finds_in_both_themes(page)
    assert found == []
