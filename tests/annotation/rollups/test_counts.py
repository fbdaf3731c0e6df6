"""The counts that pages read are what the rows say: after every kind of write, folded or not, and after an accident."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.assignment.models import Assignment
from annotation.assignment.services import flag, lease_next, release_expired, resolve_flag, skip
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import change_campaign
from annotation.people.erasure import erase_person
from annotation.rollups import selectors
from annotation.rollups.models import CampaignTally, LabelerDay, TallyChange
from annotation.rollups.selectors import Work
from annotation.rollups.services import differences, fold, fold_all, repair
from tests.cast import Cast, add_some_items, make_campaign, make_cast, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def worked(cast: Cast) -> Campaign:
    """Two items with overlap 2, then one more; by hand:

    lena answers one item (4.2 s active, 10 s in all), corrects it, reports it twice;
    otto skips one and answers another late.
    """
    campaign = make_campaign(cast, items=2, overlap=2)
    first = lease_next(labeler=cast.lena, campaign=campaign)
    Assignment.objects.filter(pk=first.pk).update(first_render_at=timezone.now() - dt.timedelta(seconds=10))
    flag(labeler=cast.lena, assignment_id=first.pk, reason="broken")
    flag(labeler=cast.lena, assignment_id=first.pk, reason="other")
    sent = send(first)
    send(first, seed=1, revises=sent.pk)
    passed = lease_next(labeler=cast.otto, campaign=campaign)
    skip(labeler=cast.otto, assignment_id=passed.pk, reason="unclear")
    late = lease_next(labeler=cast.otto, campaign=campaign)
    Assignment.objects.filter(pk=late.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert release_expired() == 1
    Campaign.objects.filter(pk=campaign.pk).update(state="closed")
    assert send(Assignment.objects.select_related("campaign").get(pk=late.pk)).status == "late"
    Campaign.objects.filter(pk=campaign.pk).update(state="open")
    add_some_items(campaign, 1, start=5)
    return campaign


def check(campaign: Campaign, cast: Cast) -> None:
    n = selectors.counts(campaign.pk)
    assert (n["items"], n["wanted"], n["complete"], n["begun"], n["withdrawn"]) == (3, 6, 0, 1, 0)
    assert (n["counted"], n["late"], n["revised"], n["skipped"], n["flagged"], n["open_flags"]) == (
        1,
        1,
        1,
        1,
        2,
        2,
    )
    assert selectors.reasons(campaign.pk) == {
        "skip:unclear": 1, "flag:broken": 1, "flag:other": 1, "open:broken": 1, "open:other": 1,
    }  # fmt: skip
    work = selectors.work_of_labelers(campaign.pk)
    lena, otto = work[cast.lena.pk], work[cast.otto.pk]
    assert (lena.counted, lena.revised, lena.flagged, lena.timed, lena.active_ms) == (1, 1, 2, 1, 4200)
    assert 5800 <= lena.idle_ms < 60_000  # 10 s and the test's own
    assert (otto.late, otto.skipped, otto.answers, otto.timed, otto.idle_ms) == (1, 1, 1, 1, 0)
    assert [w for _day, w in selectors.own_days(cast.lena.pk, campaign.pk)] == [lena]
    hours = selectors.work_of_hours(campaign.pk, timezone.now() - dt.timedelta(hours=2))
    assert [sum(w.answers for _h, w in hours), sum(w.active_ms for _h, w in hours)] == [2, 8400]
    assert differences() == []


def test_every_write_is_counted_before_it_is_folded_and_after(cast):
    campaign = worked(cast)
    assert not CampaignTally.objects.exists()
    check(campaign, cast)
    assert fold(limit=3) == 3
    check(campaign, cast)
    assert fold_all() > 3 and not TallyChange.objects.exists() and fold_all() == 0
    check(campaign, cast)
    assert LabelerDay.objects.get(labeler_id=cast.lena.pk).counted == 1


def test_withdrawals_a_new_overlap_and_an_erasure_are_followed(cast):
    campaign = worked(cast)
    report = cast.lena.assignments.get().flags.first()
    resolve_flag(actor=cast.adam, flag=report, withdraw=True)
    change_campaign(actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": 3})
    fold_all()
    n = selectors.counts(campaign.pk)
    assert (n["withdrawn"], n["wanted"], n["begun"], n["open_flags"], n["flagged"]) == (1, 6, 0, 0, 2)
    erase_person(user=cast.lena, actor=None, note=False)
    n = selectors.counts(campaign.pk)
    assert (n["counted"], n["late"], n["revised"], n["flagged"], n["active_ms"]) == (0, 1, 0, 0, 4200)
    fold_all()
    assert selectors.work_of_labelers(campaign.pk)[cast.lena.pk] == Work()
    assert differences() == []


def test_a_difference_is_found_told_and_repaired(cast, capsys):
    campaign = worked(cast)
    fold_all()
    call_command("recount")
    CampaignTally.objects.update(items=5, counted=0)
    LabelerDay.objects.filter(labeler_id=cast.otto.pk).delete()
    found = {(d.table, d.missing.get("items"), d.missing.get("counted")) for d in differences()}
    assert ("annotation_campaigntally", -2, 1) in found and len(found) == 2
    with pytest.raises(CommandError, match="2 rows"):
        call_command("recount")
    send(lease_next(labeler=cast.lena, campaign=campaign))  # not folded yet, and no part of the damage
    assert repair() == 2 and differences() == [] and repair() == 0
    fold_all()
    assert differences() == [] and selectors.counts(campaign.pk)["counted"] == 2
    assert "missing" in capsys.readouterr().out
