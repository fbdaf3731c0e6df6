"""Each act of an admin or reviewer leaves exactly one row in the history, in the same transaction (I-27).

The acts come from the resolver, those of pages and those of the API: a new route that changes something has to say here
what it does, and is done.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.campaigns.services import pause_campaign
from annotation.generation.services import set_live
from annotation.ledger.services import grant, set_terms
from annotation.people.models import AuditEvent
from annotation.people.selectors import audited_actions, audited_people, audited_with
from annotation.people.services import record_audit
from annotation.submissions.models import Submission
from annotation.submissions.selectors import form_data_of
from annotation.views.endpoints import EndpointForm
from tests.annotation.api import test_matrix as matrix
from tests.annotation.api.conftest import Api
from tests.annotation.views.test_conflicts import fields_of, questions
from tests.annotation.views.test_pages_access import EXPECTED, SNAPSHOT, World, routes
from tests.cast import make_campaign, make_cast
from training_bridge import api as research
from training_bridge.models import Run, Snapshot

pytestmark = pytest.mark.django_db

PUSH = {"repository": "otters/feedback", "token": "hf_secret"}
UNSAFE = ("post", "put", "patch", "delete")


@dataclass(frozen=True)
class Act:
    """What an admin sends to a route, and the one row that it leaves; `before` makes ready what it needs."""

    action: str
    body: Callable[[Any], Any] = lambda world: {}
    before: Callable[[Any], Any] = lambda world: None


# --- What is sent ----------------------------------------------------------------------------------------------------


def settings_form(world: World) -> dict[str, Any]:
    client = signed_in(world)
    return fields_of(client.get(world.address("campaign_settings", ["slug"])).content.decode()) | {
        "name": "Other"
    }


def decision(world: World) -> dict[str, Any]:
    return {"chosen": answered(world).pk, "reason": "Because.", "idempotency_key": uuid.uuid4()}


def written(world: World) -> dict[str, Any]:
    return form_data_of(answered(world)) | {"reason": "Because.", "idempotency_key": uuid.uuid4()}


def answered(world: World) -> Submission:
    return Submission.objects.filter(campaign=world.campaign).latest("submitted_at")


def endpoint_form(world: World) -> dict[str, Any]:
    usual = {name: field.initial for name, field in EndpointForm().fields.items() if field.initial}
    given = {"name": "Another", "base_url": "https://api.example.org/v1", "model": "small-1b"}
    return usual | {"length_field": "max_tokens"} | given


def run_form(world: World) -> dict[str, Any]:
    page = signed_in(world).get(world.address("new_run", ["slug"]) + "?method=uncertainty").content.decode()
    return fields_of(page) | {"reward_model": world.values["checkpoint_id"], "priority": "0"}


def bonus(world: Any) -> dict[str, Any]:
    return {"labeler": "lena", "kind": "bonus", "amount": "1", "note": "x", "key": str(uuid.uuid4())}


def payout(world: Any) -> dict[str, Any]:
    return {"until": timezone.now().date().isoformat(), "key": str(uuid.uuid4())}


# --- What has to be so before ----------------------------------------------------------------------------------------


def paid(world: Any) -> None:
    world.campaign.refresh_from_db()
    actor = world.people["admin"]
    terms = {"currency": "EUR", "pay_per": "answer", "rate": "0.1", "budget": "", "pays_late": True}
    set_terms(actor=actor, campaign=world.campaign, version=world.campaign.version, **terms)
    world.campaign.refresh_from_db()


def owed(world: Any) -> None:
    paid(world)
    given = bonus(world) | {"labeler": world.people["labeler"]}
    grant(actor=world.people["admin"], campaign=world.campaign, **given)


def live(world: Any) -> None:
    set_live(actor=world.people["admin"], campaign=world.campaign, source="policy")


def paused(world: Any) -> None:
    pause_campaign(actor=world.people["admin"], campaign=world.campaign)


def complete(world: World) -> None:
    """The snapshot lies on the disk, as far as a push looks before a worker takes it."""
    sha256 = "c" * 64
    Snapshot.objects.filter(pk=world.values["snapshot_id"]).update(
        status=Snapshot.Status.COMPLETE, sha256=sha256, manifest={}, completed_at=timezone.now()
    )
    directory = settings.SNAPSHOT_DIR / sha256
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_text("{}")


def cancelled(world: World) -> None:
    Run.objects.filter(pk=world.values["run_id"]).update(status=Run.Status.CANCELLED)


# --- Pages -----------------------------------------------------------------------------------------------------------

ACTS: dict[str, Act] = {
    "campaign_new": Act("campaign.create", lambda w: {"name": "New one", "language": "en", "guidelines": "Be kind."}),
    "campaign_state": Act("campaign.pause"),
    "campaign_questions": Act(
        "protocol.publish", lambda w: questions("grade", version=0, protocol=1) | {"act": "confirm"}
    ),
    "campaign_settings": Act("campaign.change", settings_form),
    "campaign_item_overlap": Act("item.overlap", lambda w: {"overlap": "3"}),
    "campaign_item_gold": Act("item.make_gold", lambda w: {"purpose": "gold", "source": answered(w).pk}),
    "campaign_review_item": Act("item.adjudicate", decision),
    "campaign_review_blind": Act("item.adjudicate", written),
    "campaign_review_write": Act("item.adjudicate", written),
    "campaign_flag": Act("flag.resolve", lambda w: {"withdraw": "yes"}),
    "campaign_import": Act(
        "import.upload", lambda w: {"file": SimpleUploadedFile("x.csv", b"prompt,a,b\nWhy?,A,B\n")}
    ),
    "campaign_import_one": Act(
        "import.start", lambda w: {"act": "start", "prompt": "prompt", "responses": ["a", "b"]}
    ),
    "campaign_import_cancel": Act("import.cancel"),
    "campaign_live": Act("live.set", lambda w: {"source": "off", "temperature": "1", "max_new_tokens": "9"}),
    "campaign_candidates": Act("candidates.start", lambda w: {"n": "2"}, live),
    "campaign_quality_compute": Act("quality.compute", lambda w: {"statistic": "leaderboard"}),
    "campaign_money": Act("campaign.terms", lambda w: {
        "version": w.campaign.version, "currency": "EUR", "pay_per": "answer", "rate": "0.1", "budget": "20",
    }),
    "campaign_grant": Act("ledger.bonus", bonus, paid),
    "campaign_payouts": Act("payout.make", payout, owed),
    "campaign_payout_undo": Act("payout.undo"),
    "campaign_people": Act("invitation.create", lambda w: {"role": "labeler", "max_uses": "1", "days": "7"}),
    "campaign_invite_many": Act("invitation.import", lambda w: {"people": "anna\nben", "days": "7"}),
    "campaign_invitation_revoke": Act("invitation.revoke"),
    "campaign_membership": Act("role.grant"),
    "campaign_routing": Act("labeler.route", lambda w: {"languages": "en"}),
    "tokens": Act("token.issue", lambda w: {"name": "another", "scopes": "label", "days": "7"}),
    "token_revoke": Act("token.revoke"),
    "endpoint_new": Act("endpoint.create", endpoint_form),
    "endpoint": Act("endpoint.change", endpoint_form),
    "endpoint_remove": Act("endpoint.remove"),
    "endpoint_try": Act("endpoint.try", lambda w: {"prompt": "Hello?"}),
    "campaign_webhooks": Act(
        "webhook.create", lambda w: {"url": "https://api.example.org/hook", "kinds": ["flag.created"]}
    ),
    "campaign_webhook": Act(
        "webhook.change", lambda w: {"url": "https://api.example.org/hook", "kinds": ["run.finished"]}
    ),
    "campaign_webhook_try": Act("webhook.test"),
    "campaign_webhook_rotate": Act("webhook.rotate"),
    "campaign_webhook_remove": Act("webhook.remove"),
    "campaign_webhook_again": Act("webhook.send_again"),
    "new_snapshot": Act("snapshot.take", lambda w: SNAPSHOT),
    "push_snapshot": Act("snapshot.push", lambda w: PUSH | {"private": "yes"}, complete),
    "new_run": Act("run.start", run_form),
    "cancel_run": Act("run.cancel"),
    "resume_run": Act("run.resume", before=cancelled),
    "set_run_priority": Act("run.priority", lambda w: {"priority": "1"}),
    "score": Act("run.start", lambda w: {"prompt": "Why?", "text": "Because."}),
    "score_response": Act("run.start"),
    "promote": Act("policy.promote"),
    "undo_promotion": Act("policy.undo"),
    "begin_rounds": Act("round.open"),
    "train_reward": Act("round.train_reward"),
    "refresh_policy": Act("round.refresh_policy", lambda w: {"method": "dpo"}),
}  # fmt: skip
# What a reviewer looks at is an item that somebody answered.
ABOUT_ANSWERED = {
    "campaign_review_item", "campaign_review_blind", "campaign_review_write", "campaign_item_overlap",
    "campaign_item_gold",
}  # fmt: skip
# Posted, but no act of an admin, and why.
NO_ACTS = {
    **dict.fromkeys(("preferences",), "how pages look to one person"),
    **dict.fromkeys(("widgets_js", "widgets_css"), "files, the same for every method"),
    **dict.fromkeys(("types", "campaign_types"), "a preview, of which nothing is kept"),
    **dict.fromkeys(("sign_in_link", "join"), "somebody comes in; joining leaves a row of theirs"),
    **dict.fromkeys(("privacy_act", "erase_me"), "a person's own consents and data"),
    **dict.fromkeys(
        (
            "label_submit", "label_draft", "label_heartbeat", "label_preview", "label_generate", "label_stop",
            "label_skip", "label_flag", "label_acknowledge", "label_practice",
        ),
        "a labeler's work, which has rows of its own",
    ),
}  # fmt: skip

# --- The API ---------------------------------------------------------------------------------------------------------


def in_matrix(route: str, method: str) -> Callable[[Any], Any]:
    """The body that test_matrix.py sends."""
    return matrix.EXPECTED[route, method][1] or (lambda world: None)


def act_of(route: str, method: str, action: str, **other: Any) -> tuple[tuple[str, str], Act]:
    return (route, method), Act(action, **{"body": in_matrix(route, method), **other})


API_ACTS: dict[tuple[str, str], Act] = dict([
    act_of("campaigns", "post", "campaign.create"),
    act_of("campaign", "patch", "campaign.change"),
    act_of("open", "post", "campaign.open", before=paused),
    act_of("pause", "post", "campaign.pause"),
    act_of("close", "post", "campaign.close"),
    act_of("guidelines", "post", "guidelines.publish"),
    act_of("protocol", "post", "protocol.publish"),
    act_of("quality", "post", "quality.compute"),
    act_of("items-import", "post", "items.import"),
    act_of("item", "patch", "item.overlap"),
    act_of("item-assign", "post", "item.assign"),
    act_of("item-gold", "post", "item.make_gold"),
    act_of("adjudications", "post", "item.adjudicate"),
    act_of("imports", "post", "import.upload"),
    act_of("import", "delete", "import.cancel"),
    act_of("import-start", "post", "import.start"),
    act_of("invitations", "post", "invitation.create"),
    act_of("invitations-bulk", "post", "invitation.import"),
    act_of("invitation", "delete", "invitation.revoke"),
    act_of("labeler", "patch", "labeler.route"),
    act_of("endpoints", "post", "endpoint.create"),
    act_of("endpoint", "patch", "endpoint.change"),
    act_of("endpoint", "delete", "endpoint.remove"),
    act_of("endpoint-try", "post", "endpoint.try"),
    act_of("webhooks", "post", "webhook.create"),
    act_of("webhook", "patch", "webhook.change", body=lambda w: {"kinds": ["run.finished"]}),
    act_of("webhook", "delete", "webhook.remove"),
    act_of("webhook-try", "post", "webhook.test"),
    act_of("webhook-rotate", "post", "webhook.rotate"),
    act_of("delivery-again", "post", "webhook.send_again"),
    act_of("live", "put", "live.set"),
    act_of("candidates", "post", "candidates.start", before=live),
    act_of("terms", "put", "campaign.terms"),
    act_of("ledger", "post", "ledger.bonus", before=paid),
    act_of("payouts", "post", "payout.make", body=payout, before=owed),
    act_of("payout-undo", "post", "payout.undo"),
])  # fmt: skip
RESEARCH_ACTS: dict[tuple[str, str], Act] = {
    ("api-snapshots", "post"): Act("snapshot.take"),
    ("api-snapshot-pushes", "post"): Act("snapshot.push", lambda w: PUSH, complete),
    ("api-runs", "post"): Act("run.start", lambda w: {
        "method": "score", "reward_model": w.values["checkpoint_id"],
        "config": {"texts": [{"messages": [{"role": "user", "content": "Why?"}], "text": "Because."}]},
    }),
    ("api-run", "patch"): Act("run.priority", lambda w: {"priority": 1}),
    ("api-run-cancel", "post"): Act("run.cancel"),
    ("api-run-resume", "post"): Act("run.resume", before=cancelled),
    ("api-checkpoint-promote", "post"): Act("policy.promote"),
    ("api-promotion-undo", "post"): Act("policy.undo"),
    ("api-round-train-reward", "post"): Act("round.train_reward"),
    ("api-round-refresh-policy", "post"): Act("round.refresh_policy"),
}  # fmt: skip
# A labeler's work and what they acknowledge have rows of their own, and leave none in the history.
NO_API_ACTS = {
    ("guidelines-acknowledge", "post"), ("qualification", "post"), ("next", "post"), ("undo", "post"),
    ("heartbeat", "post"), ("draft", "put"), ("submit", "post"), ("skip", "post"), ("flag", "post"),
    ("generate", "post"), ("generation-stop", "post"),
}  # fmt: skip


def research_routes() -> set[tuple[str, str]]:
    return {
        (str(pattern.name), method)
        for pattern in research.urlpatterns
        for method in UNSAFE
        if hasattr(pattern.callback.view_class, method)  # type: ignore[attr-defined]
    }


# --- Each of them once -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


def signed_in(world: World) -> Client:
    client = Client()
    client.force_login(world.person("admin"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def fault_of(world: Any, act: Act, send: Callable[[Any], Any], prepared: Callable[[], Any]) -> str:
    """Does it once, in a savepoint that is rolled back; what is wrong with the rows that it leaves, or nothing."""
    with transaction.atomic():
        act.before(world)
        body = act.body(world)
        address = prepared()
        known = set(AuditEvent.objects.values_list("pk", flat=True))
        response = send((address, body))
        rows = list(AuditEvent.objects.exclude(pk__in=known))
        transaction.set_rollback(True)
    actions, actor = [row.action for row in rows], world.people["admin"]
    is_well = response.status_code < 400 and actions == [act.action] and rows[0].actor == actor
    return "" if is_well else f"{response.status_code}, {actions} instead of {act.action}"


def faults(acts: Mapping[Any, Act], fault: Callable[[Any, Act], str]) -> list[str]:
    return [f"{name}: {wrong}" for name, act in acts.items() if (wrong := fault(name, act))]


def test_every_route_that_changes_something_says_what_it_does() -> None:
    posted = {route for route in routes() if EXPECTED[route][1] is not None}
    assert posted == {*ACTS, *NO_ACTS} and not {*ACTS} & {*NO_ACTS}
    of_api = {
        (name, method) for name, methods in matrix.routes().items() for method in methods if method in UNSAFE
    }
    assert of_api == {*API_ACTS} | NO_API_ACTS and not {*API_ACTS} & NO_API_ACTS
    assert research_routes() == {*RESEARCH_ACTS}


def test_each_act_on_a_page_leaves_one_row() -> None:
    world = World(make_cast())
    client = signed_in(world)

    def fault(route: str, act: Act) -> str:
        changed: dict[str, Any] = {"item_id": answered(world).item_id} if route in ABOUT_ANSWERED else {}
        changed |= {"slug": world.other.slug} if route == "begin_rounds" else {}  # which has none yet
        address = world.address(route, routes()[route], **changed)
        return fault_of(world, act, lambda sent: client.post(*sent), lambda: address)

    assert faults(ACTS, fault) == []


def test_each_act_by_the_api_leaves_one_row() -> None:
    cast = make_cast()
    world = matrix.World(cast, make_campaign(cast, items=4, overlap=2))
    admin = Api(cast.adam)

    def fault(name: tuple[str, str], act: Act) -> str:
        route, method = name
        options = {"content_type": "application/x-ndjson"} if route in matrix.FILES else {}
        return fault_of(world, act, lambda sent: admin(method, *sent, **options), lambda: world.path(route))

    assert faults(API_ACTS, fault) == []


def test_each_act_by_the_researchers_api_leaves_one_row() -> None:
    world = World(make_cast())
    admin = Api(world.person("admin"))

    def fault(name: tuple[str, str], act: Act) -> str:
        route, method = name
        arguments = next(p.pattern.converters for p in research.urlpatterns if p.name == route)
        values = world.values | ({"checkpoint_id": world.newer.pk} if "promote" in route else {})
        path = reverse(route, kwargs={n: values[n] for n in arguments}).removeprefix("/api/")
        return fault_of(world, act, lambda sent: admin(method, *sent), lambda: path)

    assert faults(RESEARCH_ACTS, fault) == []


def test_a_labelers_work_by_the_api_leaves_no_row() -> None:
    cast = make_cast()
    world = matrix.World(cast, make_campaign(cast, items=4, overlap=2))
    labeler = Api(cast.lena)
    done = []
    for route, method in sorted(NO_API_ACTS):
        with transaction.atomic():
            body, path = in_matrix(route, method)(world), world.path(route)
            known = AuditEvent.objects.count()
            response = labeler(method, path, body)
            assert AuditEvent.objects.count() == known, route
            transaction.set_rollback(True)
        done += [route] if response.status_code < 400 else []
    assert {"next", "undo", "draft", "submit", "skip", "flag"} <= {*done}


def test_a_row_belongs_in_the_transaction_of_its_act_and_stays() -> None:
    cast = make_cast()
    row = record_audit(actor=cast.adam, action="campaign.change", target="x")
    for sql in ("UPDATE annotation_auditevent SET action = 'y'", "DELETE FROM annotation_auditevent"):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            connection.cursor().execute(sql)
    with pytest.raises(RuntimeError), transaction.atomic():
        record_audit(actor=cast.adam, action="campaign.change")
        raise RuntimeError("undone")
    assert AuditEvent.objects.latest("id") == row


# --- The pages -------------------------------------------------------------------------------------------------------


def test_the_history_is_filtered_by_person_and_act_page_by_page(client: Client) -> None:
    cast = make_cast()
    campaign, other = make_campaign(cast, items=0), make_campaign(cast, items=0, name="Other")
    for n in range(60):
        record_audit(
            actor=cast.reza if n % 2 else cast.adam, campaign=campaign, action="run.start", target=f"run {n}",
            before={"n": n}, after={"n": n + 1},
        )  # fmt: skip
    record_audit(actor=cast.adam, action="endpoint.create", target="endpoint:1")
    assert audited_people(campaign) == ["adam", "reza"]
    assert audited_actions(campaign)[:2] == ["campaign.create", "campaign.open"]
    assert audited_actions(campaign) == sorted(set(audited_with(campaign).values_list("action", flat=True)))
    assert "endpoint.create" in audited_actions(None) and "endpoint.create" not in audited_actions(campaign)
    client.force_login(cast.adam)
    url = f"/campaigns/{campaign.slug}/history/"
    page = client.get(url).content.decode()
    assert "<del>59</del>" in page and "<ins>60</ins>" in page and "run 0" not in page
    older = re.search(r'href="(\?who=[^"]*after=\d+)"', page)[1].replace("&amp;", "&")
    assert ">run 0<" in client.get(f"{url}{older}").content.decode()
    only = client.get(f"{url}?who=reza&what=run.start").content.decode()
    assert ">run 59<" in only and ">run 58<" not in only
    assert audited_with(campaign, who="reza").count() == 30
    for odd in ("who=%00", "what=nonsense", "after=x", "after=99999999999999999999"):
        assert client.get(f"{url}?{odd}").status_code == 200
    assert client.get("/history/").status_code == 404
    cast.adam.is_superuser = True
    cast.adam.save()
    assert "endpoint:1" in client.get("/history/").content.decode()
    assert f">{other.name}</a>" in client.get("/history/?what=campaign.create").content.decode()
    rows = client.get(f"/api/campaigns/{campaign.slug}/audit/?who=reza&page_size=3").json()
    assert [r["target"] for r in rows["results"]] == ["run 59", "run 57", "run 55"] and rows["next"]
    assert rows["results"][0]["before"] == {"n": 59} and rows["results"][0]["actor"] == "reza"
