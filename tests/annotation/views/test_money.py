"""The page of a campaign's money, and what a labeler reads of it."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.assignment.services import lease_next
from annotation.ledger.models import LedgerEntry
from tests.cast import make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def sign_in(user) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_terms_a_bonus_a_payout_and_its_undoing(cast):
    campaign = make_campaign(cast, items=3)
    adam, lena = sign_in(cast.adam), sign_in(cast.lena)
    address = reverse("campaign_money", args=[campaign.slug])
    assert b"Payouts" not in adam.get(address).content
    given = {
        "version": campaign.version,
        "pay_per": "answer",
        "currency": "EUR",
        "rate": "0.25",
        "budget": "2",
        "pays_late": "on",
    }
    bad = adam.post(address, {**given, "rate": "free"})
    assert bad.status_code == 422 and b"A decimal number such as 0.12" in bad.content
    assert adam.post(address, given).status_code == 302
    stale = adam.post(address, {**given, "rate": "0.5"})
    assert stale.status_code == 412 and b'value="0.5"' in stale.content
    again = re.search(r'name="version" value="(\d+)"', stale.content.decode())
    assert int(again[1]) == campaign.version + 1
    campaign.refresh_from_db()
    for _turn in range(2):
        send(lease_next(labeler=cast.lena, campaign=campaign))
    text = adam.get(address).content.decode()
    assert "0.50 EUR" in text and "of 2.00 EUR" in text and "lena" in text
    key = re.search(r'name="key" value="([0-9a-f-]{36})" id="grant_key"', text)[1]
    grant = {"key": key, "labeler": "lena", "kind": "bonus", "amount": "1", "note": "hard ones"}
    refused = adam.post(reverse("campaign_grant", args=[campaign.slug]), {**grant, "labeler": "nobody\x00"})
    assert refused.status_code == 422
    for _twice in range(2):
        assert adam.post(reverse("campaign_grant", args=[campaign.slug]), grant).status_code == 302
    mine = lena.get(reverse("my_work")).content.decode()
    assert mine.count("1.50 EUR") == 2  # earned, and still to be paid
    key = re.search(r'name="key" value="([0-9a-f-]{36})" id="payout_key"', text)[1]
    pay = {"key": key, "until": timezone.now().date().isoformat()}
    nothing = adam.post(reverse("campaign_payouts", args=[campaign.slug]), {**pay, "until": "2020-01-01"})
    assert nothing.status_code == 409 and b"Nobody is owed" in nothing.content
    assert adam.post(reverse("campaign_payouts", args=[campaign.slug]), pay).status_code == 302
    payout = campaign.payouts.get()
    file = adam.get(reverse("campaign_payout", args=[campaign.slug, payout.pk]))
    assert f'filename="{campaign.slug}-payout-{payout.pk}.csv"' in file["Content-Disposition"]
    assert b"lena,,2" in b"".join(file.streaming_content)
    assert "0.00 EUR" in lena.get(reverse("my_work")).content.decode()
    undo = reverse("campaign_payout_undo", args=[campaign.slug, payout.pk])
    assert adam.post(undo).status_code == adam.post(undo).status_code == 302
    assert LedgerEntry.objects.filter(kind="undo").count() == 1
    assert b"taken back" in adam.get(address).content
    assert b"ledger" in lena.get(reverse("my_data")).content
