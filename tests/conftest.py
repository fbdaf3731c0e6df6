"""Fixtures of the whole suite. Everything is real: PostgreSQL, Valkey, a Celery worker, uvicorn, Chromium.

Each is started by the first test that asks for it; each parallel process (`pytest -n 2`) has its own database and queues.

    def test_x(db)                 a transaction, rolled back: the usual case
    def test_x(site)               a web server in a process of its own on the test database: site.url, site.client(user)
    def test_x(worker)             a Celery worker on the queues `default` and `train`
    def test_x(page, site)         a Chromium page; the test fails if its console shows an error
    def test_x(valkey)             the broker alone

`site`, `worker` and `page` see committed rows only, so they bring `transactional_db`. Their tests are slower than others.
"""

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import translation

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT_S = 60


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """A page that was read in Chinese leaves its language behind in the thread; the next test begins in English."""
    with translation.override("en"):
        yield


# Servers


@pytest.fixture(scope="session")
def places() -> Any:
    from annotation.project import embedded

    return embedded.Places.from_environment()


@pytest.fixture(scope="session")
def postgres(places: Any) -> Iterator[None]:
    """The embedded PostgreSQL of the data directory, without fsync; nothing if DATABASE_URL names a server."""
    from annotation.project import embedded

    leases = embedded.ensure_running("postgres", places=places, scratch=True)
    yield
    for lease in leases:
        lease.release()


@pytest.fixture(scope="session")
def valkey(places: Any) -> Iterator[str]:
    """The broker; gives its address. The queues of this test process are empty at the start."""
    import redis
    from django.conf import settings

    from annotation.project import embedded

    leases = embedded.ensure_running("valkey", places=places, scratch=True)
    if leases:
        with redis.Redis(unix_socket_path=str(places.valkey_socket), db=settings.QUEUES) as client:
            client.flushdb()
    yield settings.BROKER_URL
    for lease in leases:
        lease.release()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any, postgres: None
) -> None:
    """pytest-django asks for this before it makes the test database: the server has to be there, and what to copy from."""
    from tests import databases

    with django_db_blocker.unblock():
        databases.copy_from(databases.migrated())
    databases.empty_quickly()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The temporary data directory goes when the servers in it have stopped; only the first process removes it."""
    directory = os.environ.get("WHETSTONE_TEST_DIR")
    if directory is None or hasattr(config, "workerinput"):
        return
    from annotation.project.embedded.keeper import stop_when_unused
    from annotation.project.embedded.places import Places

    places = Places(Path(directory))
    for name in ("postgres", "valkey"):
        stop_when_unused(places, name)
    shutil.rmtree(places.socket_dir, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _environment() -> dict[str, str]:
    from django.db import connection

    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"]),
    }


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    from annotation.project.embedded.processes import spawn

    return spawn([sys.executable, "-m", *command], log=log, environment=_environment(), directory=ROOT)


# A web server


@dataclass
class Site:
    """The running site: its address, and signed-in clients without a password."""

    url: str

    def cookies(self, user: Any) -> dict[str, str]:
        """The cookies of a browser in which the person has signed in (a session in the database, a CSRF token)."""
        from django.conf import settings
        from django.middleware.csrf import _get_new_csrf_string
        from django.test import Client

        found = {settings.CSRF_COOKIE_NAME: _get_new_csrf_string()}
        if user is not None:
            client = Client()
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            found[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
        return found

    def client(self, user: Any = None, **options: Any) -> httpx.Client:
        """An HTTP client, signed in if a person is given; sends the CSRF header with each request."""
        from django.conf import settings

        cookies = self.cookies(user)
        headers = {"X-CSRFToken": cookies[settings.CSRF_COOKIE_NAME], **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, cookies=cookies, headers=headers, timeout=30, **options)

    def sign_in(self, page: Any, user: Any) -> None:
        """Makes a browser page somebody's."""
        page.context.clear_cookies()
        page.context.add_cookies(
            [{"name": name, "value": value, "url": self.url} for name, value in self.cookies(user).items()]
        )


