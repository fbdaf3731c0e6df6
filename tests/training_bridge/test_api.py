"""The researchers' part of the API: the services of the pages, every refusal a problem object, no door for strangers."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from annotation.people.services import issue_token
from tests.training_bridge.test_pages import body_of
from tests.training_bridge.world import World
from training_bridge import api, runner
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.services import build_snapshot, open_round, start_run, take_snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


class Caller:
    def __init__(self, user: Any, *scopes: str):
        _token, text = issue_token(user=user, name="test", scopes=scopes or ("read", "research"))
        self.client, self.headers = Client(), {"Authorization": f"Bearer {text}"}

    def get(self, address: str, **headers: str) -> Any:
        return self.client.get(address, headers={**self.headers, **headers})

    def post(self, address: str, data: Any = None) -> Any:
        return self.client.post(
            address, data={} if data is None else data, content_type="application/json", headers=self.headers
        )

    def patch(self, address: str, data: Any = None) -> Any:
        return self.client.patch(
            address, data=data or {}, content_type="application/json", headers=self.headers
        )


@pytest.fixture
def world() -> World:
    world = World(n_prompts=6)
    world.answer_all()
    return world


def test_snapshot_from_taking_to_downloading(world: World) -> None:
    caller = Caller(world.researcher)
    taken = caller.post(f"/api/campaigns/{world.slug}/snapshots/", {"filters": {"test_percent": 30}})
    assert taken.status_code == 202 and taken.json()["status"] == "queued"
    address = f"/api/snapshots/{taken.json()['id']}/"
    assert caller.get(f"{address}download/").status_code == 409
    build_snapshot(taken.json()["id"])
    found = caller.get(address).json()
    assert (
        found["status"] == "complete"
        and found["counts"]["feedback"] == 12
        and found["filters"]["test_percent"] == 30
    )
    whole = caller.get(f"{address}download/")
    assert whole.status_code == 200 and len(body_of(whole)) == int(whole.headers["Content-Length"])
    assert body_of(caller.get(f"{address}download/", Range="bytes=0-9")).startswith(b"whetstone-")
    listed = caller.get(f"/api/campaigns/{world.slug}/snapshots/").json()
    assert [row["id"] for row in listed["results"]] == [found["id"]]


@pytest.mark.parametrize(
    "filters, field",
    [
        ({"test_percent": 0}, "test_percent"),
        ({"labeler_kinds": ["robot"]}, "labeler_kinds.0"),
        ({"labeler_kinds": []}, "labeler_kinds"),
        ({"rounds": "all"}, "rounds"),
        ({"submitted_until": "2026-01-01T00:00:00"}, "submitted_until"),
        ({"user__password": "x"}, "user__password"),
        ([], None),
        ("x", "filters"),
    ],
)
def test_filters_are_refused_by_name(world: World, filters: Any, field: str | None) -> None:
    refused = Caller(world.researcher).post(f"/api/campaigns/{world.slug}/snapshots/", {"filters": filters})
    if field is None:  # an empty list reads as nothing chosen
        assert refused.status_code == 202
    else:
        assert refused.status_code == 422 and next(iter(refused.json()["fields"])) == field


def test_run_from_starting_to_cancelling(world: World) -> None:
    caller = Caller(world.researcher)
    known = {m["name"]: m for m in caller.get("/api/methods/").json()}
    assert {"reward_model", "toy"} <= set(known)
    assert {p["name"]: p["values"] for p in known["dpo"]["presets"]}["gentle"] == {"beta": 0.3}
    started = caller.post(
        f"/api/campaigns/{world.slug}/runs/", {"method": "toy", "config": {"steps": 2}, "seed": 9}
    )
    assert started.status_code == 202
    address = f"/api/runs/{started.json()['id']}/"
    runner.execute(started.json()["id"])
    found = caller.get(address).json()
    assert (found["status"], found["seed"], found["metrics"]["counted"]) == ("succeeded", 9, 2)
    assert caller.post(f"{address}cancel/").status_code == 409
    queued = caller.post(f"/api/campaigns/{world.slug}/runs/", {"method": "toy"}).json()
    assert caller.post(f"/api/runs/{queued['id']}/cancel/").json()["status"] == "cancelled"
    pages = caller.get(f"/api/campaigns/{world.slug}/runs/?page_size=1").json()
    assert pages["results"][0]["id"] == queued["id"]
    assert caller.get(pages["next"]).json()["results"][0]["id"] == found["id"]


@pytest.mark.parametrize(
    "body, field",
    [
        ({"method": "magic"}, "method"),
        ({"method": "toy", "config": {"steps": "many"}}, "steps"),
        ({"method": "toy", "config": [1]}, "config"),
        ({"method": "toy", "seed": -1}, "seed"),
        ({"method": "toy", "seed": True}, "seed"),
        ({"method": "toy", "snapshot": "0' OR 1=1"}, "snapshot"),
        ({"method": "toy", "snapshot": str(uuid.UUID(int=7))}, "snapshot"),
        ({"method": "toy", "parent": 10**17}, "parent"),
        ({"method": "toy", "colour": "red"}, "colour"),
        ({}, "method"),
    ],
)
def test_runs_are_refused_by_name(world: World, body: Any, field: str) -> None:
    refused = Caller(world.researcher).post(f"/api/campaigns/{world.slug}/runs/", body)
    assert refused.status_code == 422 and list(refused.json()["fields"]) == [field], refused.content
    assert not Run.objects.exists()


def test_a_token_opens_what_its_scopes_say(world: World) -> None:
    reader = Caller(world.researcher, "read")
    assert reader.get(f"/api/campaigns/{world.slug}/snapshots/").status_code == 200
    assert reader.post(f"/api/campaigns/{world.slug}/snapshots/").status_code == 403
    assert reader.post(f"/api/campaigns/{world.slug}/runs/", {"method": "toy"}).status_code == 403
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize(
    "query", ["?cursor=", "?cursor=cD1ub3RhZGF0ZQ==", "?page_size=0", "?ordering=password", "?x=1"]
)
def test_altered_lists_are_bad_requests(world: World, query: str) -> None:
    assert Caller(world.researcher).get(f"/api/campaigns/{world.slug}/runs/{query}").status_code == 400


def test_every_route_is_closed_to_strangers(world: World) -> None:
    """Each address of this API is tried by nobody, a stranger and a labeler; a new route is in the list by itself."""
    snapshot = take_snapshot(campaign=world.campaign, actor=None)
    run = start_run(campaign=world.campaign, actor=None, method="toy_policy")
    runner.execute(str(run.pk))
    opened = open_round(campaign=world.campaign, actor=None, policy=Checkpoint.objects.get())
    values = {
        "other_id": snapshot.pk,
        "event_id": 1,
        "name": "csv",
        "split": "train",
        "checkpoint_id": Checkpoint.objects.get().pk,
        "slug": world.slug,
        "snapshot_id": snapshot.pk,
        "run_id": run.pk,
        "number": opened.number,
    }
    stranger, labeler = Caller(World("elsewhere", n_prompts=0).researcher), Caller(world.labelers[0])
    tried = 0
    for pattern in api.urlpatterns:
        names = pattern.pattern.converters
        address = "/" + get_resolver().reverse(pattern.name, **{name: values[name] for name in names})
        if not names:
            continue  # the list of methods is the same for everybody
        for method in ("get", "post", "patch"):
            if not hasattr(pattern.callback.view_class, method):  # type: ignore[attr-defined]
                continue
            tried += 1
            assert getattr(Client(), method)(address).status_code == 401, address
            assert getattr(stranger, method)(address).status_code == 404, address
            assert getattr(labeler, method)(address).status_code in (403, 404), address
    assert tried >= 13


def test_the_document_describes_every_route(world: World) -> None:
    found = Caller(world.researcher).get("/api/schema/", Accept="application/vnd.oai.openapi+json")
    text = found.content.decode()
    for operation in (
        "snapshot_take",
        "snapshot_download",
        "run_start",
        "run_cancel",
        "round_refresh_policy",
        "methods_list",
    ):
        assert operation in text
