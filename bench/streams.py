"""What many streams cost those who only read pages: 200 labelers get a text of the live policy at once.

    python -m bench streams            200 streams
    python -m bench streams --small    20 streams: does it run

The policy process is the real one, with a small random model that writes 10 tokens a second to each, about what an
e-stop shows. A page is the labeling screen of somebody who has no stream, asked for one after another, without streams
and with them. `free_s` is how long after a browser went away its stream still ran in the policy process.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from bench.site import ROOT, database, sign_in, start_web, times_of

PROTOCOL = [{"key": "halt", "type": "e_stop", "settings": {"response": "live"}}]
PAGES = 100
TOKENS = 480  # the model repeats its last word, so that no stream ends early


def run(small: bool) -> dict[str, Any]:
    """p50 and p95 of pages without and with streams, their ratio, events a second, seconds until a left stream is free."""
    data_dir = Path(tempfile.mkdtemp(prefix="whetstone-bench-"))
    os.environ["WHETSTONE_DATA_DIR"] = str(data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotation.project.settings"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return _run(data_dir, streams=20 if small else 200, pages=30 if small else PAGES)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _run(data_dir: Path, streams: int, pages: int) -> dict[str, Any]:
    with database(data_dir):
        from django.core.management import call_command

        call_command("collectstatic", interactive=False, verbosity=0)
        held, reader = _prepare(data_dir, streams)
        log = (data_dir / "policy.log").open("wb")
        os.environ["WHETSTONE_LIVE_TOKENS_PER_S"] = "10"
        policy = subprocess.Popen(
            [sys.executable, "-m", "django", "serve_policy"], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            with start_web(data_dir) as web:
                return _measure(web, policy, held, reader, streams, pages)
        finally:
            policy.terminate()
            policy.wait(20)


def _measure(web: Any, policy: Any, held: list[Any], reader: Any, streams: int, pages: int) -> dict[str, Any]:
    from django.conf import settings

    page = f"/campaigns/{held[0].campaign.slug}/label/"
    with sign_in(web.url, reader) as client:
        without = _pages(client, page, pages)
        crowd = Crowd(web.url, held)
        crowd.start()
        crowd.wait_for(streams)
        began, before = time.perf_counter(), crowd.events
        cpu = [sum(times_of(process.pid)) for process in (web.process, policy)]
        with_streams = _pages(client, page, pages)
        seconds = time.perf_counter() - began
        rate = (crowd.events - before) / seconds
        used = [
            round((sum(times_of(process.pid)) - was) / seconds, 2)
            for process, was in zip((web.process, policy), cpu, strict=True)
        ]
        open_streams = asyncio.run(_status(settings.POLICY_SOCKET))["open"]
        free = crowd.leave_one_after_another(20 if streams > 20 else 5, settings.POLICY_SOCKET)
        crowd.close()
    return {
        "streams": streams,
        "open_at_the_end": open_streams,
        "events_per_s": round(rate),
        "cores_of_web_and_policy": used,
        "page_ms_without": _summary(without),
        "page_ms_with": _summary(with_streams),
        "p95_ratio": round(_p95(with_streams) / _p95(without), 2),
        "free_s": {"p50": round(statistics.median(free), 3), "max": round(max(free), 3)},
        "broken": crowd.broken,
    }


def _prepare(data_dir: Path, streams: int) -> tuple[list[Any], Any]:
    """An open campaign with a live policy, an assignment for each stream, and somebody who only reads."""
    from annotation.assignment.services import lease_next
    from annotation.campaigns.services import create_campaign, open_campaign
    from annotation.generation.services import set_live
    from annotation.items.services import NewItem, NewResponse, add_items
    from annotation.people.models import Role, User
    from annotation.people.services import grant_role
    from tests.training_bridge.reward_model import tiny
    from training_bridge.models import Checkpoint

    folder = tiny.save_policy(data_dir / "policy")
    Checkpoint.objects.create(kind="policy", name="small", path=str(folder))
    admin = User.objects.create(username="admin")
    campaign = create_campaign(actor=admin, name="Streams", guidelines="Stop it.", protocol=PROTOCOL)
    items = [
        NewItem(f"Question {n}?", [NewResponse(f"Answer {n}. It is long. " * 10)])
        for n in range(streams + 50)
    ]
    add_items(campaign=campaign, items=items)
    open_campaign(actor=admin, campaign=campaign)
    set_live(
        actor=admin,
        campaign=campaign,
        source="policy",
        sampling={"max_new_tokens": TOKENS, "temperature": 0.0},
    )
    people = [User.objects.create(username=f"labeler-{n}") for n in range(streams + 1)]
    for person in people:
        grant_role(actor=None, user=person, campaign=campaign, role=Role.LABELER)
    held = [lease_next(labeler=person, campaign=campaign) for person in people[1:]]
    return held, people[0]


class Crowd(threading.Thread):
    """Browsers that read one stream each, over plain sockets; a stream that ends is asked for again."""

    def __init__(self, url: str, held: list[Any]):
        super().__init__(daemon=True)
        host = httpx.URL(url)
        self.host, self.port = str(host.host), int(host.port or 80)
        self.requests = [self._request(url, assignment) for assignment in held]
        self.events, self.reading = 0, 0
        self.broken: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.readers: list[asyncio.Task[None]] = []
        self.is_over = False

    def _request(self, url: str, assignment: Any) -> bytes:
        client = sign_in(url, assignment.labeler)
        target = assignment.response_order[0]
        body = urlencode({"target": target, "prefix": "Otters sleep"}).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        path = f"/campaigns/{assignment.campaign.slug}/label/{assignment.pk}/generate/halt/"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nCookie: {cookies}\r\n"
            f"X-CSRFToken: {client.headers['X-CSRFToken']}\r\nAccept: application/json, text/event-stream\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        client.close()
        return head.encode() + body

    def run(self) -> None:
        self.loop.run_until_complete(self._all())

    async def _all(self) -> None:
        for request in self.requests:
            self.readers.append(asyncio.create_task(self._read(request)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*self.readers, return_exceptions=True)

    async def _read(self, request: bytes) -> None:
        while not self.is_over:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in head.splitlines()[0]:
                    self.broken.append(head.splitlines()[0].decode())
                    await asyncio.sleep(1)
                    continue
                is_first = True
                while part := await reader.read(65536):
                    if is_first and b"event: piece" in part:
                        self.reading, is_first = self.reading + 1, False
                    self.events += part.count(b"event: ")
                    if b"event: failed" in part:
                        self.broken.append(part.decode(errors="replace")[-200:])
            finally:
                writer.transport.abort()

    def wait_for(self, streams: int, limit_s: float = 120.0) -> None:
        deadline = time.monotonic() + limit_s
        while self.reading < streams and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.reading < streams:
            raise RuntimeError(f"{self.reading} of {streams} streams began: {self.broken[:3]}")

    def leave_one_after_another(self, n: int, socket: Path) -> list[float]:
        """Browsers go away; seconds until the policy process runs one stream less, each."""
        found = []
        for reader in self.readers[:n]:
            before = asyncio.run(_status(socket))["open"]
            began = time.perf_counter()
            self.loop.call_soon_threadsafe(reader.cancel)
            while asyncio.run(_status(socket))["open"] >= before and time.perf_counter() - began < 10:
                time.sleep(0.005)
            found.append(time.perf_counter() - began)
        return found

    def close(self) -> None:
        self.is_over = True
        for reader in self.readers:
            self.loop.call_soon_threadsafe(reader.cancel)
        self.join(10)


async def _status(socket: Path) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(b'{"op": "status"}\n')
    told: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return told


def _pages(client: httpx.Client, path: str, n: int) -> list[float]:
    """Seconds of each of n pages, a tenth of a second apart."""
    found = []
    for _page in range(n):
        began = time.perf_counter()
        reply = client.get(path)
        found.append(time.perf_counter() - began)
        if reply.status_code != 200:
            raise RuntimeError(f"{reply.status_code}: {reply.text[:300]}")
        time.sleep(0.1)
    return found


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"p50": round(1000 * statistics.median(seconds), 1), "p95": round(1000 * _p95(seconds), 1)}
