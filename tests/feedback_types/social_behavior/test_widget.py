"""The reactions and the recorder in a real browser: what is measured, what is not, and what never leaves the page."""

import re

import pytest
from playwright.sync_api import expect

from annotation.consents.services import grant, withdraw
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.submissions.models import Feedback, Submission
from feedback_types.segments import segment_ends
from tests.browsers import axe_finds, axe_finds_in_both_themes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

SHORT = "Water boils early up here 👍🏽. A second sentence follows. The end."
LONG = "\n\n".join(
    f"Paragraph {n} says **something** about water, and `code` too. It goes on." for n in range(60)
)
SLUG = "implicit_signals"
COMPARISON = {"key": "better", "type": "comparison"}


@pytest.fixture
def cast(site):
    return make_cast()


def show(page, site, cast, *texts, agreed=True, settings=None, before=(), items=1):
    protocol = [*before, {"key": "seen", "type": "social_behavior", "settings": settings or {}}]
    campaign = make_campaign(cast, items=0, protocol=protocol)
    add_items(
        campaign=campaign,
        items=[
            NewItem(f"Does it boil? {n}", [NewResponse(t, source_name="p") for t in texts])
            for n in range(items)
        ],
    )
    if agreed:
        grant(user=cast.lena, slug=SLUG, version=1)
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    page.wait_for_timeout(300)  # the page takes an Enter at once for the second half of a double press
    return campaign


def stored(page, expected=1):
    for _ in range(200):
        if Submission.objects.count() == expected:
            break
        page.wait_for_timeout(50)
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible()
    rows = Feedback.objects.filter(type="social_behavior").order_by("pk")
    return dict(rows.values_list("target_id", "payload"))


def by_text(page):
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('article.response')].map((r) => "
        "[JSON.parse(r.querySelector('.response-source').textContent).text, Number(r.dataset.response)]))"
    )


def active(page, milliseconds):
    """Somebody is there: a sign of life now and then."""
    for _ in range(milliseconds // 250):
        page.mouse.move(300 + _ % 5, 300)
        page.wait_for_timeout(250)


def test_an_exposure_is_stored_although_nothing_happened(page, site, cast):
    show(page, site, cast, SHORT)
    expect(page.get_by_text("Recording how you read")).to_be_visible()
    active(page, 1500)
    page.keyboard.press("Enter")  # nothing has to be answered
    (payload,) = stored(page).values()
    assert payload["recorder"] == "page" and payload["reaction"] is None and payload["events"] == []
    assert payload["segments"] == segment_ends(SHORT)
    assert 750 <= payload["exposed_ms"] <= 6000
    assert all(ms == payload["exposed_ms"] for ms in payload["visible_ms"])  # it fits on the screen
    assert payload["revisits"] == [0, 0, 0]


def test_keys_react_and_take_back_and_change_the_response(page, site, cast):
    show(page, site, cast, SHORT, "Another one.", before=[COMPARISON])
    ids = page.evaluate(
        "[...document.querySelectorAll('article.response')].map((r) => Number(r.dataset.response))"
    )
    expect(page.locator("#q-better")).to_be_focused()  # it does not steal the focus
    page.keyboard.press("+")
    page.keyboard.press(".")
    page.keyboard.press("!")
    page.keyboard.press("!")
    page.keyboard.press("-")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    found = stored(page)
    assert [found[i]["reaction"] for i in ids] == ["up", "down"]
    assert all(found[i]["reaction_ms"] is not None for i in ids)


def test_what_is_in_view_is_measured_by_sentence_and_coming_back_is_counted(page, site, cast):
    show(page, site, cast, LONG)
    reading = page.locator(".reading")
    active(page, 1500)
    reading.evaluate("e => e.scrollTo(0, e.scrollHeight)")
    active(page, 1500)
    reading.evaluate("e => e.scrollTo(0, 0)")
    active(page, 1500)
    page.keyboard.press("Enter")
    (payload,) = stored(page).values()
    ends, ms, back = payload["segments"], payload["visible_ms"], payload["revisits"]
    assert len(ends) == len(ms) == len(back) == len(segment_ends(LONG))
    middle = len(ms) // 2
    assert ms[0] > ms[middle] == 0 and ms[-1] > 0  # the middle flew by
    assert back[0] == 1 and back[middle] == back[-1] == 0
    assert ms[0] > 1.4 * ms[-1]


def test_copying_and_selecting_are_counted_and_their_text_stays_here(page, site, cast):
    show(page, site, cast, SHORT)
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data or ""))
    active(page, 500)
    page.evaluate("""() => {
        const text = document.querySelector(".response-text.rendered p").firstChild;
        document.getSelection().setBaseAndExtent(text, 0, text, 11);
    }""")
    active(page, 750)
    page.keyboard.press("Control+c")
    page.keyboard.press("Control+c")
    for letter in "qwz":
        page.keyboard.press(letter)  # keys of no meaning here
    active(page, 250)
    page.keyboard.press("Enter")
    (payload,) = stored(page).values()
    assert {e["event"]: e["count"] for e in payload["events"]} == {"copy": 2, "select": 1}
    sent = " ".join(bodies)
    assert "seen-" in sent and "Water boils" not in sent and "qwz" not in sent
    assert set(payload) == {
        "recorder", "reaction", "reaction_ms", "exposed_ms", "segments", "visible_ms", "revisits", "events", "condensed",
    }  # fmt: skip


