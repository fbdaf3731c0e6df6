"""Guidelines that change are acknowledged before the next new item; what is in hand is not lost."""

import pytest
from django.test import Client

from annotation.assignment import services
from annotation.campaigns.models import GuidelinesAcknowledged
from annotation.campaigns.services import publish_guidelines
from annotation.errors import Conflict
from annotation.people.models import User
from annotation.rendering.differences import differences
from tests.cast import make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db


def test_nothing_new_before_the_labeler_has_read_them():
    cast = make_cast()
    campaign = make_campaign(cast, items=4, overlap=3)
    first = services.lease_next(labeler=cast.lena, campaign=campaign)
    behind = services.lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk])
    old = campaign.guidelines_id
    publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Prefer the answer that helps most.")
    campaign.refresh_from_db()
    # Both items in hand are still there, under the version that they came with, and may be sent.
    for held in (first, behind):
        assert services.lease_next(labeler=cast.lena, campaign=campaign).pk == held.pk
        assert held.guidelines_id == old and send(held).guidelines_version == 1
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    # Somebody who begins now begins under the new ones; a program reads none.
    assert services.lease_next(labeler=cast.otto, campaign=campaign) is not None
    (robot,) = make_labelers(campaign, 1, "robot")
    User.objects.filter(pk=robot.pk).update(kind="simulated")
    robot.refresh_from_db()
    send(services.lease_next(labeler=robot, campaign=campaign))

    client = Client()
    client.force_login(cast.lena, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/campaigns/{campaign.slug}/label/")
    assert b"The guidelines have changed." in page.content and b"<ins> most</ins>" in page.content
    api = f"/api/campaigns/{campaign.slug}/"
    assert client.post(f"{api}next/", {}, "application/json").json() == {
        "assignment": None,
        "reason": "guidelines",
        "practice": None,
    }
    for wrong in (1, "2", True, None):
        with pytest.raises(Conflict) as refused:
            services.acknowledge_guidelines(labeler=cast.lena, campaign=campaign, number=wrong)
        assert refused.value.code == "guidelines_changed"
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    for _twice in range(2):
        done = client.post(f"{api}guidelines/acknowledge/", {"number": 2}, "application/json")
        assert done.status_code == 200 and done.json()["number"] == 2
    assert GuidelinesAcknowledged.objects.get().labeler == cast.lena
    new = services.lease_next(labeler=cast.lena, campaign=campaign)
    assert new is not None and send(new).guidelines_version == 2

    publish_guidelines(actor=cast.adam, campaign=campaign, markdown="Once more.")
    campaign.refresh_from_db()
    send(services.lease_next(labeler=robot, campaign=campaign))  # programs go on
    assert services.lease_next(labeler=cast.lena, campaign=campaign) is None
    assert client.post(f"/campaigns/{campaign.slug}/label/acknowledge/", {"number": "3"}).status_code == 302
    assert b"data-assignment" in client.get(f"/campaigns/{campaign.slug}/label/").content


def test_differences_give_both_texts_back_and_mark_words():
    old, new = (
        "Be kind.\nPrefer short answers.\nSame.\n",
        "Be kind.\nPrefer clear, short answers.\nSame.\nNew line.",
    )
    parts = differences(old, new)
    added = "".join(p.text for p in parts if p.kind == "ins")
    assert added.replace(" ", "") == "clear,Newline." and not [p for p in parts if p.kind == "del"]
    assert "".join(p.text for p in parts if p.kind != "del") == new
    assert "".join(p.text for p in parts if p.kind != "ins") == old
    long = "a\n" * 3_000
    assert [p.kind for p in differences(long, long + "b")] == ["del", "ins"]
