"""How labelers do on gold items is kept with each answer: by hand, against a recount, and a page costs a page."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.assignment.services import lease_next
from annotation.campaigns.services import change_campaign
from annotation.gold import tallies
from annotation.gold.models import GoldTally
from annotation.gold.selectors import gold_reports
from annotation.people.erasure import erase_person
from annotation.submissions.services import reopen_last
from tests.annotation.gold.test_services import PAIR, aside, say
from tests.cast import make_campaign, make_cast, make_labelers

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def answered(cast, strengths, **changes):
    """Three gold items whose first response is expected to lose by 3; each labeler says one strength after the other.

    Squared difference over 6²: -3 is 1 close, 0 is 0.75, 3 is 0. Work comes between, and the last answer is a gold one.
    """
    campaign = make_campaign(cast, items=63, overlap=len(strengths), protocol=PAIR)
    aside(cast, campaign, 3)
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"gold_share": 0.5, **changes}
    )
    labelers = [cast.lena, cast.otto, *make_labelers(campaign, len(strengths) - 2)]
    for labeler, mine in zip(labelers, strengths, strict=True):
        left = list(mine)
        while left:
            lease = lease_next(labeler=labeler, campaign=campaign)
            say(lease, left.pop(0) if lease.item.purpose == "gold" else 0)
    return campaign, labelers


def told(campaign, **page):
    return [
        (r.user.username, r.answers, pytest.approx(r.mean), r.latest.answers, pytest.approx(r.latest.mean))
        for r in gold_reports(campaign, **page)
    ]


def test_a_row_by_hand_that_follows_a_correction_another_window_and_an_erasure(cast):
    campaign, _people = answered(cast, [(-3, -3, 3), (3, 0, 0)], gold_window=2)
    # lena: 1, 1, 0, the latest two 1 and 0; otto: 0, 0.75, 0.75, the latest two 0.75.
    lena, otto = ("lena", 3, 2 / 3, 2, 0.5), ("otto", 3, 0.5, 2, 0.75)
    assert told(campaign) == [lena, otto] and tallies.differences() == []
    campaign = change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"gold_window": 3}
    )
    assert told(campaign) == [("otto", 3, 0.5, 3, 0.5), ("lena", 3, 2 / 3, 3, 2 / 3)]
    last = reopen_last(labeler=cast.lena, campaign=campaign)
    say(last.assignment, -3, revises=last.pk)  # the 3
    assert told(campaign)[1] == ("lena", 3, 1.0, 3, 1.0)
    assert tallies.differences() == []
    erase_person(user=cast.otto, actor=cast.adam)
    assert [name for name, *_rest in told(campaign)] == ["lena"] and tallies.differences() == []


def test_pages_follow_each_other_and_read_no_more_than_they_show(cast, django_assert_num_queries):
    campaign, people = answered(cast, [(3,) * 3, (-3,) * 3, (0,) * 3, (3,) * 3])
    names = [people[n].username for n in (0, 3, 2, 1)]  # 0, 0, 0.75, 1; of two alike the one who came first
    seen, after = [], None
    with django_assert_num_queries(4 * 3 + 1):
        while page := gold_reports(campaign, after=after, size=1):
            seen.append(page[0].user.username)
            after = (page[0].latest.mean, page[0].user.pk)
    assert seen == names
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = GoldTally.objects.filter(campaign_id=campaign.pk).order_by("latest_mean", "labeler_id")
    plan = rows[:2].explain()
    assert "gold_tally_lowest" in plan and "Sort" not in plan


def test_a_difference_is_found_told_and_repaired(cast, capsys):
    campaign, _people = answered(cast, [(-3,) * 3, (3,) * 3])
    call_command("recount")
    before = told(campaign)
    GoldTally.objects.filter(labeler_id=cast.lena.pk).update(mean=0.1)
    GoldTally.objects.filter(labeler_id=cast.otto.pk).delete()
    GoldTally.objects.create(
        campaign_id=campaign.pk, labeler_id=cast.stan.pk, answers=1, mean=0, latest_answers=1, latest_mean=0
    )
    with pytest.raises(CommandError, match="3 rows"):
        call_command("recount")
    call_command("recount", "--repair")
    assert told(campaign) == before and tallies.differences() == []
    assert "annotation_goldtally" in capsys.readouterr().out
