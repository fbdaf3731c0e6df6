"""The audit of `python -m bench.chaos` must see what it is there to see: each planted fault turns one figure red."""

from __future__ import annotations

import json

import pytest
from django.db.models import F

from annotation.assignment.models import Slot
from annotation.assignment.services import lease_next
from annotation.items.models import Item
from bench.chaos.__main__ import OVERLAP, _audit
from tests.cast import make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(tmp_path):
    """Two labelers answered two items each; the ledger says so."""
    campaign = make_campaign(make_cast(), items=3, overlap=OVERLAP)
    lines = []
    for labeler in make_labelers(campaign, 2):
        for _turn in range(2):
            sent = send(lease_next(labeler=labeler, campaign=campaign))
            lines.append(
                {
                    "submission": str(sent.pk),
                    "assignment": sent.assignment_id,
                    "key": str(sent.pk),
                    "again": 0,
                }
            )
    ledger = tmp_path / "0.jsonl"
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return campaign, tmp_path, lines


def red(campaign, ledger):
    figures = _audit(campaign, ledger)
    assert (figures.pop("acknowledged"), figures.pop("stored")) == (4, 4)
    return {name: n for name, n in figures.items() if n}


def test_nothing_is_red_when_nothing_happened(scene):
    campaign, ledger, _lines = scene
    assert red(campaign, ledger) == {}


def test_an_acknowledged_answer_that_is_not_stored_is_lost(scene):
    campaign, ledger, lines = scene
    lines[0]["submission"] = "00000000-0000-7000-8000-000000000000"
    (ledger / "0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert red(campaign, ledger) == {"lost": 1}


def test_one_key_with_two_submissions_is_seen(scene):
    campaign, ledger, lines = scene
    with open(ledger / "1.jsonl", "w") as more:
        more.write(json.dumps({**lines[1], "key": lines[0]["key"], "again": 1}) + "\n")
    assert red(campaign, ledger) == {"keys with two submissions": 1}


def test_a_counter_that_drifted_and_a_place_that_vanished_are_seen(scene):
    campaign, ledger, _lines = scene
    answered = Item.objects.filter(campaign=campaign, counted__gt=0).first()
    Item.objects.filter(pk=answered.pk).update(counted=F("counted") - 1)
    assert red(campaign, ledger) == {"counters that drifted": 1, "places lost or made up": 1}
    Item.objects.filter(pk=answered.pk).update(counted=F("counted") + 1)
    slot = Slot.objects.filter(campaign_id=campaign.pk).first()
    Slot.objects.filter(pk=slot.pk).delete()
    assert red(campaign, ledger) == {"places lost or made up": 1}