@contextmanager
def serve(places: Any) -> Iterator[Site]:
    """A web process with the environment as it is now, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = places.log(f"test-site-{port}")
    process = _start(
        ["uvicorn", "annotation.project.asgi:application", "--port", str(port), "--log-level", "warning",
         "--timeout-graceful-shutdown", "1"],
        log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        _wait_for(answers, process, log)
        yield Site(url)
    finally:
        _stop(process)


@pytest.fixture(scope="session")
def _site_process(django_db_setup: None, places: Any) -> Iterator[Site]:
    with serve(places) as site:
        yield site


@pytest.fixture
def site(_site_process: Site, transactional_db: None) -> Site:
    """uvicorn with the real ASGI application in a process of its own, on the test database."""
    return _site_process


# A Celery worker


@pytest.fixture(scope="module")  # no longer: it would take the jobs of a module that does them itself
def _worker_process(
    django_db_setup: None, django_db_blocker: Any, valkey: str, places: Any
) -> Iterator[None]:
    from django.conf import settings

    from annotation.project.celery import app

    log = places.log(f"test-worker-{os.getpid()}")
    with django_db_blocker.unblock():
        name = f"test-{os.getpid()}@localhost"
        process = _start(
            ["celery", "-A", "annotation.project.celery", "worker", "-Q", f"default,{settings.TRAIN_QUEUE}", "-c", "1",
             "-n", name, "-l", "info", "--without-gossip", "--without-mingle"],
            log,
        )  # fmt: skip
    _wait_for(lambda: bool(app.control.ping([name], timeout=0.5)), process, log)
    yield
    _stop(process)


@pytest.fixture
def worker(_worker_process: None, transactional_db: None) -> None:
    """A real Celery worker (one prefork process) that takes both queues of this test process."""


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    from annotation.project.embedded.processes import tail

    deadline = time.monotonic() + START_LIMIT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{log.stem} did not start:\n{tail(log, 40)}", pytrace=False)
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    from annotation.project.embedded.processes import stop

    stop(process, signal.SIGTERM, grace_s=10)


# A browser


def find_chromium() -> str | None:
    """CHROMIUM, else the system's, else playwright's own download."""
    for candidate in (
        os.environ.get("CHROMIUM"),
        "/usr/bin/chromium",
        "chromium",
        "chromium-browser",
        "google-chrome",
    ):
        found = shutil.which(candidate) if candidate else None
        if found:
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one the test is skipped, or fails where CI says that nothing may be skipped."""
    found = find_chromium()
    if found is None:
        message = "no Chromium: install the package chromium, or set CHROMIUM to its path"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A Chromium for the tests of a module (tests/browsers.py).

    Playwright's event loop counts as running in this thread while it lives, so Django has to be told that the ORM may be
    used all the same, and tests with loops of their own (async def) belong in other modules.
    """
    from playwright.sync_api import sync_playwright

    from tests.browsers import Browser

    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        found = Browser(playwright, chromium)
        yield found
        found.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page_problems() -> list[str]:
    """What went wrong in the page: console errors, exceptions, requests to other hosts. Clear what a test expects."""
    return []


@pytest.fixture
def page(browser: Any, site: Site, page_problems: list[str]) -> Iterator[Any]:
    """A fresh page of a fresh profile on the site; `site.sign_in(page, user)` makes it somebody's."""
    with browser.page(site.url, viewport={"width": 1440, "height": 900}, locale="en-GB") as made:
        watch_page(made, page_problems, home=site.url)
        yield made
    assert page_problems == []


def watch_page(page: Any, problems: list[str], *, home: str) -> None:
    """Records a page's problems in the list, for tests that open more than one page."""
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    page.on(
        "console",
        lambda message: (
            problems.append(f"console: {message.text}") if message.type in ("error", "warning") else None
        ),
    )

    def foreign(request: Any) -> None:
        if not request.url.startswith((home, "data:", "blob:", "about:")):
            problems.append(f"request to another host: {request.url}")

    page.on("request", foreign)


# Garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: no collection looks at these two million objects again, and trainers ask for many."""
    gc.collect()
    gc.freeze()


# Marks


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what uses a browser, and leaves out what needs a GPU where there is none."""
    has_gpu = shutil.which("nvidia-smi") is not None
    kept, left = [], []
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
        (left if item.get_closest_marker("gpu") and not has_gpu else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says loudly when the browser tests did not run."""
    missing = [
        report for report in terminalreporter.getreports("skipped") if "no Chromium" in str(report.longrepr)
    ]
    if missing:
        terminalreporter.section("BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(missing)} tests were skipped: no Chromium found. Install it or set CHROMIUM."
        )
