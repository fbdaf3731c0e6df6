"""The tests' own Chromium: one that does not close is replaced."""

import os
import signal

import pytest

from tests import browsers


def test_a_chromium_that_keeps_a_page_is_killed_and_replaced(browser, site, monkeypatch):
    monkeypatch.setattr(browsers, "CLOSES_S", 1)
    with pytest.warns(UserWarning, match="had not closed after 1 s"):
        with browser.page(site.url) as page:
            page.goto("/accounts/login/")
            os.kill(browser.pid, signal.SIGSTOP)
    with browser.page(site.url) as page:
        page.goto("/accounts/login/")
        assert page.title()
