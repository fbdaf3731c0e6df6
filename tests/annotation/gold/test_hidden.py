"""I-21: nothing that a labeler gets tells a gold item from work, and somebody who is paused is told why."""

import io
import json
import re
from typing import Any

import pytest
from django.test import Client

from annotation.campaigns.services import change_campaign
from annotation.gold.models import GoldScore
from annotation.items.models import Item
from annotation.items.services import import_items
from annotation.people.models import Membership
from annotation.people.services import revoke_role
from annotation.submissions.own_data import own_data
from tests.annotation.gold.test_services import aside, say, with_gold
from tests.cast import make_campaign, make_cast

pytestmark = pytest.mark.django_db
SECRETS = ("gold", "purpose", "expected", "explanation", "It helps.")


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def shape(value: Any) -> Any:
    """JSON with its values left out."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def markup(html: str) -> str:
    """A page without what is this item's own: numbers, keys and texts."""
    html = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", html)
    html = re.sub(r'value="[\w]{64}"', "", html)  # the CSRF token
    return re.sub(r"\d+", "", html)


def test_a_gold_screen_and_its_replies_are_like_any_other():
    cast = make_cast()
    campaign = make_campaign(cast, items=40)
    for item in Item.objects.filter(campaign=campaign).order_by("pk")[:4]:
        rows = [
            {"question": "grade", "target": r, "payload": say_grade(campaign, item, r)} for r in ids(item)
        ]
        from annotation.gold.services import make_gold

        make_gold(actor=cast.rita, item=item, answers=[rows], explanation="It helps.")
    payload = rows[0]["payload"]
    imported = {
        "prompt": "Question 40?",
        "responses": [{"content": f"Answer 40.{n}.", "source": "canary-policy"} for n in range(2)],
        "gold": {
            "answers": [[{"question": "grade", "target": n, "payload": payload} for n in (1, 2)]],
            "explanation": "It helps.",
        },
    }
    import_items(campaign, io.BytesIO(json.dumps(imported).encode()), actor=cast.adam)
    campaign = change_campaign(
        actor=cast.adam,
        campaign=campaign,
        version=campaign.version,
        changes={"gold_share": 0.5, "gold_warn": 0.9},
    )
    client = signed_in(cast.lena)
    seen: dict[bool, list[Any]] = {True: [], False: []}
    while len(seen[True]) < 5 or len(seen[False]) < 3:  # all that there are
        page = client.get(f"/campaigns/{campaign.slug}/label/")
        lease = json.loads(
            client.post(f"/api/campaigns/{campaign.slug}/next/", {}, "application/json").content
        )
        assert not [s for s in SECRETS if s in page.content.decode() or s in json.dumps(lease)]
        mine = lease["assignment"]
        is_gold = Item.objects.get(assignments=mine["id"]).purpose == "gold"
        answers = answer_json(mine)
        reply = client.post(
            f"/api/assignments/{mine['id']}/submit/",
            {"idempotency_key": f"00000000-0000-4000-8000-{mine['id']:012d}", "answers": answers},
            "application/json",
        )
        undone = client.post(f"/api/campaigns/{campaign.slug}/undo/", {}, "application/json")
        assert reply.json()["submission"]["status"] == "counted"
        assert not [s for s in SECRETS if s in reply.content.decode() + undone.content.decode()]
        seen[is_gold].append(
            {
                "page": markup(page.content.decode()),
                "next": shape(lease),
                "reply": (shape(reply.json()), sorted(reply.headers)),
                "undo": shape(undone.json()),
            }
        )
    assert len(seen[True]) == GoldScore.objects.values("submission").distinct().count() == 5
    assert all(one == seen[False][0] for one in seen[True] + seen[False])
    for address in ("/work/", "/", "/privacy/my-data.json"):
        text = client.get(address).content.decode()
        assert not [s for s in SECRETS if s in text], address
    assert "gold" not in json.dumps(own_data(cast.lena), default=str)


