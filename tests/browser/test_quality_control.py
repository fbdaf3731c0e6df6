"""Guidelines that changed while somebody was at work: read, Enter, on. And practice, compared."""

from annotation.campaigns.services import publish_guidelines
from tests.annotation.qualification.test_services import with_practice
from tests.cast import make_campaign, make_cast


def test_changed_guidelines_are_read_and_enter_goes_on(site, page):
    cast = make_cast()
    campaign = make_campaign(cast, items=4, protocol=[{"key": "better", "type": "comparison"}])
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    page.wait_for_function("document.querySelector('form.item')")
    page.wait_for_timeout(400)  # the one behind it has come
    publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Prefer the answer that is kind.")
    for _item in range(2):  # what was in hand is answered first
        page.wait_for_timeout(300)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="The guidelines have changed.").wait_for()
    assert page.locator(".changed ins").all_inner_texts() == ["is kind"]
    assert page.locator(".changed del").all_inner_texts() == ["helps"]
    page.keyboard.press("Enter")
    page.locator("form.item").wait_for()
    assert page.locator("[name=guidelines_version]").get_attribute("value") == "2"


def test_practice_compares_and_enter_goes_on_to_work(site, page):
    cast = make_cast()
    campaign = with_practice(cast, practice_pass=0.5)
    site.sign_in(page, cast.lena)
    page.goto(f"/campaigns/{campaign.slug}/label/")
    for number in (1, 2):
        page.get_by_text(f"practice {number} of 2").wait_for()
        assert page.locator(".side-actions a, .side-actions details").count() == 0
        page.wait_for_timeout(300)
        page.keyboard.press("ArrowDown")  # equal: three quarters close
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="75 % close to what is expected.").wait_for()
        page.get_by_text("Why so.").wait_for()
        assert (
            page.locator("tbody tr td").first.inner_text() != page.locator("tbody tr td").nth(1).inner_text()
        )
        page.keyboard.press("Enter")
    page.locator("form.item").wait_for()
    assert (
        page.locator("#screen").get_attribute("data-mode") is None
        and "today" in page.locator(".today").inner_text()
    )
