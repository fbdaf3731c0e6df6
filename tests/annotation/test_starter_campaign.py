"""The campaign that a new installation begins with."""

import json

import pytest
from django.core.management import CommandError, call_command

from annotation.assignment.services import lease_next
from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import Membership, User
from annotation.people.services import redeem_sign_in_link
from tests.cast import send

pytestmark = pytest.mark.django_db


def start(**options) -> list[list[str]]:
    return [line.split() for line in call_command("starter_campaign", verbosity=0, **options).splitlines()]


def test_it_makes_one_campaign_and_a_link_for_each_role(capsys):
    first = start(base_url="http://localhost:8000/")
    again = start()
    assert [role for role, _link in first] == ["labeler", "reviewer", "admin", "researcher"]
    assert all(link.startswith("http://localhost:8000/sign-in/") for _role, link in first)
    assert {link for _role, link in first}.isdisjoint(link for _role, link in again)
    campaign = Campaign.objects.get()
    assert (campaign.slug, campaign.state, campaign.overlap) == ("everyday-answers", "open", 2)
    assert [q.type.slug for q in campaign.protocol.questions] == ["comparison", "critique"]
    assert set(Membership.objects.values_list("user__username", "role")) >= {(r, r) for r, _link in first}
    for role, link in again:
        assert redeem_sign_in_link(token=link.rstrip("/").rsplit("/", 1)[-1]).username == role


def test_items_can_be_brought_along_and_labeled(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(
        "".join(json.dumps({"id": n, "prompt": f"Q{n}?", "responses": ["A", "B"]}) + "\n" for n in range(3))
    )
    start(items=path)
    start(items=path)  # again changes nothing
    assert Item.objects.count() == 3
    assignment = lease_next(labeler=User.objects.get(username="labeler"), campaign=Campaign.objects.get())
    assert send(assignment).feedback.count() == 3  # one comparison, two grades
    path.write_text("{}\n")
    with pytest.raises(CommandError, match="Line 1, prompt"):
        start(items=path)
