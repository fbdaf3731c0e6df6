"""A Chromium for tests: fresh profiles that are closed for certain.

    with browser.page(site.url, color_scheme="dark") as page:
        page.goto("/")

A Chromium now and then never closes a page that is on its way to another one, and playwright waits for it without end. So a
page is emptied before its profile goes, and a Chromium that keeps it all the same is killed; the next page gets a new one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Running
from playwright.sync_api import BrowserContext, Error, Page, Playwright

CLOSES_S, LEAVES_S = 30, 15
OF_COLOURS = ("color-contrast", "link-in-text-block")  # the rules of axe that look at them
ARGUMENTS = ("--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars")


class Browser:
    """Starts Chromium with the first page; `close` ends it."""

    def __init__(self, playwright: Playwright, executable: str):
        self._playwright, self._executable = playwright, executable
        self._running: Running | None = None
        self.pid = 0

    @contextmanager
    def page(self, url: str, **options: Any) -> Iterator[Page]:
        """A page of a fresh profile whose addresses begin at `url`; options are those of playwright's `new_context`."""
        context = self._start().new_context(base_url=url, **options)
        context.set_default_timeout(15_000)
        context.set_default_navigation_timeout(20_000)
        try:
            yield context.new_page()
        finally:
            self._close(context)

    def close(self) -> None:
        if self._running is not None and self._running.is_connected():
            with self._killed_if_late():
                self._running.close()

    def _start(self) -> Running:
        if self._running is None or not self._running.is_connected():
            arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
            self._running = self._playwright.chromium.launch(executable_path=self._executable, args=arguments)
            session = self._running.new_browser_cdp_session()
            processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
            self.pid = next(p["id"] for p in processes if p["type"] == "browser")
            session.detach()
        return self._running

    def _close(self, context: BrowserContext) -> None:
        with self._killed_if_late():
            for page in context.pages:
                _leave(page)
            context.close()

    @contextmanager
    def _killed_if_late(self) -> Iterator[None]:
        watchdog = threading.Timer(CLOSES_S, os.kill, (self.pid, signal.SIGKILL))
        watchdog.start()
        try:
            yield
        except Error:
            if self._running is not None and self._running.is_connected():
                raise
            warnings.warn(f"a Chromium was killed: it had not closed after {CLOSES_S} s", stacklevel=2)
        finally:
            watchdog.cancel()


def settled(page: Page) -> None:
    """Returns once what fades or moves on the page has ended.

    A change of theme starts its transitions with the next frame, which a busy machine may draw late: until then a button
    has the letters of one theme on the ground of the other.
    """
    page.evaluate("""async () => {
        const frame = () => new Promise(requestAnimationFrame);
        const moves = (animation) =>
            animation.playState === "running" && animation.effect?.getComputedTiming().endTime !== Infinity;
        do { await frame(); await frame(); } while (document.getAnimations().some(moves));
    }""")


def axe_finds(page: Page) -> list[str]:
    """Violations of a page at rest, a line each. The engine is added past the CSP, which a page's own scripts cannot do."""
    settled(page)
    return _lines(Axe().run(page, options={"resultTypes": ["violations"]}).response)


def axe_finds_in_both_themes(page: Page) -> list[str]:
    """The same in light and dark. The dark theme has other colours and nothing else: only their rules are asked again."""
    page.emulate_media(color_scheme="light")
    found = [f"light {line}" for line in axe_finds(page)]
    page.emulate_media(color_scheme="dark")
    settled(page)
    options = {"resultTypes": ["violations"], "runOnly": list(OF_COLOURS)}
    return found + [f"dark {line}" for line in _lines(page.evaluate("options => axe.run(options)", options))]


def _lines(response: dict[str, Any]) -> list[str]:
    return [
        f"{v['id']}: {v['help']} {[n['html'][:160] for n in v['nodes'][:3]]}" for v in response["violations"]
    ]


def _leave(page: Page) -> None:
    """Empties a page; one that sets out for others by itself, as after sending an answer, is asked again."""
    until = time.monotonic() + LEAVES_S
    while True:
        try:
            page.goto("about:blank")
            return
        except Error as error:
            if "interrupted by another navigation" not in str(error) or time.monotonic() > until:
                raise
            page.wait_for_timeout(50)
