"""An endpoint as the live policy, through a real web process: what it says reaches the page, and a stop ends the request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from annotation.assignment.models import Assignment
from annotation.assignment.services import lease_next
from annotation.endpoints.services import create_endpoint
from annotation.generation.models import Generation
from annotation.generation.services import set_live
from tests.annotation.endpoints.conftest import allow, stub  # noqa: F401
from tests.annotation.endpoints.stub import Stub
from tests.annotation.generation.test_stream import LIVE_STOP, ask, until
from tests.cast import make_campaign, make_cast
from tests.conftest import Site, serve


@pytest.fixture
def own_site(stub: Stub, places: Any, transactional_db: None, allow: Any) -> Iterator[Site]:  # noqa: F811
    """A web process that may ask the stub."""
    allow(f"http://127.0.0.1:{stub.port}")
    with serve(places) as site:
        yield site
    with connection.cursor() as cursor:  # its rows refuse to be deleted one by one
        cursor.execute("TRUNCATE annotation_generation CASCADE")


def leased(stub: Stub, model: str) -> tuple[Any, Assignment]:  # noqa: F811
    cast = make_cast()
    campaign = make_campaign(cast, items=1, responses=1, protocol=LIVE_STOP)
    endpoint = create_endpoint(actor=cast.adam, name=model, base_url=stub.url, model=model, key="sk-canary")
    set_live(actor=cast.adam, campaign=campaign, source="endpoint", endpoint=endpoint)
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    assert lease is not None
    return cast, lease


def test_a_stop_ends_the_request_at_the_endpoint(own_site: Site, stub: Stub) -> None:  # noqa: F811
    cast, lease = leased(stub, "endless")
    with ask(own_site.client(cast.lena), lease) as response:
        told = []
        for line in response.iter_lines():
            told.append(line)
            if line.startswith("id: ") and Generation.objects.get().stop_asked_at is None:
                assert stub.open == 1
                row = Generation.objects.get()
                stop = own_site.client(cast.lena, headers={"Accept": "application/json"})
                assert stop.post(f"/api/generations/{row.pk}/stop/", json={}).status_code == 200
    until(lambda: stub.open == 0, 1.5)
    sent = stub.sent
    time.sleep(0.1)  # ten more words at the pace of the stub
    assert stub.sent == sent
    row.refresh_from_db()
    assert (row.state, row.finish, row.policy) == ("stopped", "asked", {"model": "endless"})
    assert row.endpoint is not None and row.endpoint.name == "endless" and row.text
    assert stub.requests[-1].body["messages"] == [{"role": "user", "content": "Question 0?"}]
    assert "sk-canary" not in "".join(told)


def test_an_endpoint_that_fails_midway_says_so_and_loses_nothing(own_site: Site, stub: Stub) -> None:  # noqa: F811
    cast, lease = leased(stub, "fails_midway")
    with ask(own_site.client(cast.lena), lease) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    last = json.loads(events[-1])
    row = Generation.objects.get()
    assert row.state == "failed" and row.text and row.error is not None
    assert last["message"] == row.error["message"]
    assert "the engine died" not in json.dumps(events)
    assert lease_next(labeler=cast.lena, campaign=lease.campaign) == lease  # the item is still theirs