def ids(item: Item) -> list[int]:
    return list(item.responses.order_by("pk").values_list("pk", flat=True))


def say_grade(campaign, item: Item, target: int) -> dict[str, Any]:
    from annotation.gold.answers import screen_of
    from feedback_types.protocol import forms

    question = campaign.protocol.questions[1]
    screen = screen_of(item)
    form = forms(question, screen)[0]
    choices = {name: getattr(field, "choices", []) for name, field in form.fields.items()}
    data = {name: "5" for name, all_ in choices.items() if ("5", "5") in [(str(a), str(b)) for a, b in all_]}
    bound = question.type.form_class(data, screen=screen, settings=question.settings, target=target)
    assert bound.is_valid(), bound.errors
    return question.type.parse(bound.cleaned_data, screen, question.settings, target).dump()


def answer_json(mine: dict[str, Any]) -> list[dict[str, Any]]:
    from annotation.assignment.models import Assignment
    from tests.cast import answer

    return [
        {"question": a.question, "target": a.target, "payload": a.payload.dump()}
        for a in answer(Assignment.objects.get(pk=mine["id"]))
    ]


def test_who_is_paused_is_told_so_and_who_was_sent_away_is_not():
    from annotation.assignment.services import lease_next

    cast = make_cast()
    campaign, _gold = with_gold(
        cast, items=40, gold=4, gold_share=0.5, gold_warn=0.9, gold_pause=0.5, gold_window=1
    )
    client, page = signed_in(cast.lena), f"/campaigns/{campaign.slug}/label/"
    mine = Membership.objects.get(user=cast.lena, campaign=campaign)
    while mine.suspended_at is None:
        lease = lease_next(labeler=cast.lena, campaign=campaign)
        say(lease, 3)
        mine.refresh_from_db()
    stopped = client.get(page)
    assert stopped.status_code == 403 and b"Your work here is paused." in stopped.content
    again = client.post(f"{page}{lease.pk}/", {"better-choice": "1"}, headers={"accept": "application/json"})
    assert (again.status_code, again.json()["code"]) == (403, "paused")
    for address in ("/", "/work/"):
        assert b"is paused" in client.get(address).content
    Membership.objects.filter(pk=mine.pk).update(suspended_at=None, paused_by="")
    revoke_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="labeler")
    assert client.get(page).status_code == 404
    assert client.post(f"{page}{lease.pk}/").status_code == 404


def test_pages_of_those_who_oversee(client):
    cast = make_cast()
    campaign = make_campaign(cast, items=3, protocol=[{"key": "better", "type": "comparison"}])
    from annotation.assignment.services import lease_next

    lease = lease_next(labeler=cast.lena, campaign=campaign)
    sent = say(lease, -2)
    reviewer = signed_in(cast.rita)
    where = f"/campaigns/{campaign.slug}/items/{lease.item_id}/"
    assert b"Make it gold" in reviewer.get(where).content
    posted = {"source": str(sent.pk), "purpose": "gold", "explanation": "Clear & kind."}
    assert reviewer.post(f"{where}gold/", posted, follow=True).status_code == 200
    html = reviewer.get(where).content.decode()
    assert "Clear &amp; kind." in html and "Expected" in html
    assert (
        reviewer.post(f"{where}gold/", {"source": "consensus", "purpose": "gold", "also": "on"}).status_code
        == 302
    )
    item = Item.objects.get(pk=lease.item_id)
    assert (item.purpose, len(item.gold_answers["acceptable"])) == ("gold", 2)
    assert str(item.pk) in reviewer.get(f"/campaigns/{campaign.slug}/items/?state=gold").content.decode()
    aside(cast, campaign, 1)
    settings = signed_in(cast.adam).get(f"/campaigns/{campaign.slug}/settings/").content.decode()
    assert "Gold items" in settings and 'name="gold_share"' in settings
