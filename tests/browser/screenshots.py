"""Every page, as every role, wide and narrow, light and dark: PNG files to look at.

    WHETSTONE_SCREENSHOTS=OUT pytest tests/browser/test_pages.py -k pictures       on the scene of the tests
    python -m tests.browser.screenshots OUT http://127.0.0.1:8000 campaign=SLUG labeler=SESSION admin=SESSION …

The second form goes to a running site; SESSION is the value of the cookie `sessionid` of somebody in that role.

A page joins by a line in PAGES: the role that sees it, its url name, and its arguments ("campaign": the slug, "import": a
file that waits).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.browsers import Browser

# Evaluations of which a finished run may be shown; each is an argument, the run of that method.
EVALUATIONS = ("distance", "rewardbench", "overoptimisation", "consistency", "inspection")
ROOT = Path(__file__).resolve().parents[2]
WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")


class Page(NamedTuple):
    role: str  # labeler, reviewer, admin, researcher or nobody
    name: str  # of the url
    arguments: tuple[str, ...] = ()


PAGES = (
    Page("nobody", "account_login"),
    Page("nobody", "account_signup"),
    Page("labeler", "home"),
    Page("labeler", "my_work"),
    Page("labeler", "label", ("campaign",)),
    Page("labeler", "label_undo", ("campaign",)),
    Page("labeler", "guidelines", ("campaign",)),
    Page("labeler", "privacy"),
    Page("labeler", "account_change_password"),
    Page("labeler", "mfa_index"),
    Page("admin", "home"),
    Page("admin", "campaigns"),
    Page("admin", "campaign", ("campaign",)),
    Page("admin", "campaign_items", ("campaign",)),
    Page("admin", "campaign_import_one", ("campaign", "import")),
    Page("admin", "campaign_live", ("campaign",)),
    Page("admin", "campaign_quality", ("campaign",)),
    Page("admin", "campaign_labelers", ("campaign",)),
    Page("admin", "campaign_reliability", ("campaign",)),
    Page("admin", "campaign_leaderboard", ("campaign",)),
    Page("admin", "campaign_people", ("campaign",)),
    Page("admin", "campaign_invite_many", ("campaign",)),
    Page("admin", "campaign_money", ("campaign",)),
    Page("admin", "campaign_routing", ("campaign", "labeler_membership")),
    Page("admin", "campaign_questions", ("campaign",)),
    Page("admin", "campaign_types", ("campaign",)),
    Page("admin", "types"),
    Page("admin", "campaign_webhooks", ("campaign",)),
    Page("admin", "campaign_webhook", ("campaign", "webhook")),
    Page("admin", "campaign_settings", ("campaign",)),
    Page("admin", "campaign_audit", ("campaign",)),
    Page("admin", "campaign_new"),
    Page("admin", "tokens"),
    Page("admin", "endpoints"),
    Page("admin", "endpoint_new"),
    Page("reviewer", "home"),
    Page("reviewer", "campaign_quality", ("campaign",)),
    Page("reviewer", "campaign_review", ("campaign",)),
    Page("reviewer", "campaign_review_item", ("campaign", "item")),
    Page("reviewer", "campaign_review_blind", ("campaign", "item")),
    Page("reviewer", "campaign_review_write", ("campaign", "item")),
    Page("admin", "campaign_item", ("campaign", "settled")),
    Page("researcher", "home"),
    Page("researcher", "data"),
    Page("researcher", "new_snapshot", ("campaign",)),
    Page("researcher", "snapshot", ("snapshot",)),
    Page("researcher", "snapshot_answers", ("snapshot",)),
    Page("researcher", "snapshot_answer", ("snapshot", "event")),
    Page("researcher", "compare_snapshots", ("snapshot", "later")),
    Page("researcher", "runs"),
    Page("researcher", "new_run", ("campaign",)),
    *(Page("researcher", "run", (method,)) for method in EVALUATIONS),
    Page("researcher", "models"),
    Page("researcher", "model", ("policy",)),
    Page("researcher", "model", ("reward",)),
    Page("researcher", "lineage", ("policy",)),
    Page("researcher", "progress", ("campaign",)),
    Page("researcher", "rounds"),
)


def addresses(arguments: dict[str, str]) -> list[tuple[Page, str]]:
    """The pages that this installation has, with their addresses."""
    from django.urls import NoReverseMatch, reverse

    found = []
    for page in PAGES:
        if not arguments.keys() >= set(page.arguments):
            continue  # about something that is not there
        try:
            found.append((page, reverse(page.name, args=[arguments[a] for a in page.arguments])))
        except (NoReverseMatch, KeyError):
            continue  # a page of a part that is not installed, or of a thing that is not there
    return found


def take_all(
    browser: Any,
    url: str,
    out: Path,
    sign_in: Callable[[Any, str], None],
    arguments: dict[str, str],
    only: str = "",
) -> list[str]:
    """Writes OUT/<role>-<name>-<width>-<theme>.png; returns what consoles complained about."""
    out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    for width, (w, h) in WIDTHS.items():
        for theme in THEMES:
            for role in ("nobody", "labeler", "reviewer", "admin", "researcher"):
                pages = [
                    (p, a) for p, a in addresses(arguments) if p.role == role and only in f"{p.role}-{p.name}"
                ]
                if not pages:
                    continue
                with browser.page(url, viewport={"width": w, "height": h}, color_scheme=theme) as shown:
                    shown.on(
                        "console",
                        lambda m: problems.append(m.text) if m.type in ("error", "warning") else None,
                    )
                    if role != "nobody":
                        sign_in(shown, role)
                    for page, address in pages:
                        shown.goto(address, wait_until="load")
                        shown.wait_for_timeout(150)
                        is_screen = page.name.startswith("label") or page.name.endswith(("_blind", "_write"))
                        about = "-".join(
                            [page.name, *(a for a in page.arguments if page.name in ("run", "model"))]
                        )
                        target = out / f"{role}-{about}-{width}-{theme}.png"
                        shown.screenshot(path=str(target), full_page=not is_screen)
    return problems


def readme_picture(browser: Any, url: str, sign_in: Callable[[Any, str], None], campaign: str) -> None:
    """docs/img/labeling.png: the labeling screen in the middle of an answer."""
    target = ROOT / "docs" / "img" / "labeling.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    with browser.page(
        url, viewport={"width": 1440, "height": 840}, color_scheme="light", device_scale_factor=1.25
    ) as page:
        sign_in(page, "another")
        page.goto(f"/campaigns/{campaign}/label/")
        for _ in range(6):  # the item that shows best; which one comes first is drawn by lot
            page.wait_for_timeout(400)
            if page.get_by_text("I lie awake half the night").count():
                break
            page.keyboard.press("s")
            page.keyboard.press("5")
        is_first = "Try to go to bed" in page.locator(".response").first.inner_text()
        for _ in range(2):  # clearly better
            page.keyboard.press("ArrowLeft" if is_first else "ArrowRight")
        page.wait_for_timeout(900)
        page.screenshot(path=str(target))


def main() -> None:
    from playwright.sync_api import sync_playwright

    out, url, *rest = sys.argv[1:]
    links = dict(pair.split("=", 1) for pair in rest if "=" in pair)

    def sign_in(page: Any, role: str) -> None:
        page.context.clear_cookies()
        page.context.add_cookies(
            [{"name": "sessionid", "value": links.get(role, links["labeler"]), "url": url}]
        )

    import django

    django.setup()
    with sync_playwright() as playwright:
        browser = Browser(playwright, "/usr/bin/chromium")
        arguments = {name: links[name] for name in ("campaign", "import") if name in links}
        for problem in take_all(browser, url, Path(out), sign_in, arguments, links.get("only", "")):
            print("console:", problem)
        if "only" not in links:
            readme_picture(browser, url, sign_in, links["campaign"])
        browser.close()


if __name__ == "__main__":
    main()
