"""Events on their way to a page, through the real web process: they flow, they stop, and they hold no connection."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connection

from annotation.assignment.services import lease_next
from annotation.generation.models import Generation
from annotation.generation.services import set_live
from tests.cast import Cast, make_campaign, make_cast

LIVE_STOP = [{"key": "halt", "type": "e_stop", "settings": {"response": "live"}}]


class SlowPolicy(threading.Thread):
    """Speaks the protocol of the policy's socket: a word every 50 ms, until the web process goes away."""

    def __init__(self, socket: Path):
        super().__init__(daemon=True)
        self.socket, self.loop, self.running = socket, asyncio.new_event_loop(), 0

    def run(self) -> None:
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self.server = await asyncio.start_unix_server(self._answer, self.socket)

        while self.server.is_serving():
            await asyncio.sleep(0.05)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.running += 1
        try:
            await reader.readline()
            begin = {"event": "begin", "policy": {"id": 1, "name": "canary"}, "prefix": "", "seed": 1}
            writer.write(json.dumps(begin).encode() + b"\n")
            piece = {"event": "piece", "text": " 水獭", "ids": [1], "logprobs": [-0.5]}
            while not (reader.at_eof() or reader.exception() or writer.is_closing()):
                writer.write(json.dumps(piece).encode() + b"\n")
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            self.running -= 1
            writer.close()


@pytest.fixture
def policy(transactional_db: None) -> Iterator[SlowPolicy]:
    socket = Path(settings.POLICY_SOCKET)
    socket.unlink(missing_ok=True)
    made = SlowPolicy(socket)
    made.start()
    until(socket.exists)
    yield made
    made.loop.call_soon_threadsafe(made.server.close)
    made.join(5)
    socket.unlink(missing_ok=True)
    until(lambda: not Generation.objects.filter(state="running").exists())
    with connection.cursor() as cursor:  # its rows refuse to be deleted one by one
        cursor.execute("TRUNCATE annotation_generation CASCADE")


def until(true: Callable[[], Any], seconds: float = 10) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def world(people: int = 1) -> tuple[Cast, list[Any]]:
    cast = make_cast()
    campaign = make_campaign(cast, items=4, responses=1, protocol=LIVE_STOP)
    set_live(actor=cast.adam, campaign=campaign, source="policy")
    return cast, [lease_next(labeler=person, campaign=campaign) for person in (cast.lena, cast.otto)[:people]]


def ask(client: httpx.Client, lease: Any) -> Any:
    url = f"/campaigns/{lease.campaign.slug}/label/{lease.pk}/generate/halt/"
    return client.stream("POST", url, data={"target": lease.response_order[0]})


def test_events_flow_and_a_stop_ends_them_wherever_it_is_asked(site: Any, policy: SlowPolicy) -> None:
    cast, (lease,) = world()
    client = site.client(cast.lena)
    with ask(client, lease) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Content-Encoding"] == "identity"
        began, told = time.monotonic(), []
        for line in response.iter_lines():
            told.append(line)
            if len(told) == 1:
                assert line == "event: begin"
            if line == "id: 9":
                assert time.monotonic() - began > 0.08  # as they come, not all at the end
                row = Generation.objects.get()
                other = site.client(cast.lena, headers={"Accept": "application/json"})
                reply = other.post(f"/api/generations/{row.pk}/stop/", json={})
                assert reply.status_code == 200 and "canary" not in reply.text
                asked = time.monotonic()
        assert time.monotonic() - asked < 1.5
    assert json.loads(told[-2].removeprefix("data: ")) == {"state": "stopped", "finish": "asked"}
    row.refresh_from_db()
    assert (row.state, row.finish, row.policy) == ("stopped", "asked", {"id": 1, "name": "canary"})
    assert row.text == " 水獭" * (row.served_chars // 3) and row.first_at and row.ended_at
    assert site.client(cast.otto).post(f"/api/generations/{row.pk}/stop/", json={}).status_code == 404


def test_many_streams_hold_no_connection_and_end_when_the_browser_goes(site: Any, policy: SlowPolicy) -> None:
    cast, leases = world(people=2)
    opened = []
    for lease in leases:
        for _tab in range(4):
            client = site.client(lease.labeler)
            stream = ask(client, lease)
            assert stream.__enter__().status_code == 200
            opened.append((client, stream))
    until(lambda: policy.running == 8)  # as many as the pool of the web process has connections
    with site.client(cast.lena) as reader:
        began = time.monotonic()
        assert reader.get(f"/campaigns/{leases[0].campaign.slug}/label/").status_code == 200
        assert time.monotonic() - began < 3
        with ask(reader, leases[0]) as refused:  # and no fifth for one person
            assert refused.status_code == 429
    for client, _stream in opened:
        client.close()
    assert until(lambda: policy.running == 0) < 1
    until(lambda: Generation.objects.filter(state="stopped", finish="left").count() == 8, 3)