def test_a_pause_measures_nothing_and_is_kept(page, site, cast):
    show(page, site, cast, SHORT, items=2)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".social-state")).to_have_text("Recording is paused")
    active(page, 1000)
    page.reload()
    expect(page.locator(".social-state")).to_have_text("Recording is paused")  # the pause outlives the page
    active(page, 750)
    page.get_by_label("Good", exact=False).first.check(force=True)
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#today-count').textContent === '1'")
    page.get_by_role("button", name="Go on").click()
    active(page, 1000)
    page.keyboard.press("Enter")
    for _ in range(200):
        if Submission.objects.count() == 2:
            break
        page.wait_for_timeout(50)
    expect(page.get_by_text("Nothing is waiting for you here.")).to_be_visible()
    first, second = Feedback.objects.order_by("pk").values_list("payload", flat=True)
    assert (first["recorder"], first["exposed_ms"], first["reaction"]) == ("paused", 0, "up")
    assert (second["recorder"], second["reaction"]) == ("paused", None) and second["exposed_ms"] > 0


def test_time_stands_still_behind_a_window(page, site, cast):
    show(page, site, cast, SHORT)
    active(page, 500)
    page.keyboard.press("?")
    active(page, 2000)
    page.keyboard.press("Escape")
    active(page, 500)
    page.keyboard.press("Enter")
    (payload,) = stored(page).values()
    assert payload["exposed_ms"] <= 2000


def test_without_consent_the_page_has_no_recorder_and_sends_nothing_of_the_kind(page, site, cast):
    show(page, site, cast, SHORT, "Another one.", agreed=False, before=[COMPARISON])
    bodies = []
    page.on("request", lambda request: bodies.append(f"{request.url} {request.post_data or ''}"))
    assert page.locator('[data-type="social_behavior"], .social-row, .social-recorder').count() == 0
    active(page, 1000)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert stored(page) == {}
    assert Feedback.objects.count() == 1  # the comparison: refusing costs nothing
    assert not re.search(r"seen|recorder|visible_ms|exposed", " ".join(bodies))


def test_withdrawing_in_another_tab_stops_this_one_when_it_is_looked_at_again(
    page, site, cast, page_problems
):
    show(page, site, cast, SHORT, "Another one.", before=[COMPARISON])
    active(page, 750)
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    withdraw(user=cast.lena, slug=SLUG)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_text("Recording has stopped: you have withdrawn your consent.")).to_be_visible()
    expect(page.locator(".social-row").first).to_be_hidden()
    assert len(page_problems) == 1 and "404" in page_problems.pop()  # the question is not asked any more
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data or ""))
    page.keyboard.press("Enter")
    assert stored(page) == {} and Feedback.objects.count() == 1
    assert not re.search(r"visible_ms=\d|exposed_ms=\d|recorder=page|reaction=up", " ".join(bodies))


def test_the_reactions_can_be_put_away_and_brought_back(page, site, cast):
    show(page, site, cast, SHORT)
    row = page.locator(".social-row")
    row.get_by_role("button", name="Hide the reactions to A").click()
    expect(row).to_be_hidden()
    page.keyboard.press("+")  # what is not there is not answered by its key
    page.reload()
    expect(row).to_be_hidden()
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Show the reactions again").click()
    expect(row).to_be_visible()
    page.keyboard.press("Enter")
    (payload,) = stored(page).values()
    assert payload["reaction"] is None


def test_undo_keeps_what_was_measured_and_changes_the_reaction(page, site, cast):
    show(page, site, cast, SHORT, items=2)
    active(page, 1000)
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#today-count').textContent === '1'")
    page.keyboard.press("u")
    active(page, 750)
    page.keyboard.press("-")
    page.keyboard.press("Enter")
    for _ in range(200):
        if Submission.objects.count() == 2:
            break
        page.wait_for_timeout(50)
    first, second = Feedback.objects.order_by("pk").values_list("payload", flat=True)
    assert (first["reaction"], second["reaction"]) == ("up", "down")
    assert (first["exposed_ms"], first["visible_ms"]) == (second["exposed_ms"], second["visible_ms"])
    page.wait_for_timeout(300)


def test_it_works_as_a_plain_form(browser, site, cast):
    with browser.page(site.url, java_script_enabled=False) as page:
        show(page, site, cast, SHORT, "Another one.", before=[COMPARISON])
        assert not page.locator(".social-recorder").first.is_visible()
        page.locator("fieldset.social-row").first.get_by_label("Good").check(force=True)
        page.locator('input[name^="better-"][type="radio"]').first.check(force=True)
        page.get_by_role("button", name="Send", exact=False).first.click()
        page.wait_for_load_state()
        found = list(
            Feedback.objects.filter(type="social_behavior").order_by("pk").values_list("payload", flat=True)
        )
    assert {p["recorder"] for p in found} == {"plain"} and {p["exposed_ms"] for p in found} == {0}
    assert sorted(p["reaction"] or "" for p in found) == ["", "up"]


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(page, site, cast, width):
    page.set_viewport_size({"width": width, "height": 800})
    show(page, site, cast, SHORT, "Another one.", before=[COMPARISON])
    page.keyboard.press("+")
    assert axe_finds_in_both_themes(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0


def test_the_privacy_page_is_accessible(page, site, cast):
    show(page, site, cast, SHORT, "Another one.", agreed=False, before=[COMPARISON])
    page.goto("/privacy/")
    page.get_by_text("Delete what was recorded").click()
    assert axe_finds(page) == []
    page.get_by_role("button", name="I agree: switch it on").click()
    expect(page.get_by_role("button", name="Withdraw: stop recording")).to_be_visible()
