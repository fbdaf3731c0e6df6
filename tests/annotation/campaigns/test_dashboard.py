"""When a campaign will be done, and who may need help: numbers by hand."""

import datetime as dt

import pytest

from annotation.assignment.services import lease_next
from annotation.campaigns.dashboard import days_of, in_need
from annotation.campaigns.forecast import forecast, units_of
from annotation.gold.models import GoldScore
from annotation.quality.models import QualityReport
from annotation.quality.stored import Worth, worth
from annotation.rollups.models import CampaignHour
from annotation.rollups.selectors import Work
from tests.cast import make_campaign, make_cast, make_labelers, send

NOW = dt.datetime(2026, 11, 27, 12, 30, tzinfo=dt.UTC)


def ago(hours: float) -> dt.datetime:
    return (NOW - dt.timedelta(hours=hours)).replace(minute=0)


def test_the_past_is_cut_into_days_or_hours_that_end_now():
    assert units_of([], NOW) == ([], 1.0)
    assert units_of([(ago(0), 6)], NOW) == ([6], 0.5)  # half an hour old
    assert units_of([(ago(3), 4), (ago(2), 0), (ago(1), 5), (ago(0), 1)], NOW) == ([4, 5, 1], 1.0)
    young = [(ago(95), 1), (ago(1), 1)]  # not four days yet
    assert units_of(young, NOW)[1] == 1.0
    old = [(ago(97), 3), (ago(96), 2), (ago(30), 7), (ago(0), 8)]
    assert units_of(old, NOW) == ([5, 0, 7, 8], 24.0)


def test_the_interval_is_that_of_the_formula():
    found = forecast([8, 12, 8, 12], unit_h=24, left=100)
    # m = 10, s² = 16/3, t(3) = 3.182: (100 - 54.0/4) T² - (2000 + 54.0) T + 10000 = 0
    assert found.hours == 240 and found.pace == pytest.approx(10 / 24)
    assert found.low == pytest.approx(6.837 * 24, rel=1e-3) and found.high == pytest.approx(
        16.91 * 24, rel=1e-3
    )
    steady = forecast([10, 10, 10], unit_h=1, left=55)
    assert steady.hours == steady.low == steady.high == 5.5
    unsure = forecast([0, 30], unit_h=1, left=10)
    assert unsure.high is None and 0 < unsure.low < unsure.hours
    assert forecast([4], unit_h=0.5, left=16).hours == 2 and forecast([4], unit_h=0.5, left=16).low is None
    assert forecast([], unit_h=1, left=5).hours is None and forecast([3, 4], unit_h=1, left=0).hours == 0


@pytest.mark.django_db
def test_days_without_work_are_there_and_help_is_offered_to_whom_it_may_serve():
    campaign = make_campaign(make_cast(), items=0)
    today = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    for back, n in ((2, 5), (0, 7)):
        CampaignHour.objects.create(campaign_id=campaign.pk, hour=today - dt.timedelta(days=back), counted=n)
    CampaignHour.objects.create(campaign_id=campaign.pk, hour=today - dt.timedelta(days=40), counted=9)
    assert [w.answers for _day, w in days_of(campaign)] == [5, 0, 7]
    fast, fussy, slow, fine = make_labelers(campaign, 4)
    needs = in_need(
        {
            fine.pk: Work(counted=100, timed=100, active_ms=1_000_000),
            fast.pk: Work(counted=40, timed=40, active_ms=40_000),  # 1 s each, the others need 10 s
            fussy.pk: Work(counted=20, skipped=10, timed=20, active_ms=200_000),
            slow.pk: Work(counted=15, late=5, skipped=20, timed=20, active_ms=200_000),
        }
    )
    assert [(n.user, n.why) for n in needs] == [
        (slow, ("skips", "late")),
        (fast, ("hasty",)),
        (fussy, ("skips",)),
    ]


@pytest.mark.django_db
def test_the_worth_of_answers_is_what_was_stored():
    cast = make_cast()
    campaign = make_campaign(cast, items=1)
    assert worth(campaign) == Worth([], None, 0)
    sent = send(lease_next(labeler=cast.lena, campaign=campaign))
    for question, score in (("better", 1.0), ("grade", 0.5)):
        GoldScore.objects.create(
            submission=sent,
            campaign=campaign,
            labeler=cast.lena,
            question=question,
            type="critique",
            score=score,
        )
    figures = {"question": "better", "alpha": 0.61, "low": 0.5, "high": 0.7}
    QualityReport.objects.create(campaign=campaign, statistic="agreement", data={"questions": [figures]})
    assert worth(campaign) == Worth([("Which is better?", 0.61, 0.5, 0.7)], 0.75, 2)
