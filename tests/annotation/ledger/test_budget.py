"""The budget stops a campaign, once, and many who lease at the same time do not get past it."""

import datetime as dt
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from annotation.assignment.models import Assignment
from annotation.assignment.services import assign_item, lease_next, release_expired
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import open_campaign
from annotation.errors import Conflict
from annotation.ledger import budget
from annotation.ledger.models import LedgerEntry
from annotation.ledger.services import set_terms
from annotation.people.models import AuditEvent
from annotation.rollups.services import fold_all
from annotation.submissions.models import Submission
from annotation.tasks import fold_counts
from tests.cast import Cast, make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db(transaction=True)


def paying(cast: Cast, campaign: Campaign, limit: str) -> Campaign:
    campaign.refresh_from_db()
    return set_terms(
        actor=cast.adam, campaign=campaign, version=campaign.version, currency="EUR", pay_per="answer", rate="0.10",
        budget=limit, pays_late=True,
    )  # fmt: skip


def pauses(campaign: Campaign) -> list[dict]:
    return list(
        AuditEvent.objects.filter(campaign=campaign, action="campaign.pause").values_list("after", flat=True)
    )


def test_the_last_answer_that_can_be_paid_is_the_last_lease() -> None:
    cast = make_cast()
    campaign = paying(cast, make_campaign(cast, items=9, overlap=1), "0.35")
    for _turn in range(2):
        send(lease_next(labeler=cast.lena, campaign=campaign))
    held = lease_next(labeler=cast.lena, campaign=campaign)  # 0.20 spent, 0.10 committed, 0.05 left
    assert lease_next(labeler=cast.otto, campaign=campaign) is None
    campaign.refresh_from_db()
    assert (campaign.state, campaign.paused_for) == ("paused", "budget")
    assert pauses(campaign) == [
        {"state": "paused", "reason": "budget", "spent_micros": 200_000, "committed_micros": 100_000,
         "budget_micros": 350_000}
    ]  # fmt: skip
    assert lease_next(labeler=cast.lena, campaign=campaign).pk == held.pk
    assert send(held).status == "counted"  # what is on a screen may be sent
    with pytest.raises(Conflict) as refused:
        open_campaign(actor=cast.adam, campaign=campaign)
    assert refused.value.code == "budget_used_up"
    campaign = open_campaign(actor=cast.adam, campaign=paying(cast, campaign, "0.40"))
    assert campaign.paused_for == ""
    item = campaign.items.filter(counted=0).first()
    assign_item(actor=cast.adam, campaign=campaign, item_id=item.pk, labeler=cast.otto)
    with pytest.raises(Conflict) as refused:
        assign_item(
            actor=cast.adam,
            campaign=campaign,
            item_id=campaign.items.filter(counted=0).last().pk,
            labeler=cast.otto,
        )
    assert refused.value.code == "budget_used_up"
    assert fold_counts() > 0 and fold_counts() == 0  # the worker stops what nobody asks for, once
    campaign.refresh_from_db()
    assert campaign.state == "paused" and len(pauses(campaign)) == 2
    assert sum(LedgerEntry.objects.values_list("micros", flat=True)) == 300_000


@pytest.mark.parametrize("near", [budget.NEAR, 0])
def test_twelve_at_once_overshoot_by_no_more_than_the_leases_that_were_out(near, monkeypatch) -> None:
    """With leases given out one after the other near the end, nothing is overshot but by late answers; without that, by
    the leases that were taken at the same moment."""
    monkeypatch.setattr(budget, "NEAR", near)
    cast = make_cast()
    campaign = paying(cast, make_campaign(cast, items=40, overlap=2), "2.00")
    labelers = make_labelers(campaign, 12)
    start = threading.Barrier(12)

    def label(n: int) -> int:
        start.wait()
        mine = Campaign.objects.get(pk=campaign.pk)
        while (assignment := lease_next(labeler=labelers[n], campaign=mine)) is not None:
            if n == 0:  # gives up this one, and sends it after all when its time is over
                connections.close_all()
                return assignment.pk
            send(assignment)
        connections.close_all()
        return 0

    with ThreadPoolExecutor(12) as pool:
        left = [pk for pk in pool.map(label, range(12)) if pk]
    fold_all()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.paused_for, len(pauses(campaign))) == ("paused", "budget", 1)
    spent = sum(LedgerEntry.objects.values_list("micros", flat=True))
    assert Submission.objects.count() == LedgerEntry.objects.count() == spent // 100_000
    if near:
        assert spent + 100_000 * len(left) == 2_000_000
    else:
        assert 2_000_000 <= spent + 100_000 * len(left) <= 2_000_000 + 11 * 100_000
    Assignment.objects.filter(pk__in=left).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    release_expired()
    for assignment in Assignment.objects.filter(pk__in=left).select_related("campaign"):
        send(assignment)
    fold_all()
    by_submission = Counter(LedgerEntry.objects.values_list("submission_id", flat=True))
    assert set(by_submission.values()) == {1}
    assert LedgerEntry.objects.count() == Submission.objects.count()
