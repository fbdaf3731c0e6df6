"""Messages are written with what happened, signed, sent at least once, tried again for a day, and then given up."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from annotation.assignment.services import flag, lease_next
from annotation.campaigns.services import close_campaign, open_campaign, pause_campaign
from annotation.endpoints import keys
from annotation.endpoints.services import reseal_keys
from annotation.errors import Conflict, Invalid
from annotation.items.services import import_items
from annotation.people.models import AuditEvent
from annotation.webhooks import relay, sending
from annotation.webhooks.catalogue import EVENTS, KINDS
from annotation.webhooks.events import emit
from annotation.webhooks.models import Delivery, Webhook
from annotation.webhooks.services import (
    change_webhook,
    create_webhook,
    remove_webhook,
    rotate_secret,
    send_again,
    try_webhook,
)
from tests.cast import send
from training_bridge.models import Checkpoint
from training_bridge.services import cancel_run, open_round, promote, start_run, take_snapshot
from training_bridge.services.snapshots import build_snapshot

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """Nobody is woken: these tests call the relay themselves."""
    monkeypatch.setattr("annotation.tasks.send_webhooks.apply_async", lambda **_options: None)


def hook(cast, campaign, url, *kinds, **fields):
    webhook, secret = create_webhook(
        actor=cast.adam, campaign=campaign, url=url, kinds=list(kinds or KINDS), **fields
    )
    campaign.refresh_from_db()
    return webhook, secret


def one(**fields):
    return Delivery.objects.get(**fields)


def make_due(**fields):
    """As if the waits were over."""
    Delivery.objects.filter(state="waiting").update(due_at=F("created_at"), **fields)
    Webhook.objects.update(rests_until=None)


@pytest.mark.django_db(transaction=True)
def test_every_kind_of_the_catalogue_is_sent_when_it_happens(cast, campaign, receiver, settings, tmp_path):
    settings.SNAPSHOT_DIR = tmp_path
    settings.PUBLIC_URL = "https://whetstone.example.org"
    hook(cast, campaign, receiver.url())
    pause_campaign(actor=cast.adam, campaign=campaign)
    close_campaign(actor=cast.adam, campaign=campaign)
    campaign = open_campaign(actor=cast.adam, campaign=campaign)
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"prompt": "New?", "responses": ["a", "b"]}\n')
    with rows.open("rb") as file:
        import_items(campaign, file, actor=cast.adam)
    first = lease_next(labeler=cast.lena, campaign=campaign)
    report = flag(labeler=cast.lena, assignment_id=first.pk, reason="broken")
    flag(labeler=cast.lena, assignment_id=first.pk, reason="broken", note="once is enough")
    sent = send(first)
    revised = send(first, seed=1, revises=sent.pk)
    second = lease_next(labeler=cast.otto, campaign=campaign)
    assert second.item_id == first.item_id
    last = send(second)
    snapshot = take_snapshot(campaign=campaign, actor=cast.reza)
    build_snapshot(str(snapshot.pk))
    policies = [
        Checkpoint.objects.create(kind="policy", name=n, path=f"hub/{n}", campaign=campaign) for n in "ab"
    ]
    promote(campaign=campaign, policy=policies[0], actor=cast.reza)
    run = start_run(
        campaign=campaign, actor=cast.reza, method="reward_model", snapshot=snapshot, parent=policies[0]
    )
    cancel_run(run=run, actor=cast.reza)
    open_round(campaign=campaign, actor=cast.reza, policy=policies[1])
    relay.relay()

    told = {}
    for got in receiver.got:
        message = json.loads(got.body)
        data = message["data"]
        assert set(data) == {"campaign", "url", *KINDS[message["type"]].fields}
        assert data["campaign"] == campaign.slug
        assert data["url"].startswith("https://whetstone.example.org/api/")
        assert dt.datetime.fromisoformat(message["timestamp"])
        for word in ("lena", "otto", "Answer", "Question", "canary", cast.lena.pseudonym(campaign.pk)):
            assert word not in got.body.decode()
        told.setdefault(message["type"], []).append(data)
    assert set(told) == {event.name for event in EVENTS}
    assert [d["submission"] for d in told["submission.created"]].count(str(last.pk)) == 1
    assert len(told["submission.created"]) == 2 and len(told["flag.created"]) == 1
    (correction,) = told["submission.revised"]
    assert (correction["submission"], correction["supersedes"]) == (str(revised.pk), str(sent.pk))
    (complete,) = told["item.completed"]
    assert (complete["item"], complete["submission"]) == (first.item_id, str(last.pk))
    assert told["flag.created"][0]["flag"] == report.pk
    assert told["run.finished"][0]["status"] == "cancelled"
    assert told["import.finished"][0]["items"] == 1
    assert told["round.opened"][0]["round"] == 1


def test_links_lead_where_the_api_answers(cast, campaign, client):
    """Every path of the catalogue is a route: with made-up numbers it is refused in JSON, and not unknown."""
    from django.urls import resolve

    values = {"campaign": campaign.slug, "item": 1, "snapshot": "0" * 8 + "-0000-4000-8000-" + "0" * 12}
    values |= {"run": values["snapshot"], "checkpoint": 1, "round": 1}
    for event in EVENTS:
        assert resolve(event.path.format_map(values).split("?")[0])


def test_a_campaign_that_nobody_listens_to_pays_nothing(cast, campaign, receiver):
    """Answering costs the same number of statements as before, and one for each message where somebody listens."""

    def statements():
        assignment = lease_next(labeler=cast.lena, campaign=campaign)
        with CaptureQueriesContext(connection) as said:
            send(assignment)
        return [q["sql"] for q in said]

    statements()  # the questions are read once for each process
    without = statements()
    assert not [sql for sql in without if "webhook" in sql or "delivery" in sql]
    hook(cast, campaign, receiver.url(), "submission.created")
    assert len(statements()) == len(without) + 1


def test_the_signature_holds_for_an_independent_library(cast, campaign, receiver):
    webhook, old = hook(cast, campaign, receiver.url())
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", old)
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    (got,) = receiver.got
    assert Verifier(old).verify(got.body, got.headers)["type"] == "campaign.paused"
    assert got.headers["webhook-id"] == one().message_id
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(got.body + b" ", got.headers)

    new = rotate_secret(actor=cast.adam, webhook=webhook)
    open_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    for secret in (old, new):  # both, for a day
        Verifier(secret).verify(receiver.got[1].body, receiver.got[1].headers)
    Webhook.objects.update(old_secret_until=F("created_at"))
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    Verifier(new).verify(receiver.got[2].body, receiver.got[2].headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(receiver.got[2].body, receiver.got[2].headers)
    for said in (str(AuditEvent.objects.values_list("before", "after")), repr(Webhook.objects.values())):
        assert old[6:20] not in said and new[6:20] not in said


def test_nothing_is_sent_for_what_was_rolled_back(cast, campaign, receiver):
    hook(cast, campaign, receiver.url())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        pause_campaign(actor=cast.adam, campaign=campaign)
        raise ZeroDivisionError
    assert Delivery.objects.count() == 0
    with pytest.raises(ValueError, match="has the fields"):
        emit("campaign.paused", campaign, person="lena")


def test_it_is_tried_again_with_growing_waits_and_given_up_after_a_day(cast, campaign, receiver):
    webhook, _secret = hook(cast, campaign, receiver.url("503"), "campaign.paused")
    receiver.says = "<b>down</b>"
    pause_campaign(actor=cast.adam, campaign=campaign)
    assert sum(relay.WAITS_S) == 24 * 3600
    for n, wait_s in enumerate(relay.WAITS_S, start=1):
        assert relay.relay() == 1 and relay.relay() == 0  # it rests
        waiting = one()
        assert (waiting.attempts, waiting.status, waiting.failure) == (n, 503, "failing")
        assert waiting.excerpt == ""  # a page of a private host is not repeated
        until = (waiting.due_at - waiting.attempted_at).total_seconds()
        assert wait_s <= until <= wait_s * 1.1 + 2
        make_due()
    # One day later: the last attempt, and with it the webhook is switched off.
    Webhook.objects.update(failing_since=F("failing_since") - dt.timedelta(days=1))
    assert relay.relay() == 1
    assert one().state == "given_up" and len({got.headers["webhook-id"] for got in receiver.got}) == 1
    webhook.refresh_from_db()
    campaign.refresh_from_db()
    assert not webhook.is_active and webhook.switched_off == "failing" and campaign.hooked == []
    (notice,) = AuditEvent.objects.filter(action="notice.webhook_off")
    assert notice.campaign == campaign and notice.actor is None

    open_campaign(actor=cast.adam, campaign=campaign)
    pause_campaign(actor=cast.adam, campaign=campaign)
    assert Delivery.objects.count() == 1  # nobody listens
    with pytest.raises(Conflict):
        send_again(actor=cast.adam, webhook=webhook, delivery_id=one().pk)
    change_webhook(actor=cast.adam, webhook=webhook, changes={"is_active": True})
    receiver.statuses["/503"] = 204
    send_again(actor=cast.adam, webhook=webhook, delivery_id=one().pk)
    assert relay.relay() == 1 and one().state == "delivered"
    webhook.refresh_from_db()
    assert webhook.failing_since is None and webhook.why_off == ""


def test_retry_after_is_heeded_and_a_refused_message_holds_nobody_up(cast, campaign, receiver):
    receiver.headers["Retry-After"] = "120"
    busy, _ = hook(cast, campaign, receiver.url("429"), "campaign.paused")
    hook(cast, campaign, receiver.url("a/422"), "campaign.paused", "campaign.opened")
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    late = one(webhook=busy)
    assert (late.due_at - late.attempted_at).total_seconds() >= 120
    busy.refresh_from_db()
    assert (busy.rests_until - late.attempted_at).total_seconds() >= 119
    # The other one refuses a message; it is well, so the next message goes out at once.
    open_campaign(actor=cast.adam, campaign=campaign)
    receiver.statuses["/a/422"] = 200
    relay.relay()
    assert [json.loads(got.body)["type"] for got in receiver.at("a/422")] == [
        "campaign.paused",
        "campaign.opened",
    ]
    assert one(kind="campaign.opened").state == "delivered"


def test_410_switches_off_at_once_and_redirects_are_not_followed(cast, campaign, receiver):
    gone, _ = hook(cast, campaign, receiver.url("410"))
    moved, _ = hook(cast, campaign, receiver.url("302"))
    receiver.headers["Location"] = receiver.url("200")
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    gone.refresh_from_db()
    assert gone.switched_off == "gone" and one(webhook=moved).failure == "redirected"
    assert receiver.at("200") == []


def test_no_packet_to_an_address_that_is_not_allowed(cast, campaign, receiver, allow):
    for url in (
        "http://169.254.169.254/latest", "https://10.0.0.1/x", "http://example.org/x", "ftp://api.example.org/x",
        "https://api.example.org/x?token=1", "https://u:p@api.example.org/", "http://127.0.0.1:1/x", "", None, 7,
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            hook(cast, campaign, url)
        assert "url" in refused.value.fields
    hook(cast, campaign, receiver.url())
    allow("api.example.org")  # the operator changed their mind
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    assert receiver.got == [] and one().failure == "address_refused"


def test_a_dead_receiver_does_not_delay_the_others(cast, campaign, receiver, monkeypatch):
    monkeypatch.setattr(sending, "TOTAL_S", 3.0)
    hook(cast, campaign, receiver.url("slow"), "submission.created")
    well, _ = hook(cast, campaign, receiver.url("200"), "submission.created")
    with transaction.atomic():
        for n in range(40):
            emit("submission.created", campaign, item=n, submission=n, status="counted")
    relay.relay()
    assert len(receiver.at("200")) == 40  # all of them, although the other hung
    assert 1 <= len(receiver.at("slow")) <= relay.AT_ONCE
    assert not Delivery.objects.filter(webhook=well).exclude(state="delivered").exists()
    make_due()
    before = len(receiver.at("slow"))
    relay.relay()
    assert len(receiver.at("slow")) == before + 1  # one asks whether it is well again


def test_a_worker_that_died_after_sending_leaves_the_message_due(cast, campaign, receiver):
    hook(cast, campaign, receiver.url())
    pause_campaign(actor=cast.adam, campaign=campaign)
    (claimed,) = relay._claim(busy=set(), room=1)
    relay.attempt(claimed)  # and the process is gone before it wrote that down
    assert relay.relay() == 0  # ours for two minutes
    make_due()
    assert relay.relay() == 1
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
    assert one().attempts == 2 and one().state == "delivered"


@pytest.mark.django_db(transaction=True)
def test_killed_between_commit_and_relay(cast, campaign, receiver):
    """The process is killed in the moment after the commit, before it wakes anybody: the sweep finds the message."""
    hook(cast, campaign, receiver.url())
    program = f"""
        import os, signal, django
        django.setup()
        from django.db import transaction
        from annotation.campaigns.models import Campaign
        from annotation.campaigns.services import pause_campaign
        from annotation.people.models import User
        with transaction.atomic():
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
            pause_campaign(actor=User.objects.get(username="adam"), campaign=Campaign.objects.get(pk={campaign.pk}))
    """
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"]),
    }
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    campaign.refresh_from_db()
    assert campaign.state == "paused" and receiver.got == []
    assert relay.relay() == 1 and len(receiver.got) == 1


@pytest.mark.django_db(transaction=True)
def test_two_relays_send_each_message_once(cast, campaign, receiver):
    from threading import Thread

    hook(cast, campaign, receiver.url(), "submission.created")
    with transaction.atomic():
        for n in range(60):
            emit("submission.created", campaign, item=n, submission=n, status="counted")

    def run():
        try:
            relay.relay()
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.got) == len({got.headers["webhook-id"] for got in receiver.got}) == 60


def test_what_the_receiver_repeats_of_us_is_not_kept(cast, campaign, receiver):
    webhook, secret = hook(cast, campaign, receiver.url("400"))
    receiver.says = json.dumps({"error": f"bad signature, expected {secret}"})
    assert try_webhook(actor=cast.adam, webhook=webhook).excerpt == ""
    receiver.says = json.dumps({"error": "too many \x00\x1b[31m" + "x" * 300})
    tried = try_webhook(actor=cast.adam, webhook=webhook)
    assert tried.excerpt.startswith('{"error": "too many') and len(tried.excerpt) <= 200
    assert tried.kind == "webhook.test" and tried.state == "given_up" and relay.relay() == 0


def test_acts_leave_one_audit_row_each_and_removal_destroys_the_secrets(cast, campaign, receiver):
    webhook, _ = hook(cast, campaign, receiver.url())
    acts = [
        lambda: change_webhook(actor=cast.adam, webhook=webhook, changes={"kinds": ["run.finished"]}),
        lambda: rotate_secret(actor=cast.adam, webhook=webhook),
        lambda: try_webhook(actor=cast.adam, webhook=webhook),
        lambda: remove_webhook(actor=cast.adam, webhook=webhook),
    ]
    before = AuditEvent.objects.count()
    for n, act in enumerate(acts, start=1):
        act()
        assert AuditEvent.objects.count() == before + n
    webhook.refresh_from_db()
    campaign.refresh_from_db()
    assert webhook.sealed_secret == webhook.sealed_old_secret == "" and campaign.hooked == []
    for kinds in ([], ["nothing"], "run.finished", None, [["x"]]):
        with pytest.raises(Invalid) as refused:
            create_webhook(actor=cast.adam, campaign=campaign, url=receiver.url(), kinds=kinds)
        assert "kinds" in refused.value.fields
    hook(cast, campaign, receiver.url())
    with pytest.raises(Conflict):
        hook(cast, campaign, receiver.url())


def test_secrets_are_sealed_again_with_the_keys_of_endpoints(cast, campaign, receiver, settings):
    webhook, secret = hook(cast, campaign, receiver.url())
    rotate_secret(actor=cast.adam, webhook=webhook)
    settings.ENCRYPTION_KEYS = ["n" * 25 + "ew-0123456789" * 3, *django_settings.ENCRYPTION_KEYS]
    assert reseal_keys() == (2, 0)
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    webhook.refresh_from_db()
    assert keys.unseal(webhook.sealed_old_secret) == secret


def test_old_messages_leave_the_log(cast, campaign, receiver):
    hook(cast, campaign, receiver.url(), "campaign.paused", "campaign.opened")
    pause_campaign(actor=cast.adam, campaign=campaign)
    relay.relay()
    open_campaign(actor=cast.adam, campaign=campaign)
    Delivery.objects.update(created_at=F("created_at") - dt.timedelta(days=31))
    assert relay.prune() == 1 and one().kind == "campaign.opened"  # what waits stays


def test_the_docs_name_every_event():
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z]+\.[a-z]+)` \| [^|]+ \| ([^|\n]*)\|$", text, re.M))
    assert {name: re.findall(r"`(\w+)`", fields) for name, fields in listed.items()} == {
        event.name: list(event.fields) for event in EVENTS
    }
