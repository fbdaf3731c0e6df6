"""The labeling screen in a real browser: keys, no scripts, lost connections, expired leases, drafts, undo.

Answers are looked up by the roles of their inputs, so a test names no class of a widget.
"""

import re
from datetime import timedelta
from pathlib import Path

import brotli
import pytest
from django.contrib.staticfiles import finders
from django.db.models.functions import Now
from playwright.sync_api import expect

from annotation.assignment.models import Assignment
from annotation.assignment.services import lease_next, release_expired
from annotation.campaigns.services import close_campaign
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback, Submission
from tests.browser.scene import make_scene
from tests.cast import add_some_items, make_campaign, make_cast, send

pytestmark = pytest.mark.browser

SETTLE_MS = 900  # a comparison waits so long for a second press of the same arrow


@pytest.fixture
def cast(site):
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=4)


@pytest.fixture
def screen(page, site, cast, campaign):
    """Lena's screen, with the next item prepared."""
    site.sign_in(page, cast.lena)
    open_screen(page, campaign)
    return page


def open_screen(page, campaign) -> None:
    with page.expect_response(re.compile("/label/next/")):
        page.goto(f"/campaigns/{campaign.slug}/label/")


def answer_by_keys(page, arrow: str = "ArrowDown") -> None:
    """A tie by default: it has no second degree, so nothing waits. Then a rating for each side."""
    page.keyboard.press(arrow)
    if arrow != "ArrowDown":
        page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("6")
    page.keyboard.press("3")


def shown(page) -> str:
    return page.locator("form.item").get_attribute("data-assignment")


def settle(page) -> None:
    """The second half of a double press is ignored for a quarter of a second; a test's next answer is meant."""
    page.wait_for_timeout(300)


def count_when(expected: int, page, seconds: float = 8) -> int:
    for _ in range(int(seconds * 20)):
        if Submission.objects.count() >= expected:
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(150)  # one too many would arrive now
    return Submission.objects.count()


def test_keyboard_alone_answers_three_screens(screen, cast):
    seen = []
    for n in (1, 2, 3):
        settle(screen)
        seen.append(shown(screen))
        answer_by_keys(screen)
        screen.keyboard.press("Enter")
        assert count_when(n, screen) == n

    assert len(set(seen)) == 3
    better = Feedback.objects.filter(question="better").values_list("payload", flat=True)
    assert [p["strength"] for p in better] == [0, 0, 0]
    assert Feedback.objects.filter(question="grade").count() == 6
    assert all(
        ms is not None and ms < 60_000 for ms in Submission.objects.values_list("active_ms", flat=True)
    )
    assert screen.locator("#today-count").inner_text() == "3"


def test_next_item_is_there_in_one_frame(screen):
    settle(screen)
    answer_by_keys(screen)
    before = shown(screen)
    held = screen.evaluate(
        """() => new Promise((done) => {
            const before = document.querySelector("form.item").dataset.assignment, start = performance.now();
            const enter = new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true});
            document.activeElement.dispatchEvent(enter);
            done({ms: performance.now() - start, moved: document.querySelector("form.item").dataset.assignment !== before});
        })"""
    )
    assert (
        held["moved"] and shown(screen) != before
    )  # in the same task as the key press, before anything is painted
    assert held["ms"] < 100


def test_page_asks_one_request_for_each_answer(screen):
    settle(screen)
    requests = []
    screen.on("request", lambda r: requests.append(r.url) if "/label/" in r.url else None)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    count_when(1, screen)

    posted = [u for u in requests if not u.endswith(("draft/", "heartbeat/"))]
    assert len(posted) == 1  # the answer; its reply carries the item after the next


def test_double_enter_is_one_answer(screen):
    settle(screen)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    screen.keyboard.press("Enter")
    screen.keyboard.press("Enter")

    assert count_when(1, screen) == 1


def test_enter_goes_to_the_open_question(screen):
    settle(screen)
    screen.keyboard.press("Enter")

    assert screen.locator(".toast").inner_text() == "This question still needs an answer."
    assert screen.locator(".question[data-state=active]").get_attribute("data-question") == "better"
    assert count_when(1, screen, 0.3) == 0


