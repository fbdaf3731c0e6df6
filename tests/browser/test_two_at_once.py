"""Two people who change the same thing at the same time, in two browsers: admins a campaign, reviewers an item."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from annotation.adjudication.models import Adjudication
from annotation.adjudication.selectors import queue_of
from annotation.campaigns.services import change_campaign, publish_guidelines, publish_protocol
from annotation.people.services import grant_role
from tests.browser.scene import GUIDELINES, dispute, make_scene
from tests.browsers import axe_finds
from tests.cast import make_cast

pytestmark = pytest.mark.browser


@pytest.fixture
def scene(site):
    cast = make_cast()
    return cast, make_scene(cast)


@contextmanager
def page_of(browser, site, user, **options):
    with browser.page(site.url, bypass_csp=True, reduced_motion="reduce", **options) as page:
        site.sign_in(page, user)
        yield page


def keep_picture(page, name):
    """With WHETSTONE_SCREENSHOTS=DIR: wide and light, narrow and dark."""
    if out := os.environ.get("WHETSTONE_SCREENSHOTS"):
        for width, theme in ((1440, "light"), (390, "dark")):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=str(Path(out) / f"{name}-{width}-{theme}.png"), full_page=True)
        page.emulate_media(color_scheme="light")


def scrolls_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_two_admins_save_settings(browser, site, scene):
    cast, campaign = scene
    with page_of(browser, site, cast.adam) as page:
        page.goto(f"/campaigns/{campaign.slug}/settings/")
        campaign = change_campaign(
            actor=cast.adam,
            campaign=campaign,
            version=campaign.version,
            changes={"overlap": 5, "lease_s": 600},
        )
        publish_guidelines(
            actor=cast.adam, campaign=campaign, markdown=GUIDELINES.replace("Style alone", "Tone alone")
        )
        page.get_by_label("Overlap", exact=True).fill("3")
        page.get_by_label("Name", exact=True).fill("Kind answers")
        text = page.get_by_label("Guidelines", exact=True)
        text.fill(text.input_value() + "\n\nAsk when in doubt.")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("Somebody else saved while you were writing").wait_for()
        keep_picture(page, "settings-412")
        assert axe_finds(page) == [] and scrolls_sideways(page) <= 0
        page.locator("input[name=keep-overlap][value=theirs]").check()
        page.get_by_role("button", name="Save what is kept").click()
        page.get_by_text("Saved.", exact=True).wait_for()
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.lease_s, campaign.name) == (5, 600, "Kind answers")
    assert campaign.guidelines.markdown.endswith("Ask when in doubt.")


def test_two_admins_publish_questions(browser, site, scene):
    cast, campaign = scene
    with page_of(browser, site, cast.adam) as page:
        page.goto(f"/campaigns/{campaign.slug}/questions/")
        page.locator("#q0-title").fill("Which one helps more?")
        publish_protocol(
            actor=cast.adam, campaign=campaign,
            questions=[{"key": "better", "type": "comparison", "title": "Which is kinder?"}],
        )  # fmt: skip
        page.get_by_role("button", name="Publish these questions").click()
        page.get_by_text("Somebody else published questions").wait_for()
        keep_picture(page, "questions-412")
        assert axe_finds(page) == [] and scrolls_sideways(page) <= 0
        page.get_by_role("button", name="Publish mine instead").click()
        page.get_by_text("The questions are saved.").wait_for()
    campaign.refresh_from_db()
    assert campaign.protocol.questions[0].title == "Which one helps more?"


def test_a_reviewer_answers_blind_by_keys_while_another_settles(browser, site, scene):
    cast, campaign = scene
    dispute(campaign, cast.adam, cast.rita)
    item = queue_of(campaign)[0].item_id
    grant_role(actor=cast.adam, user=cast.stan, campaign=campaign, role="reviewer")
    with page_of(browser, site, cast.rita) as page, page_of(browser, site, cast.stan) as other:
        page.goto(f"/campaigns/{campaign.slug}/review/{item}/blind/")
        other.goto(f"/campaigns/{campaign.slug}/review/{item}/")
        page.wait_for_timeout(400)
        for key in ("ArrowLeft", "ArrowLeft", "5", "6"):
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        page.keyboard.press("Enter")
        page.get_by_text("Say why; a sentence is enough.").first.wait_for()
        page.get_by_label("Reason").fill("It says how.")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Kept. Now look at what the others said").wait_for()
        assert axe_finds(page) == []
        other.locator("input[name=chosen]").first.check()
        other.get_by_label("Reason").fill("The first one.")
        other.get_by_role("button", name="Settle with the chosen answer").click()
        other.get_by_text("Somebody else settled this item meanwhile").wait_for()
        assert axe_finds(other) == []
    made = Adjudication.objects.get(item_id=item)
    assert (made.act, made.reviewer, made.reason) == ("blind", cast.rita, "It says how.")
