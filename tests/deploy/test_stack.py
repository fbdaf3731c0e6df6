"""Several processes behind nginx, started by the commands of deploy/: what a visitor, a program and a crash meet there."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import connection

from annotation.assignment.models import Assignment
from annotation.generation.models import Generation
from annotation.generation.services import set_live
from annotation.items.models import Item
from annotation.project.embedded.places import Places
from annotation.submissions.models import Submission
from tests.annotation.generation.test_stream import LIVE_STOP, SlowPolicy
from tests.cast import Cast, answer, make_campaign, make_cast
from tests.clients.conftest import token_of
from tests.deploy.stack import Stack
from training_bridge.models import Snapshot
from whetstone_client import Answer, Client, Retries


@pytest.fixture(scope="module")
def stack(
    django_db_setup: None, django_db_blocker: Any, valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        message = "no nginx: install the package nginx-light"
        pytest.fail(message) if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip(message)
    with django_db_blocker.unblock():
        known = connection.settings_dict
        name, user = known["NAME"], known["USER"]
    database = (
        f"postgresql://{user}@/{name}?host={quote(known['HOST'], safe='')}&port={known['PORT'] or 5432}"
    )
    broker = os.environ.get("WHETSTONE_DEPLOY_BROKER_URL") or valkey
    with Stack(tmp_path_factory.mktemp("stack"), database, broker) as stack:
        yield stack


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast()


def client_of(stack: Stack, user: Any, **options: Any) -> Client:
    return Client(stack.url, token_of(user), http=stack.client(), **options)


def served_by(stack: Stack) -> set[str]:
    """Ports that nginx has had an answer from, by its log."""
    log = (stack.directory / "whetstone.log").read_text().splitlines()
    return {line.split()[-3].rpartition(":")[2] for line in log if ":" in line.split()[-3]}


def test_pages_static_files_and_uploads(stack: Stack, cast: Cast) -> None:
    plain = httpx.get(f"http://127.0.0.1:{stack.http}/campaigns/", headers={"Host": "localhost"})
    assert plain.status_code == 301 and plain.headers["location"] == "https://localhost/campaigns/"
    with stack.client() as browser:
        page = browser.get("/accounts/login/")
        assert page.status_code == 200 and "max-age=" in page.headers["strict-transport-security"]
        cookie = page.headers["set-cookie"]
        assert "__Host-csrftoken" in cookie and "Secure" in cookie
        names = json.loads((stack.directory / "static" / "staticfiles.json").read_text())["paths"]
        sheet = browser.get(
            f"/static/{names['whetstone/whetstone.css']}", headers={"Accept-Encoding": "gzip"}
        )
        assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert sheet.headers["content-encoding"] == "gzip" and "--paper" in sheet.text
        assert (
            "x-request-id" not in sheet.headers and "x-request-id" in page.headers
        )  # no web process was asked
        assert browser.get("/", headers={"Host": "elsewhere.example"}).status_code == 400

    campaign = make_campaign(cast, items=0)
    long = "word " * 2_000
    rows = [{"prompt": f"{n} {long}", "responses": [long, long[:-5]]} for n in range(300)]  # 9 MB
    assert client_of(stack, cast.adam).campaign(campaign.slug).import_items(rows).items == 300
    assert Item.objects.filter(campaign=campaign).count() == 300


def test_streams_pass_unbuffered(stack: Stack, cast: Cast) -> None:
    campaign = make_campaign(cast, items=1, responses=1, protocol=LIVE_STOP)
    set_live(actor=cast.adam, campaign=campaign, source="policy")
    places = Places(Path(stack.environment["WHETSTONE_DATA_DIR"]))
    places.socket_dir.mkdir(mode=0o700, exist_ok=True)
    places.policy_socket.unlink(missing_ok=True)
    policy = SlowPolicy(places.policy_socket)
    policy.start()
    stack.until(places.policy_socket.exists)
    lena = client_of(stack, cast.lena)
    task = lena.campaign(campaign.slug).next()
    assert task is not None
    (shown,) = Assignment.objects.get(pk=task.id).response_order
    headers = {"Authorization": f"Bearer {token_of(cast.lena)}"}
    try:
        address = f"/api/assignments/{task.id}/generate/"
        with (
            stack.client(headers=headers) as http,
            http.stream("POST", address, json={"question": "halt", "target": shown}) as reply,
        ):
            assert reply.status_code == 200 and reply.headers["content-type"] == "text/event-stream"
            parts = reply.iter_text()
            first = next(parts)
            while "水獭" not in first:
                first += next(parts)
            # Twenty words a second come out of the policy. Had somebody kept them until 4 kB were full, there would be many.
            assert first.count("水獭") < 20
    finally:
        stack.until(lambda: policy.running == 0)  # the stream's end reaches it through nginx
        policy.loop.call_soon_threadsafe(policy.server.close)
        policy.join(5)
        places.policy_socket.unlink(missing_ok=True)
        stack.until(lambda: not Generation.objects.filter(state="running").exists())
        with connection.cursor() as cursor:  # its rows refuse to be deleted one by one
            cursor.execute("TRUNCATE annotation_generation CASCADE")


def test_killing_a_web_process_loses_nothing(stack: Stack, cast: Cast) -> None:
    campaign = make_campaign(cast, items=30, overlap=2)
    acknowledged: list[str] = []

    def work(user: Any) -> None:
        client = client_of(stack, user, retries=Retries(most=8, first_wait_s=0.1, longest_wait_s=5))
        for task in client.campaign(campaign.slug).tasks():
            screen = Assignment.objects.select_related("item__prompt", "campaign").get(pk=task.id)
            said = [Answer(a.question, a.payload.dump(), a.target) for a in answer(screen)]
            acknowledged.append(task.submit(said).id)

    people = [threading.Thread(target=_closing(work), args=(user,)) for user in (cast.lena, cast.otto)]
    for thread in people:
        thread.start()
    stack.until(lambda: len(acknowledged) > 8)
    assert served_by(stack) == set(map(str, stack.web_ports))
    stack.kill("web1")
    there = len(acknowledged)
    stack.until(lambda: len(acknowledged) > there + 10)  # the other one serves
    stack.start("web1", "web", PORT=str(stack.web_ports[0]))
    for thread in people:
        thread.join(120)
    stored = {str(pk) for pk in Submission.objects.filter(campaign=campaign).values_list("pk", flat=True)}
    assert len(acknowledged) == 60 and set(acknowledged) == stored
    assert not Item.objects.filter(campaign=campaign).exclude(counted=2).exists()


def test_killing_a_worker_leaves_the_work_to_the_other(stack: Stack, cast: Cast) -> None:
    campaign = client_of(stack, cast.adam).campaign(make_campaign(cast, items=2).slug)
    stack.kill("worker1")
    for _turn in range(3):
        snapshot = campaign.take_snapshot().wait(timeout_s=90, poll_s=0.2)
    path = snapshot.download(stack.directory / "snapshot.tar")
    assert path.stat().st_size > 0 and Snapshot.objects.filter(status="complete").count() == 3


def _closing(work: Any) -> Any:
    def run(user: Any) -> None:
        try:
            work(user)
        finally:
            connection.close()

    return run
