"""The walk of a type `thumb` that no file of the project knows: form, page, submission, agreement, snapshot, likelihood.

Run by `test_adding_a_type.py`, in a process whose WHETSTONE_TYPES_PATH holds the type's folder.
"""

import json
import re

import pytest
from django.core.management import call_command

from annotation.assignment.services import lease_next
from annotation.campaigns.services import create_campaign, open_campaign
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import Role
from annotation.people.services import grant_role
from annotation.quality.selectors import agreement
from annotation.submissions.models import Feedback
from feedback_types import registry
from tests.cast import make_cast
from training_bridge.exports.filters import Filters
from training_bridge.exports.reader import read_events
from training_bridge.exports.snapshot import build

pytestmark = pytest.mark.django_db(transaction=True)


def test_thumb_is_complete_and_needs_no_migration():
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    assert ("thumb", "Thumb") in registry.choices()


def test_thumb_from_the_screen_to_the_export(client, tmp_path):
    cast = make_cast()
    protocol = [{"key": "ok", "type": "thumb", "title": "Is it all right?"}]
    campaign = create_campaign(actor=cast.adam, name="Thumbs", overlap=2, guidelines="", protocol=protocol)
    add_items(campaign=campaign, items=[NewItem("Hello?", [NewResponse("Hello."), NewResponse("What?")])])
    for person in (cast.lena, cast.otto):
        grant_role(actor=cast.adam, user=person, campaign=campaign, role=Role.LABELER)
    open_campaign(actor=cast.adam, campaign=campaign)

    client.force_login(cast.adam)
    assert "Thumb" in client.get(f"/campaigns/{campaign.slug}/questions/").content.decode()

    for person in (cast.lena, cast.otto):
        client.force_login(person)
        page = client.get(f"/campaigns/{campaign.slug}/label/").content.decode()
        assert 'data-type="thumb"' in page
        assignment = lease_next(labeler=person, campaign=campaign)
        form = {
            f"ok-{r}-up": "yes" if n == 0 else "no" for n, r in enumerate(sorted(assignment.response_order))
        }
        form["idempotency_key"] = re.search(r'name="idempotency_key" value="([^"]+)"', page)[1]
        assert client.post(f"/campaigns/{campaign.slug}/label/{assignment.pk}/", form).status_code == 302
    script = client.get(re.search(r'src="(/assets/widgets[^"]+\.js)"', page)[1]).content.decode()
    assert 'Whetstone.widget("thumb"' in script

    rows = Feedback.objects.order_by("target", "id")
    assert [r.payload for r in rows] == [{"up": True}] * 2 + [{"up": False}] * 2
    assert rows[0].choice_set == {"options": [False, True]}
    assert agreement(campaign)[0].alpha == 1.0

    built = build(campaign_id=campaign.pk, slug=campaign.slug, filters=Filters(), root=tmp_path)
    native = [json.loads(line) for line in (built.path / "native/feedback.jsonl").read_text().splitlines()]
    assert {row["type"] for row in native} == {"thumb"} and len(native) == 4
    views = [
        json.loads(x)
        for f in sorted((built.path / "unpaired").glob("*.jsonl"))
        for x in f.read_text().splitlines()
    ]
    assert sorted((row["completion"][0]["content"], row["label"]) for row in views) == [
        ("Hello.", True), ("Hello.", True), ("What?", False), ("What?", False),
    ]  # fmt: skip

    events = list(read_events(built.path))
    law = registry.get("thumb").likelihood
    assert [len(law.points(e)) for e in events] == [1] * 4
    assert {e.payload.up for e in events} == {False, True}
