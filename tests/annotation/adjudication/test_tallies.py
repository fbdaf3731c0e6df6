"""Errors by labeler are counted as reviewers decide: by hand, against a recount, and a page costs a page."""

import pytest
from django.core.management import call_command
from django.db import connection

from annotation.adjudication import selectors, tallies
from annotation.adjudication.models import ErrorTally
from annotation.assignment.services import lease_next
from annotation.people.erasure import erase_person
from tests.annotation.adjudication.test_services import disputed, graded, settle
from tests.cast import add_some_items, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def told(campaign, **page):
    return [
        (e.labeler.username, e.overruled, e.counts) for e in selectors.errors_by_labeler(campaign, **page)
    ]


def overruled(cast):
    """Two items that lena, otto and a third answered: the third is chosen on both, the others are overruled."""
    campaign, first, sent = disputed(cast, (1, 2, 5))
    add_some_items(campaign, 1, start=5)
    second = [graded(lease_next(labeler=s.labeler, campaign=campaign), 1 + n) for n, s in enumerate(sent)]
    item = second[0].item
    item.campaign = campaign
    one = settle(cast, first, chosen=sent[2].pk, errors={sent[0].pk: "misread", sent[1].pk: "style"})
    settle(cast, item, chosen=second[2].pk, errors={second[0].pk: "facts"})
    return campaign, first, sent, one


def test_errors_follow_another_decision_and_an_erasure(cast):
    campaign, item, sent, one = overruled(cast)
    assert told(campaign) == [("lena", 2, {"misread": 1, "facts": 1}), ("otto", 1, {"style": 1})]
    settle(cast, item, chosen=sent[0].pk, seen=one.pk, errors={sent[1].pk: "facts", sent[2].pk: "facts"})
    third = sent[2].labeler.username
    assert told(campaign) == [("lena", 1, {"facts": 1}), ("otto", 1, {"facts": 1}), (third, 1, {"facts": 1})]
    assert tallies.differences() == []
    erase_person(user=cast.otto, actor=cast.adam)
    assert [name for name, *_rest in told(campaign)] == ["lena", third] and tallies.differences() == []


def test_pages_follow_each_other_and_read_no_more_than_they_show(cast, django_assert_num_queries):
    campaign, *_rest = overruled(cast)
    seen, after = [], None
    with django_assert_num_queries(2 * 3 + 1):
        while page := selectors.errors_by_labeler(campaign, after=after, size=1):
            seen.append(page[0].labeler.username)
            after = (page[0].overruled, page[0].labeler.pk)
    assert seen == ["lena", "otto"]
    for odd in ((1e300, 1), (-1e300, 1), (0.5, 10**17)):
        assert isinstance(selectors.errors_by_labeler(campaign, after=odd), list)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = ErrorTally.objects.filter(campaign_id=campaign.pk, category="", n__gt=0)
    plan = rows.order_by("-n", "labeler_id")[:2].explain()
    assert "error_tally_most" in plan and "Sort" not in plan


def test_a_difference_is_found_and_repaired(cast):
    campaign, *_rest = overruled(cast)
    before = told(campaign)
    ErrorTally.objects.filter(labeler_id=cast.lena.pk, category="facts").update(n=7)
    ErrorTally.objects.filter(labeler_id=cast.otto.pk).delete()
    assert {(d.keys["labeler_id"], d.keys["category"], d.missing["n"]) for d in tallies.differences()} == {
        (cast.lena.pk, "facts", -6), (cast.otto.pk, "style", 1), (cast.otto.pk, "", 1),
    }  # fmt: skip
    call_command("recount", "--repair")
    assert told(campaign) == before and tallies.differences() == []
