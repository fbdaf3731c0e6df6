"""A site and a worker that know the toy methods, and a proxy in front of the site that breaks what it is told to."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from annotation.people.services import issue_token
from tests.cast import Cast, make_cast
from tests.conftest import Site, _start, _stop, _wait_for, serve
from whetstone_client import Client, Retries


@pytest.fixture(scope="module")
def _toy_site(django_db_setup: None, django_db_blocker: Any, valkey: str, places: Any) -> Iterator[Site]:
    from annotation.project.celery import app

    changed = {
        "WHETSTONE_RUN_METHODS": "tests.training_bridge.toy",
        "WHETSTONE_TRAIN_QUEUE": f"train-{uuid.uuid4().hex[:8]}",
    }
    before = dict(os.environ)
    os.environ.update(changed)
    name = f"client-{os.getpid()}@localhost"
    log = places.log(name)
    try:
        with django_db_blocker.unblock():
            worker = _start(
                ["celery", "-A", "annotation.project.celery", "worker", "-c", "1", "-n", name, "-l", "info", "-Q",
                 f"default,{changed['WHETSTONE_TRAIN_QUEUE']}", "--without-gossip", "--without-mingle"],
                log,
            )  # fmt: skip
            with serve(places) as site:
                _wait_for(lambda: bool(app.control.ping([name], timeout=0.5)), worker, log)
                yield site
        _stop(worker)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def toy_site(_toy_site: Site, transactional_db: None) -> Site:
    return _toy_site


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast()


def token_of(user: Any, *scopes: str) -> str:
    return issue_token(user=user, name="client", scopes=scopes or ("label", "read", "manage", "research"))[1]


@dataclass
class Proxy:
    """Passes requests on; `plan` says what happens to the next ones that it concerns (a part of the path: acts)."""

    target: str
    plan: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    after: dict[str, str] = field(default_factory=lambda: {"Retry-After": "0"})

    def __enter__(self) -> Proxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {
                    n.lower(): v for n, v in self.headers.items() if n.lower() not in ("host", "connection")
                }
                proxy.seen.append((self.command, self.path, headers))
                act = next(
                    (acts.pop(0) for part, acts in proxy.plan.items() if part in self.path and acts), "pass"
                )
                if act.isdigit():
                    self.send_response(int(act))
                    for name, value in proxy.after.items():
                        self.send_header(name, value)
                    self.end_headers()
                    return
                with httpx.Client(timeout=60) as http:
                    answer = http.request(
                        self.command, proxy.target + self.path, headers=headers, content=body
                    )
                if act == "lose":  # done, and nobody hears of it
                    self.close_connection = True
                    self.connection.close()
                    return
                content = answer.content
                if act == "alter":
                    at = len(content) // 2
                    content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in (
                        "connection",
                        "transfer-encoding",
                        "content-length",
                        "content-encoding",
                    ):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 3] if act == "cut" else content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def proxy(toy_site: Site) -> Iterator[Proxy]:
    with Proxy(toy_site.url) as proxy:
        yield proxy


@pytest.fixture
def adam(cast: Cast, proxy: Proxy) -> Iterator[Client]:
    """The admin's client, through the proxy, who does not like to wait."""
    with Client(
        proxy.url, token_of(cast.adam), retries=Retries(most=3, first_wait_s=0.01, longest_wait_s=5)
    ) as client:
        yield client
