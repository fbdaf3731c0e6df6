"""Hostile model text on the labeling screen, in a real browser: it runs nothing, requests nothing, covers nothing.

Every payload stands in the prompt and in both responses, rendered and raw.
"""

import pytest

from annotation.items.services import NewItem, NewResponse, add_items
from tests.annotation.rendering.payloads import HOSTILE
from tests.browser.test_labeling import answer_by_keys, open_screen, settle, shown
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.browser


def test_untrusted_text_runs_nothing_requests_nothing_covers_nothing(page, site, page_problems):
    cast = make_cast()
    campaign = make_campaign(cast, items=0)
    add_items(
        campaign=campaign,
        items=[NewItem(text, [NewResponse(text), NewResponse(f"safe {text}")]) for text in HOSTILE],
    )
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url))
    page.on("dialog", lambda d: requests.append(f"dialog {d.message}"))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => window.blocked = (window.blocked || 0) + 1)"
    )
    site.sign_in(page, cast.lena)
    open_screen(page, campaign)
    ways = ("/campaigns/", "/static/", "/assets/")
    for _ in HOSTILE:
        settle(page)
        page.keyboard.press("r")
        page.keyboard.press("r")
        state = page.evaluate(
            """() => {
                const send = document.querySelector(".send"), box = send.getBoundingClientRect();
                const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                return {
                    pwned: window.pwned === undefined ? 0 : 1, blocked: window.blocked || 0, free: send.contains(top),
                    foreign: document.querySelectorAll(
                        ".reading :is(form, iframe, img, style, input, [hx-get], [id^=screen])").length,
                    title: document.title,
                };
            }"""
        )
        assert state == {"pwned": 0, "blocked": 0, "free": True, "foreign": 0, "title": state["title"]}, (
            shown(page)
        )
        answer_by_keys(page)
        page.keyboard.press("Enter")
        if shown_count(page) == 0:
            break
    assert [u for u in requests if not any(way in u for way in ways)] == []
    assert all(u.startswith(site.url) for u in requests)


def shown_count(page) -> int:
    page.wait_for_timeout(30)
    return page.locator("form.item").count()
