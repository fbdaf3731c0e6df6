from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from annotation.project.env import envhosts
from tests.cast import Cast, make_campaign, make_cast


@dataclass
class Got:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A real HTTP server; the last part of the path is the status that it answers, or `slow`."""

    got: list[Got] = field(default_factory=list)
    says: str = '{"message": "noted"}'
    headers: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)  # path: another status than its name

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(
                    Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                name = self.path.rsplit("/", 1)[-1]
                if name == "slow":
                    time.sleep(4)
                self.send_response(receiver.statuses.get(self.path, int(name) if name.isdigit() else 200))
                for header, value in receiver.headers.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(receiver.says.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def url(self, path: str = "200") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == f"/{path}"]


@pytest.fixture
def receiver(allow: Callable[..., None]) -> Iterator[Receiver]:
    with Receiver() as receiver:
        allow(f"http://127.0.0.1:{receiver.port}", "api.example.org")
        yield receiver


@pytest.fixture
def allow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says where the server may connect, as an operator does."""

    def say(*hosts: str) -> None:
        monkeypatch.setenv("WHETSTONE_ENDPOINT_HOSTS", ",".join(hosts))
        settings.ENDPOINT_HOSTS = envhosts("WHETSTONE_ENDPOINT_HOSTS")

    return say


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast: Cast) -> Any:
    return make_campaign(cast, items=3, overlap=2)
