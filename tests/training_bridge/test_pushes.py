"""A snapshot is put on a hub from its page or by the API: by a worker, with a token that stands nowhere and then is gone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from annotation.endpoints.keys import seal, unseal
from annotation.errors import Conflict, Gone, Invalid
from annotation.models import AuditEvent
from tests.training_bridge.exports.test_hub import TOKEN, Hub, hub, snapshot
from tests.training_bridge.test_api import Caller
from tests.training_bridge.world import World, person
from training_bridge import tasks
from training_bridge.models import Push, Snapshot
from training_bridge.selectors import citation_of
from training_bridge.services import execute_push, jobs, pushes, start_push

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]
__all__ = ["hub", "snapshot"]


@pytest.fixture
def client(snapshot: Snapshot) -> Client:
    client = Client()
    client.force_login(snapshot.created_by, backend="django.contrib.auth.backends.ModelBackend")
    return client


def start(snapshot: Snapshot, **changes: Any) -> Push:
    given = {"repository": "otters/feedback", "token": TOKEN, "private": True} | changes
    return start_push(snapshot=snapshot, actor=snapshot.created_by, **given)


def execute(push: Push) -> Push:
    execute_push(str(push.pk))
    push.refresh_from_db()
    return push


def stored() -> str:
    """Everything that the database says of pushes and of what was done."""
    return json.dumps([*Push.objects.values(), *AuditEvent.objects.values()], default=str)


def test_from_the_page_to_the_hub(
    client: Client, snapshot: Snapshot, hub: Hub, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level("DEBUG")
    page = reverse("snapshot", args=[snapshot.pk])
    said = client.get(page).content.decode()
    assert f"Put it on {hub.url}" in said and 'type="password"' in said
    form = {"repository": "otters/feedback", "private": "yes", "token": TOKEN}
    posted = client.post(reverse("push_snapshot", args=[snapshot.pk]), form)
    assert posted.status_code == 302 and posted["Location"] == f"{page}#hub"
    push = Push.objects.get()
    assert unseal(push.sealed_token) == TOKEN and TOKEN not in stored()
    waiting = client.get(page).content.decode()
    assert "waiting for a worker" in waiting and 'type="password"' not in waiting
    execute(push)
    assert (push.status, push.sealed_token, push.commit, push.error) == ("succeeded", "", "c0ffee", "")
    local = [p for p in snapshot.path.rglob("*") if p.is_file()]
    assert push.files == len(local) + 2
    assert hub.committed.keys() > citation_of(snapshot).keys()
    live = client.get(reverse("push_live", args=[snapshot.pk]))
    assert live["HX-Refresh"] == "true"
    done = client.get(page).content.decode()
    assert push.url in done and "otters/feedback" in done and "c0ffee" in done
    row = AuditEvent.objects.get(action="snapshot.push")
    assert row.actor == snapshot.created_by
    assert row.after == {"repository": "otters/feedback", "hub": hub.url, "private": True}
    everything = stored() + caplog.text + "".join(capfd.readouterr()) + waiting + done
    assert TOKEN not in everything


def test_a_message_to_a_worker_names_the_row_alone(
    snapshot: Snapshot, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.execute_push, "delay", lambda *args, **kwargs: sent.append((args, kwargs)))
    push = start(snapshot)
    assert sent == [((str(push.pk),), {})]


@pytest.mark.parametrize(
    ("fault", "said"),
    [("refuses", "The hub refused or did not answer"), ("public", "exists and is public; nothing was sent")],
)
def test_what_the_hub_says_is_told_and_the_token_is_gone(
    snapshot: Snapshot, hub: Hub, client: Client, fault: str, said: str
) -> None:
    hub.fault, hub.private = fault, fault != "public"
    push = execute(start(snapshot))
    assert push.status == "failed" and said in push.error and push.sealed_token == ""
    assert "entered again" in push.advice and TOKEN not in stored()
    page = client.get(reverse("snapshot", args=[snapshot.pk])).content.decode()
    assert said in page and 'type="password"' in page  # to try again
    assert not hub.committed


def test_terms_and_fields(snapshot: Snapshot, hub: Hub, client: Client) -> None:
    assert not snapshot.filters["data_license"]
    with pytest.raises(Invalid, match="No licence of the data") as refused:
        start(snapshot, private=False)
    assert list(refused.value.fields) == ["private"]
    for field, wrong in (("repository", "otters"), ("token", ""), ("token", "hf x"), ("private", "yes")):
        with pytest.raises(Invalid) as refused:
            start(snapshot, **{field: wrong})
        assert list(refused.value.fields) == [field]
    form = {"repository": "otters/feedback", "private": "no", "token": TOKEN}
    page = client.post(reverse("push_snapshot", args=[snapshot.pk]), form)
    assert page.status_code == 422 and "No licence of the data" in page.content.decode()
    assert TOKEN not in page.content.decode()
    assert not Push.objects.exists() and not AuditEvent.objects.filter(action="snapshot.push").exists()
    snapshot.filters["data_license"] = "cc-by-4.0"
    snapshot.save()
    assert execute(start(snapshot, private=False)).status == "succeeded"


def test_once_at_a_time_and_never_what_is_gone(snapshot: Snapshot, hub: Hub) -> None:
    push = start(snapshot)
    with pytest.raises(Conflict, match="on its way"):
        start(snapshot)
    with pytest.raises(IntegrityError), transaction.atomic():
        Push.objects.filter(pk=push.pk).update(status="failed")  # a token stays in no row that is over
    Snapshot.objects.filter(pk=snapshot.pk).update(erased_at=timezone.now())
    assert "erased" in execute(push).error and not hub.requests
    snapshot.refresh_from_db()
    with pytest.raises(Gone):
        start(snapshot)


def test_a_token_is_for_the_hub_that_it_was_given_for(snapshot: Snapshot, hub: Hub) -> None:
    push = start(snapshot)
    with override_settings(HF_ENDPOINT="https://elsewhere.example"):
        execute(push)
    assert push.status == "failed" and "the token was for" in push.error and not hub.requests
    second = start(snapshot)
    Push.objects.filter(pk=second.pk).update(sealed_token=seal(TOKEN)[:-8] + "AAAAAAA=")
    assert "can no longer be read" in execute(second).error


def test_no_token_waits_for_ever(snapshot: Snapshot, hub: Hub) -> None:
    """For a worker that never comes: a day. For one that died: three attempts."""
    waiting, dying = start(snapshot), start(snapshot, repository="otters/more")
    Push.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(hours=25))
    Push.objects.filter(pk=dying.pk).update(
        status="running",
        attempt=3,
        fencing_token=dying.pk,
        heartbeat_at=timezone.now() - timedelta(seconds=settings.RUN_STALE_S + 5),
    )
    assert pushes.drop_old_tokens() == 1 and pushes.requeue_stale_pushes() == 1
    assert [(p.status, p.sealed_token) for p in Push.objects.all()] == [("failed", "")] * 2
    with pytest.raises(jobs.LostClaim):
        jobs.Claim(dying).write(status="succeeded")


def test_by_the_api_and_whose_it_is(snapshot: Snapshot, hub: Hub) -> None:
    address = f"/api/snapshots/{snapshot.pk}/pushes/"
    caller = Caller(snapshot.created_by)
    started = caller.post(address, {"repository": "otters/feedback", "token": TOKEN})
    assert started.status_code == 202 and started.json()["private"] is True
    execute(Push.objects.get())
    (row,) = caller.get(address).json()
    assert (row["status"], row["commit"]) == ("succeeded", "c0ffee") and TOKEN not in json.dumps(row)
    assert caller.post(address, {"repository": "x", "token": TOKEN}).json()["fields"].keys() == {"repository"}
    assert Caller(snapshot.created_by, "read").post(address, {}).status_code == 403
    labeler = person("reads-only", campaign=snapshot.campaign, role="labeler")
    for other, page_says in ((World("elsewhere", n_prompts=0).researcher, (404,)), (labeler, (403, 404))):
        assert Caller(other).post(address, {"repository": "a/b", "token": "t"}).status_code in page_says
        client = Client()
        client.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
        posted = client.post(reverse("push_snapshot", args=[snapshot.pk]), {"token": TOKEN})
        assert posted.status_code in page_says
    assert Push.objects.count() == 1
