"""Runs in which an endpoint answers in the place of a policy: chosen on the page, asked by a worker with the stored key, and
named wherever the run is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotation.access import endpoints_for_runs
from annotation.endpoints import keys
from annotation.endpoints.models import Endpoint
from annotation.generation.models import Live
from annotation.models import AuditEvent
from annotation.project.env import envhosts
from tests.annotation.endpoints.stub import Stub
from tests.training_bridge.policy.test_served import several
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_workers import finishes
from tests.training_bridge.world import World, person
from training_bridge import runner
from training_bridge.models import Checkpoint, Run
from training_bridge.services import open_round, start_run

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "sk-canary-Zq7xW2mP9"
assert several.__name__ == "several"  # the mode of the stub that gives n answers


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Stub]:
    with Stub() as stub:
        monkeypatch.setenv("WHETSTONE_ENDPOINT_HOSTS", f"http://127.0.0.1:{stub.port}")
        settings.ENDPOINT_HOSTS = envhosts("WHETSTONE_ENDPOINT_HOSTS")
        yield stub


@pytest.fixture
def world(toys: None, valkey: str, transactional_db: None) -> World:
    return World(n_prompts=3)


@pytest.fixture
def endpoint(world: World, stub: Stub) -> Endpoint:
    """The admin's, with a key, which answers on the pages of the campaign."""
    made = Endpoint.objects.create(
        name="Large", base_url=stub.url, model="several", sealed_key=keys.seal(KEY), created_by=world.owner
    )
    Live.objects.create(campaign=world.campaign, source="endpoint", endpoint=made)
    return made


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def start(world: World, endpoint: Endpoint | None, method: str = "sample", **given: Any) -> Run:
    if method == "sample":
        given["prompts_from"] = open_round(campaign=world.campaign, actor=None)
    return start_run(
        campaign=world.campaign, actor=world.researcher, method=method, endpoint=endpoint, **given
    )


def fields_of(refused: Any) -> dict[str, list[str]]:
    return dict(refused.value.fields)


def test_chosen_on_the_page_and_asked_by_a_worker(
    world: World, endpoint: Endpoint, stub: Stub, request: pytest.FixtureRequest
) -> None:
    opened = open_round(campaign=world.campaign, actor=None)
    client, address = signed_in(world.researcher), reverse("new_run", args=[world.slug])
    said = client.get(address, {"method": "sample"}).content.decode()
    assert "Who answers" in said and f'value="endpoint-{endpoint.pk}"' in said and "Large · several" in said
    form = {"method": "sample", "parent": f"endpoint-{endpoint.pk}", "prompts_from": opened.pk, "seed": 7}
    settings = {"n": 2, "batch": 8, "retries": 0, "temperature": 1, "top_p": 1, "min_p": 0, "top_k": 0}
    settings["max_tokens"] = 20
    posted = client.post(address, form | {f"config-{name}": value for name, value in settings.items()})
    assert posted.status_code == 302, posted.content.decode()
    run = Run.objects.get()
    assert (run.endpoint, run.endpoint_model, run.parent) == (endpoint, "several", None)

    start_worker: Callable[[], Any] = request.getfixturevalue("start_worker")
    worker = start_worker()
    finishes(run, 60)
    assert run.status == "succeeded", run.error
    assert run.metrics["prompts"] == 3 and run.metrics["responses"] == 6
    assert [r.headers["authorization"] for r in stub.requests] == [f"Bearer {KEY}"] * 3
    rows = (run.attempt_directory / "result" / "responses.jsonl").read_text().splitlines()
    assert {(s["endpoint"], s["model"]) for s in (json.loads(row)["sampling"] for row in rows)} == {
        ("Large", "several")
    }
    # The key is where it was, sealed, and nowhere else.
    files = b"".join(p.read_bytes() for p in run.directory.rglob("*") if p.is_file())
    audit = json.dumps([e.after for e in AuditEvent.objects.all()], default=str)
    row = json.dumps(Run.objects.values().get(), default=str)
    assert KEY not in audit + row + worker.log.read_text() and KEY.encode() not in files
    assert AuditEvent.objects.get(action="run.start").after["endpoint"] == {
        "id": endpoint.pk,
        "name": "Large",
        "model": "several",
    }
    page = client.get(reverse("run", args=[run.pk])).content.decode()
    assert "Endpoint that answers" in page and "Large · <code>several</code>" in page
    clone = client.get(address, {"clone": run.pk}).content.decode()
    assert f'value="endpoint-{endpoint.pk}" selected' in clone


