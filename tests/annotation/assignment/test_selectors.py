"""The order of responses on a screen, and whose clock counts."""

import datetime as dt
import math

import pytest
from django.db import connection
from django.utils import timezone

from annotation.assignment.selectors import held_by, open_flags, order_for
from annotation.assignment.services import flag, heartbeat, lease_next, release_expired
from tests.cast import make_campaign, make_cast


def test_no_place_is_favoured():  # I-6
    """10,000 seeds: how often the first of two, and each of three, comes first; within three standard deviations."""
    for ids in ([17, 18], [5, 900, 31]):
        n, share = 10_000, 1 / len(ids)
        bound = 3 * math.sqrt(n * share * (1 - share))
        firsts = [order_for(seed * 7919, ids)[0] for seed in range(n)]
        assert all(abs(firsts.count(i) - n * share) < bound for i in ids)


@pytest.mark.django_db
def test_the_database_gives_the_order_of_the_seed():
    with connection.cursor() as cursor:
        for seed, ids in ((0, [1, 2, 3, 4]), (2**62 - 1, [10, 9, 8]), (12345, [2**40, 7])):
            cursor.execute(
                "SELECT array_agg(i ORDER BY sha256(convert_to(%s::bigint || ':' || i, 'UTF8')))"
                " FROM unnest(%s::bigint[]) i",
                [seed, ids],
            )
            assert cursor.fetchone()[0] == order_for(seed, ids)


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-2, 2])
def test_only_the_clock_of_the_database_counts(monkeypatch, hours):  # I-36
    cast = make_cast()
    campaign = make_campaign(cast, items=1)
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + dt.timedelta(hours=hours))
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    assert abs((assignment.lease_until - real()).total_seconds() - campaign.lease_s) < 60
    assert release_expired() == 0
    kept = heartbeat(labeler=cast.lena, assignment_id=assignment.pk)
    assert abs((kept.lease_until - real()).total_seconds() - campaign.lease_s) < 60


@pytest.mark.django_db
def test_what_is_held_and_what_is_flagged():
    cast = make_cast()
    campaign = make_campaign(cast, items=3)
    first = lease_next(labeler=cast.lena, campaign=campaign)
    second = lease_next(labeler=cast.lena, campaign=campaign, beyond=[first.pk])
    assert list(held_by(cast.lena, campaign)) == [first, second] and not held_by(cast.otto, campaign)
    report = flag(labeler=cast.lena, assignment_id=first.pk, reason="broken")
    assert list(open_flags(campaign)) == [report]
