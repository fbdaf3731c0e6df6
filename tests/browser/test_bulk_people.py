"""Many invitations at once in a browser: without scripts, with the keyboard alone, on a phone, and by axe in each state.

With WHETSTONE_SCREENSHOTS=DIR the pictures are kept there.
"""

import csv
import os
from pathlib import Path

import pytest

from tests.browsers import axe_finds
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser

LIST = "note,role,languages,skills\nanna@example.org,labeler,en de,\n=Ben <Okri>,reviewer,,\n磨刀不误砍柴工,,zh,\n"
WRONG = "note,role\n" + "anna@example.org,owner\n" * 3


@pytest.fixture
def address(site):
    cast = make_cast()
    campaign = make_campaign(cast, items=0)
    return cast, f"/campaigns/{campaign.slug}/people/bulk/"


def test_a_list_becomes_a_file_of_links_without_scripts_and_without_a_mouse(browser, site, address):
    cast, address = address
    with browser.page(site.url, java_script_enabled=False, viewport={"width": 390, "height": 844}) as page:
        site.sign_in(page, cast.adam)
        page.goto(address.removesuffix("bulk/"))
        page.get_by_role("link", name="Invite many at once").focus()
        page.keyboard.press("Enter")
        page.get_by_label("People, one on each line").focus()
        page.keyboard.insert_text(LIST)
        for _field in range(3):  # how to write it, the file, the days
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("3 links, shown only now").wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").focus()
            page.keyboard.press("Enter")
        assert download.value.suggested_filename.endswith("-invitations.csv")
        rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
        assert [row["note"] for row in rows] == ["anna@example.org", "'=Ben <Okri>", "磨刀不误砍柴工"]
        assert [row["link"] for row in rows] == page.locator("code.once").all_inner_texts()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_state_is_accessible_and_fits(browser, site, address, width, theme):
    cast, address = address
    with browser.page(
        site.url, bypass_csp=True, color_scheme=theme, viewport={"width": width, "height": 844}
    ) as page:
        site.sign_in(page, cast.adam)
        found = []
        for state, text in (("form", ""), ("wrong", WRONG), ("made", LIST), ("people", "")):
            page.goto(address.removesuffix("bulk/") if state == "people" else address)
            if state == "form":
                page.get_by_text("How to write the list").click()
            if text:
                page.get_by_label("People, one on each line").fill(text)
                page.get_by_role("button", name="Make the links").click()
                page.locator("section.notice").wait_for()
            over = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            found += [
                f"{state}: {line}" for line in [*axe_finds(page), *(["scrolls sideways"] if over else [])]
            ]
            if out := os.environ.get("WHETSTONE_SCREENSHOTS"):
                page.screenshot(path=f"{out}/bulk-{state}-{width}-{theme}.png", full_page=True)
    assert found == []
