"""Each act of an admin or reviewer leaves exactly one row in the history, in the same transaction (I-27).

The acts come from the resolver: a new route that can be posted to has to say here what it does.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from annotation.people.models import AuditEvent
from annotation.people.selectors import audited_actions, audited_people, audited_with
from annotation.people.services import record_audit
from annotation.submissions.models import Submission
from annotation.submissions.selectors import form_data_of
from tests.annotation.views.test_conflicts import fields_of, questions
from tests.annotation.views.test_pages_access import EXPECTED, SNAPSHOT, World, routes
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db


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


# route -> what an admin posts; each of these is one act
ACTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "campaign_new": lambda w: {"name": "New one", "language": "en", "guidelines": "Be kind."},
    "campaign_state": lambda w: {},
    "campaign_questions": lambda w: questions("grade", version=0, protocol=1) | {"act": "confirm"},
    "campaign_settings": settings_form,
    "campaign_item_overlap": lambda w: {"overlap": "3"},
    "campaign_review_item": decision,
    "campaign_review_blind": written,
    "campaign_review_write": written,
    "campaign_flag": lambda w: {"withdraw": "yes"},
    "campaign_money": lambda w: {
        "version": w.campaign.version, "currency": "EUR", "pay_per": "answer", "rate": "0.1", "budget": "20",
    },
    "campaign_people": lambda w: {"role": "labeler", "max_uses": "1", "days": "7"},
    "campaign_invitation_revoke": lambda w: {},
    "campaign_membership": lambda w: {},
    "tokens": lambda w: {"name": "another", "scopes": "label", "days": "7"},
    "token_revoke": lambda w: {},
    "endpoint_remove": lambda w: {},
    "endpoint_try": lambda w: {"prompt": "Hello?"},
    "campaign_webhook_rotate": lambda w: {},
    "campaign_webhook_remove": lambda w: {},
    "new_snapshot": lambda w: SNAPSHOT,
    "cancel_run": lambda w: {},
    "set_run_priority": lambda w: {"priority": "1"},
    "promote": lambda w: {},
    "undo_promotion": lambda w: {},
}  # fmt: skip
# What a reviewer looks at is an item that somebody answered.
ABOUT_ANSWERED = {
    "campaign_review_item", "campaign_review_blind", "campaign_review_write", "campaign_item_overlap",
}  # fmt: skip
# Posted, but no act on a campaign or its data: how pages look to one person, a labeler's own work, a preview.
NO_ACTS = {
    "preferences", "widgets_js", "widgets_css", "types", "campaign_types", "sign_in_link", "label_submit", "label_draft",
    "label_heartbeat", "label_preview", "label_generate", "label_stop", "label_skip", "label_flag", "privacy_act",
    "join", "erase_me", "label_acknowledge", "label_practice", "campaign_quality_compute",
}  # fmt: skip
# Acts that need more than a campaign with answers; the tests beside their services count the row.
ELSEWHERE = {
    "campaign_live", "campaign_candidates", "campaign_grant", "campaign_payouts", "campaign_payout_undo", "endpoint_new",
    "endpoint", "campaign_webhooks", "campaign_webhook", "campaign_webhook_try", "campaign_webhook_again", "resume_run",
    "campaign_routing", "campaign_item_gold", "campaign_import", "campaign_import_one", "campaign_import_cancel",
    "new_run", "score", "score_response", "begin_rounds", "train_reward", "refresh_policy",
}  # fmt: skip


def signed_in(world: World) -> Client:
    client = Client()
    client.force_login(world.person("admin"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_every_route_that_is_posted_to_says_what_it_does() -> None:
    posted = {route for route in routes() if EXPECTED[route][1] is not None}
    assert posted - set(ACTS) - NO_ACTS - ELSEWHERE == set()
    assert not set(ACTS) & (NO_ACTS | ELSEWHERE)


def test_each_act_leaves_one_row() -> None:
    """All of them, one after the other, each undone before the next."""
    world = World(make_cast())
    wrong = []
    for route, body in ACTS.items():
        changed = {"item_id": answered(world).item_id} if route in ABOUT_ANSWERED else {}
        with transaction.atomic():
            data = body(world)
            known = set(AuditEvent.objects.values_list("pk", flat=True))
            response = signed_in(world).post(world.address(route, routes()[route], **changed), data)
            rows = AuditEvent.objects.exclude(pk__in=known)
            if response.status_code >= 400 or len(rows) != 1 or rows[0].actor != world.person("admin"):
                wrong.append(f"{route}: {response.status_code}, {[r.action for r in rows]}")
            transaction.set_rollback(True)
    assert not wrong, "\n".join(wrong)


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