def test_tab_and_the_questions_of_the_strip(screen):
    assert screen.locator(".question[data-state=active]").get_attribute("data-question") == "better"
    screen.keyboard.press("Tab")
    assert screen.locator(".question[data-state=active]").get_attribute("data-question") == "grade"
    screen.locator("#q-better").click()
    screen.keyboard.press("ArrowDown")
    assert screen.locator(".question[data-state=active]").get_attribute("data-question") == "grade"
    assert screen.locator("#q-better").get_attribute("data-state") == "done"
    assert "equally good" in screen.locator("#q-better .question-summary").inner_text()


def test_nothing_moves_when_something_is_chosen(screen):
    places = "Array.from(document.querySelectorAll('.response, .prompt, .strip'), (e) => e.getBoundingClientRect().top)"
    before = screen.evaluate(places)
    answer_by_keys(screen, "ArrowLeft")
    assert screen.evaluate(places) == before


def test_without_scripts_a_form_is_enough(browser, site, cast, campaign):
    with browser.page(site.url, java_script_enabled=False) as page:
        site.sign_in(page, cast.lena)
        page.goto(f"/campaigns/{campaign.slug}/label/")
        first = shown(page)
        page.locator("#q-better input[type=radio]").first.check(force=True)
        for fieldset in page.locator("#q-grade fieldset").all():
            fieldset.locator("input[type=radio]").nth(4).check(force=True)
        page.get_by_role("button", name="Send").click()
        page.wait_for_load_state()

        assert Submission.objects.count() == 1 and shown(page) != first
        page.get_by_role("link", name="Undo last").click()
        assert shown(page) == first
        page.locator("#q-better input[type=radio]").last.check(force=True)
        page.get_by_role("button", name="Send the change").click()
        page.wait_for_load_state()
        assert list(Submission.objects.order_by("revision").values_list("revision", flat=True)) == [0, 1]


def test_offline_then_online_is_one_row(screen, page_problems):
    settle(screen)
    first = shown(screen)
    screen.context.set_offline(True)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")

    assert shown(screen) != first  # the prepared one came at once
    screen.get_by_text("1 answer waits to be sent").wait_for()
    assert Submission.objects.count() == 0
    screen.context.set_offline(False)
    assert count_when(1, screen) == 1
    expect(screen.locator("#outbox-state")).to_have_text("")
    page_problems[:] = [p for p in page_problems if "ERR_INTERNET_DISCONNECTED" not in p]


def test_answer_kept_over_a_reload_is_sent_once(screen, campaign, page_problems):
    settle(screen)
    first = shown(screen)
    screen.route(re.compile(r"/label/\d+/$"), lambda route: route.abort())
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    screen.get_by_text("1 answer waits to be sent").wait_for()
    screen.unroute_all()
    screen.reload()

    assert count_when(1, screen) == 1
    assert Submission.objects.get().assignment_id == int(first)
    expect(screen.locator("form.item")).not_to_have_attribute("data-assignment", first)
    page_problems[:] = [p for p in page_problems if "ERR_FAILED" not in p]


def test_lost_reply_is_sent_again_with_the_same_key(screen, page_problems):
    settle(screen)
    keys = []

    def lose_the_first_reply(route):
        keys.append(re.search("idempotency_key=([^&]+)", route.request.post_data)[1])
        if len(keys) == 1:
            route.fetch()  # the server has it, the page never hears of it
            route.abort()
        else:
            route.continue_()

    screen.route(re.compile(r"/label/\d+/$"), lose_the_first_reply)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")

    expect(screen.locator("#outbox-state")).not_to_have_text("")
    expect(screen.locator("#outbox-state")).to_have_text("")
    assert len(keys) == 2 and keys[0] == keys[1] and Submission.objects.count() == 1
    page_problems[:] = [p for p in page_problems if "ERR_FAILED" not in p]


def test_draft_comes_back_after_a_reload(screen, campaign):
    with screen.expect_response(re.compile("/draft/")):
        screen.keyboard.press("ArrowDown")
    first = shown(screen)
    screen.evaluate("localStorage.clear()")  # what comes back comes from the server
    screen.reload()

    assert shown(screen) == first
    screen.get_by_text("Your draft is back.").wait_for()
    assert screen.locator("#q-better").get_attribute("data-state") == "done"


def test_undo_shows_the_last_answer_and_adds_a_revision(screen):
    settle(screen)
    first = shown(screen)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    count_when(1, screen)
    second = shown(screen)
    screen.keyboard.press("u")

    assert shown(screen) == first
    screen.get_by_text("You are changing an answer that you sent.").wait_for()
    screen.locator("#q-better").click()
    screen.keyboard.press("b")
    settle(screen)
    screen.keyboard.press("Enter")
    assert count_when(2, screen) == 2
    assert shown(screen) == second  # back where we were
    revision = Submission.objects.get(revision=1)
    assert (
        str(revision.assignment_id) == first and revision.feedback.get(question="better").payload["both_bad"]
    )


