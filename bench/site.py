"""The site that the benchmarks ask over HTTP: a PostgreSQL of its own, web processes, browser sessions, CPU accounting.

with database(data_dir) as places, start_web(data_dir, workers=2) as web:
    client = sign_in(web.url, user)
    before = cpu_of(web, places)

Nothing of Django may be imported before `database` is entered, which sets it up.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def database(data_dir: Path) -> Iterator[Any]:
    """A migrated database with fsync on, in the data directory that WHETSTONE_DATA_DIR names; gives its `Places`."""
    import django

    from annotation.project import embedded

    places = embedded.Places(data_dir)
    leases = embedded.ensure_running("postgres", places=places)
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    try:
        yield places
    finally:
        connections.close_all()
        for connection in connections.all():
            connection.close_pool()  # type: ignore[attr-defined]
        for lease in leases:
            lease.release()
        for _attempt in range(100):  # the keeper stops the server when the last lease is gone
            if not list(places.postgres_dir.glob("*/postmaster.pid")):
                break
            time.sleep(0.1)


class Web:
    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url


@contextmanager
def start_web(data_dir: Path, *, workers: int = 1) -> Iterator[Web]:
    """The site on a free port. Raises RuntimeError with the end of its log if it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "annotation.project.asgi:application", "--port", str(port)]
    if workers > 1:
        command += ["--workers", str(workers)]
    log = (data_dir / "web.log").open("wb")
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(300):
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"the site did not start: {(data_dir / 'web.log').read_text()[-2000:]}")
        yield Web(process, url)
    finally:
        process.terminate()
        process.wait(20)


def cookies_of(user: Any) -> dict[str, str]:
    """A browser's cookies: a session in the database and a CSRF token, which goes into the header X-CSRFToken, too."""
    from django.conf import settings
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return {
        settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value,
        settings.CSRF_COOKIE_NAME: _get_new_csrf_string(),
    }


def sign_in(url: str, user: Any) -> httpx.Client:
    """A client with a user's session."""
    from django.conf import settings

    cookies = cookies_of(user)
    headers = {"X-CSRFToken": cookies[settings.CSRF_COOKIE_NAME]}
    return httpx.Client(base_url=url, cookies=cookies, headers=headers, timeout=30)


class Lines:
    """JSON lines of n items of about 1.2 kB, made beforehand, handed out in pieces."""

    def __init__(self, n: int) -> None:
        rng = random.Random(0)
        words = [
            "river",
            "stone",
            "because",
            "simple",
            "otter",
            "bright",
            "kettle",
            "window",
            "slowly",
            "question",
        ]
        text = lambda size: " ".join(rng.choice(words) for _w in range(size))  # noqa: E731
        rows = (
            {"id": k, "prompt": f"{k}: {text(40)}?", "responses": [text(60), text(60)], "metadata": {"k": k}}
            for k in range(n)
        )
        self.pieces: Iterator[bytes] = iter(
            [b"".join(json.dumps(row).encode() + b"\n" for row in batch) for batch in _batches(rows, 500)]
        )

    def read(self, size: int = -1) -> bytes:
        return next(self.pieces, b"")


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def cpu_of(web: Web, places: Any) -> tuple[float, float]:
    """(web, PostgreSQL) CPU seconds so far; of PostgreSQL the postmaster, its children, and those that have ended."""
    (pid_file,) = places.postgres_dir.glob("*/postmaster.pid")
    postmaster = int(pid_file.read_text().split()[0])
    own, ended = times_of(postmaster)
    of_web = sum(times_of(pid)[0] for pid in (web.process.pid, *children_of(web.process.pid)))
    return of_web, own + ended + sum(times_of(child)[0] for child in children_of(postmaster))


def bare_request(client: httpx.Client, web: Web, requests: int = 300) -> float:
    """CPU seconds of the web process for a request that does next to nothing: to tell the code from the machine."""
    before = times_of(web.process.pid)[0]
    for _turn in range(requests):
        client.get("/healthz").raise_for_status()
    return (times_of(web.process.pid)[0] - before) / requests


def times_of(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, ended_user, ended_system = (int(f) / TICKS for f in fields[11:15])
    return user + system, ended_user + ended_system


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