def test_the_same_by_the_api(world: World, endpoint: Endpoint) -> None:
    opened = open_round(campaign=world.campaign, actor=None)
    caller = Caller(world.researcher)
    listed = caller.get(f"/api/campaigns/{world.slug}/endpoints/").json()
    assert listed == [{"id": endpoint.pk, "name": "Large", "model": "several"}]
    body = {"method": "sample", "endpoint": endpoint.pk, "prompts_from": opened.number}
    started = caller.post(f"/api/campaigns/{world.slug}/runs/", body)
    assert started.status_code == 202 and started.json()["endpoint"] == listed[0]
    assert started.json()["parent"] is None
    for wrong in (endpoint.pk + 1, "large", True):
        refused = caller.post(f"/api/campaigns/{world.slug}/runs/", body | {"endpoint": wrong})
        assert refused.status_code == 422 and "endpoint" in refused.json()["fields"], wrong


def test_whose_endpoints_may_answer(world: World, endpoint: Endpoint) -> None:
    """A researcher: the one that answers in the campaign. An admin: also their own and shared ones. None that is off."""
    stranger = person("stranger")
    made = {
        name: Endpoint.objects.create(name=name, base_url="https://api.example.org", model="m", **fields)
        for name, fields in {
            "own": {"created_by": world.owner},
            "foreign": {"created_by": stranger},
            "shared": {"created_by": stranger, "is_shared": True},
            "off": {"created_by": world.owner, "is_active": False},
        }.items()
    }
    assert len(made) == 4

    def names(user: Any) -> list[str]:
        return [e.name for e in endpoints_for_runs(user, world.campaign)]

    assert names(world.researcher) == ["Large"]
    assert names(world.owner) == ["Large", "own", "shared"]
    said = signed_in(world.researcher).get(reverse("new_run", args=[world.slug]), {"method": "sample"})
    assert "foreign" not in said.content.decode() and "shared · m" not in said.content.decode()
    for labeler in (world.labelers[0], World("elsewhere", n_prompts=0).researcher):
        assert Caller(labeler).get(f"/api/campaigns/{world.slug}/endpoints/").status_code in (403, 404)


def test_a_method_that_trains_the_policy_says_why_no_endpoint_answers(
    world: World, endpoint: Endpoint
) -> None:
    from annotation.errors import Invalid

    for method in ("rloo", "grpo", "ppo", "rft", "online_dpo"):
        with pytest.raises(Invalid) as refused:
            start(world, endpoint, method)
        assert "with the old weights" in fields_of(refused)["endpoint"][0], method
        page = signed_in(world.researcher).get(reverse("new_run", args=[world.slug]), {"method": method})
        assert "with the old weights" in page.content.decode()
    with pytest.raises(Invalid) as refused:
        start(world, endpoint, "sft")
    assert "does not use this" in fields_of(refused)["endpoint"][0]
    assert not Run.objects.exists()


def test_a_policy_or_an_endpoint_and_not_both(world: World, endpoint: Endpoint) -> None:
    from annotation.errors import Invalid

    policy = Checkpoint.objects.create(kind="policy", name="Default", path="hub/default")
    with pytest.raises(Invalid) as refused:
        start(world, endpoint, parent=policy)
    assert "not both" in fields_of(refused)["endpoint"][0]
    with pytest.raises(Invalid) as refused:
        start(world, None)
    assert list(fields_of(refused)) == ["parent"]
    run = start(world, endpoint)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(parent=policy)
    with pytest.raises(Invalid) as refused:
        start(world, endpoint, "distance", reward_model=reward_model(world), config={"tastes": ["warm"]})
    assert "set the answers in steps to 0" in refused.value.message


def reward_model(world: World) -> Checkpoint:
    return Checkpoint.objects.create(
        kind="reward_model", name="Rewards", path="/nowhere", campaign=world.campaign
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "larger"}, "asks for larger now; the run was started with several"),
        ({"is_active": False}, "is switched off"),
        ({"base_url": "http://10.0.0.1:8000/v1"}, "may not connect"),
        ({"sealed_key": "gAAAAnonsense"}, "can no longer be read"),
    ],
)
def test_an_endpoint_that_was_changed_meanwhile_is_not_asked(
    world: World, endpoint: Endpoint, stub: Stub, changes: dict[str, Any], said: str
) -> None:
    run = start(world, endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(**changes)
    runner.execute(str(run.pk))
    run.refresh_from_db()
    assert run.status == "failed" and said in run.error and "clone it" in run.advice
    assert not stub.connections