def test_undo_after_a_reload_and_back_without_changing(screen):
    settle(screen)
    first = shown(screen)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    count_when(1, screen)
    screen.reload()
    second = shown(screen)
    screen.keyboard.press("u")
    expect(screen.locator("form.item")).to_have_attribute("data-assignment", first)
    assert screen.locator(".question[data-state=active]").count() == 1
    screen.keyboard.press("Escape")

    assert shown(screen) == second and Submission.objects.count() == 1


def test_skip_by_two_keys(screen):
    settle(screen)
    first = shown(screen)
    screen.keyboard.press("s")
    with screen.expect_response(re.compile("/skip/")):
        screen.keyboard.press("4")

    assert shown(screen) != first
    assert Assignment.objects.get(pk=first).skip.reason == "uncomfortable"
    assert screen.locator("#today-count").inner_text() == "0"


def test_report_by_two_keys_leaves_the_item(screen):
    first = shown(screen)
    screen.keyboard.press("x")
    screen.keyboard.press("1")

    screen.get_by_text("Reported. You may still answer or skip.").wait_for()
    assert shown(screen) == first and Assignment.objects.get(pk=first).flags.get().reason == "harmful"


def test_expired_lease_keeps_what_was_answered(page, site, cast, page_problems):
    campaign = make_campaign(cast, items=1)
    site.sign_in(page, cast.lena)
    open_screen(page, campaign)
    settle(page)
    answer_by_keys(page)
    lease = Assignment.objects.get(labeler=cast.lena)
    Assignment.objects.filter(pk=lease.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert release_expired() == 1
    send(lease_next(labeler=cast.otto, campaign=campaign))
    page.keyboard.press("Enter")

    assert count_when(2, page) == 2
    mine = Submission.objects.get(labeler=cast.lena)
    assert mine.status == "late" and mine.feedback.count() == 3
    page.get_by_text("Nothing is waiting for you here.").wait_for()


def test_second_tab_is_told_and_its_text_stays(screen, site, campaign, page_problems):
    settle(screen)
    other = screen.context.new_page()
    open_screen(other, campaign)
    settle(other)
    assert shown(other) == shown(screen)
    answer_by_keys(screen)
    screen.keyboard.press("Enter")
    count_when(1, screen)
    answer_by_keys(other, "ArrowLeft")
    other.keyboard.press("Enter")

    other.get_by_text("You have already sent an answer to this item.", exact=False).first.wait_for()
    assert Submission.objects.count() == 1
    other.get_by_role("button", name="Show my answer").click()
    assert "better" in other.locator("#q-better .question-summary").text_content()
    page_problems[:] = [p for p in page_problems if "409" not in p]


def test_sign_in_elsewhere_rotates_the_token_and_the_answer_arrives(screen, site, cast, page_problems):
    settle(screen)
    answer_by_keys(screen)
    site.sign_in(
        screen, cast.lena
    )  # a new session and a new token in the cookies; the page still has the old one
    screen.keyboard.press("Enter")

    assert count_when(1, screen) == 1
    page_problems[:] = [p for p in page_problems if "403" not in p]


def test_signed_out_answer_waits_for_the_next_sign_in(screen, site, cast, page_problems):
    settle(screen)
    answer_by_keys(screen)
    cookies = screen.context.cookies()
    screen.context.clear_cookies()
    screen.keyboard.press("Enter")

    screen.get_by_text("You have been signed out.", exact=False).wait_for()
    assert Submission.objects.count() == 0
    screen.context.add_cookies(cookies)
    screen.evaluate("window.dispatchEvent(new Event('online'))")
    assert count_when(1, screen) == 1
    page_problems[:] = [p for p in page_problems if "401" not in p and "403" not in p]


def test_closed_campaign_keeps_the_answer_and_says_so(screen, cast, campaign, page_problems):
    settle(screen)
    answer_by_keys(screen)
    campaign.refresh_from_db()
    close_campaign(actor=cast.adam, campaign=campaign)
    screen.keyboard.press("Enter")

    screen.get_by_text("Your answer was kept", exact=False).wait_for()
    assert Submission.objects.get().status == "late"
    page_problems[:] = [p for p in page_problems if "409" not in p]


def test_raw_text_differences_guidelines_and_keys(screen):
    screen.keyboard.press("r")
    assert screen.locator(".response pre.raw:visible").count() == 2
    screen.keyboard.press("r")
    assert screen.locator(".response pre.raw:visible").count() == 0
    screen.keyboard.press("d")
    assert (
        screen.locator(".difference del").inner_text() == "0"
        or screen.locator(".difference del").inner_text() == "1"
    )
    screen.keyboard.press("d")
    assert screen.locator(".difference").count() == 0
    screen.keyboard.press("l")
    assert screen.locator(".responses[data-apart]").count() == 1
    screen.keyboard.press("g")
    assert screen.locator("#guidelines").get_by_text("Prefer the answer that helps.").is_visible()
    screen.keyboard.press("Escape")
    screen.keyboard.press("?")
    assert screen.locator("#keys").get_by_text("Skip this item").is_visible()
    screen.keyboard.press("Escape")
    assert screen.locator("dialog:visible").count() == 0


def test_a_dialogue_is_unfolded_by_the_keyboard_and_shown_raw(page, site, cast):
    campaign = make_campaign(cast, items=0)
    said = [{"role": "assistant" if n % 2 else "user", "content": f"**turn** {n}"} for n in range(12)]
    prompt = [{"role": "system", "content": "Be brief."}, *said[:11]]
    add_items(campaign=campaign, items=[NewItem(prompt, [NewResponse("A."), NewResponse("B.")])])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")

    shown = page.locator(".message .rendered:visible")
    expect(shown).to_have_text(["Be brief.", "turn 8", "turn 9", "turn 10"])
    page.get_by_text("8 earlier turns").focus()
    page.keyboard.press("Enter")
    expect(shown).to_have_count(12)
    page.locator("#q-better").focus()
    page.keyboard.press("r")
    expect(shown).to_have_count(0)
    assert page.locator(".message .raw:visible").all_inner_texts() == [
        "Be brief.",
        *(m["content"] for m in said[:11]),
    ]
    index = (
        "[...document.querySelectorAll('.message[data-role=assistant]')].map((m) => Number(m.dataset.turn))"
    )
    assert page.evaluate(index) == [2, 4, 6, 8, 10]


def test_code_points(screen):
    counts = screen.evaluate(
        """() => {
            const {fromUtf16, toUtf16, length} = Whetstone.codepoints, text = "a😀b👨‍👩‍👧é";
            const half = fromUtf16("\\ud83d", 1);
            return [length(text), fromUtf16(text, 3), toUtf16(text, 2), length(""), toUtf16(text, 99), half];
        }"""
    )
    assert counts == [len("a😀b👨‍👩‍👧é"), 2, 3, 0, len("a😀b👨‍👩‍👧é".encode("utf-16-le")) // 2, 1]


def test_done_page_comes_by_itself(page, site, cast):
    campaign = make_campaign(cast, items=1)
    site.sign_in(page, cast.lena)
    open_screen(page, campaign)
    settle(page)
    answer_by_keys(page)
    page.keyboard.press("Enter")

    page.get_by_text("Nothing is waiting for you here.").wait_for()
    assert Submission.objects.count() == 1


def test_preferences_need_no_script(page, site, cast):
    site.sign_in(page, cast.lena)
    page.goto("/")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()

    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"


def test_cold_load_is_small(browser, site, cast):
    """Bytes over the wire as the browser counts them, headers included.

    Static files are counted as WhiteNoise serves them where they were collected, with brotli; the site of the tests serves
    them as they lie in the tree. Pages and widgets come compressed from the views themselves.
    """
    campaign = make_scene(cast)
    add_some_items(campaign, 3)
    with browser.page(site.url) as page:
        site.sign_in(page, cast.lena)
        urls: dict[str, str] = {}
        wire: dict[str, float] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda e: urls.update({e["requestId"]: e["request"]["url"]}))
        session.on(
            "Network.loadingFinished", lambda e: wire.update({urls[e["requestId"]]: e["encodedDataLength"]})
        )
        open_screen(page, campaign)
        page.wait_for_timeout(500)

    for url in wire:
        if "/static/" in url:
            plain = Path(str(finders.find(url.split("/static/")[1]))).read_bytes()
            wire[url] += len(brotli.compress(plain)) - len(plain)
    print(f"cold load: {len(wire)} requests, {sum(wire.values()) / 1000:.1f} kB")
    assert len(wire) <= 8 and sum(wire.values()) <= 100_000, wire
