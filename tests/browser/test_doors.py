"""The ways in, as a browser takes them: it sends an Origin with every form, which a test client does not."""

import pytest

from annotation.people.services import create_sign_in_link, invite
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser


def test_a_sign_in_link_signs_in_with_one_press(page, site):
    cast = make_cast()
    page.goto(create_sign_in_link(user=cast.lena))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    assert page.get_by_text("lena").count() > 0


def test_an_invitation_makes_an_account_and_leads_to_the_first_item(page, site):
    cast = make_cast()
    campaign = make_campaign(cast)
    _invitation, token = invite(actor=cast.adam, campaign=campaign)
    page.goto(f"/join/{token}/")
    page.locator('input[name="username"]').fill("nora")
    page.locator('input[name="password"]').fill("a long enough pass phrase")
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/label/")
    assert page.locator("article.response").count() == 2
