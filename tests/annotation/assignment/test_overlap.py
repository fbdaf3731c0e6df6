"""Another overlap in a large campaign: a worker gives it to the items batch after batch, while people answer."""

import threading

import pytest
from django.db import connection, transaction
from django.db.models import Count

from annotation.assignment import order, queue, services, strategies
from annotation.assignment.models import QueueState, Slot
from annotation.campaigns.services import change_campaign
from annotation.errors import Conflict
from annotation.items.models import Item
from tests.cast import make_campaign, make_cast, make_labelers, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(monkeypatch):
    monkeypatch.setattr(services, "AT_ONCE", 3)
    monkeypatch.setattr(order, "BATCH", 2)
    return make_cast()


def change(cast, campaign, overlap):
    campaign.refresh_from_db()
    return change_campaign(
        actor=cast.adam, campaign=campaign, version=campaign.version, changes={"overlap": overlap}
    )


def step(campaign) -> bool:
    """One batch, as the worker does it."""
    return order.spread_overlap(campaign.pk, strategy=strategies.get(campaign.strategy))


def overlaps(campaign) -> list[int]:
    return list(campaign.items.order_by("pk").values_list("overlap", flat=True))


def places(campaign) -> dict[int, int]:
    rows = Slot.objects.filter(campaign_id=campaign.pk).values("item_id").annotate(n=Count("*"))
    return {row["item_id"]: row["n"] for row in rows}


def answer_items(campaign, labeler, n) -> list[int]:
    answered = []
    for _turn in range(n):
        lease = services.lease_next(labeler=labeler, campaign=campaign)
        answered.append(send(lease).item_id)
    return answered


def test_a_small_campaign_has_it_at_once(cast):
    campaign = make_campaign(cast, items=3, overlap=1)

    change(cast, campaign, 2)

    assert overlaps(campaign) == [2, 2, 2] and sorted(places(campaign).values()) == [2, 2, 2]
    assert not QueueState.objects.filter(overlap_to__isnull=False).exists()


def test_a_large_one_gets_it_batch_after_batch(cast):
    campaign = make_campaign(cast, items=5, overlap=1)

    change(cast, campaign, 3)

    campaign.refresh_from_db()
    assert campaign.overlap == 3 and overlaps(campaign) == [1] * 5
    assert step(campaign) and overlaps(campaign) == [3, 3, 1, 1, 1]
    services.order_queues()
    assert overlaps(campaign) == [3] * 5 and set(places(campaign).values()) == {3}
    state = QueueState.objects.get(pk=campaign.pk)
    assert (state.overlap_to, state.overlap_after) == (None, None)
    assert state.ordered_at is not None and state.order_due_at is None  # and the queue was put in order


def test_lowered_it_takes_free_places_and_keeps_answers_that_came_before_its_turn(cast):
    campaign = make_campaign(cast, items=5, overlap=4)
    answer_items(campaign, cast.lena, 5)
    change(cast, campaign, 1)
    assert step(campaign)  # the first two have it
    for labeler in (cast.otto, *make_labelers(campaign, 1)):
        answer_items(campaign, labeler, 1)  # of the other three, which still want four

    services.order_queues()

    rows = list(campaign.items.order_by("pk").values_list("counted", "overlap", "has_own_overlap"))
    assert sum(counted for counted, _overlap, _own in rows) == 7
    assert all(overlap == max(1, counted) and own == (counted > 1) for counted, overlap, own in rows)
    assert places(campaign) == {}


def test_below_the_answers_that_there_are_it_is_refused(cast):
    campaign = make_campaign(cast, items=5, overlap=2)
    answer_items(campaign, cast.lena, 5)
    answer_items(campaign, cast.otto, 5)

    with pytest.raises(Conflict) as refused:
        change(cast, campaign, 1)

    assert refused.value.code == "overlap_below_counted" and refused.value.extra == {"counted": 2}
    assert not QueueState.objects.filter(overlap_to__isnull=False).exists()


def test_another_wish_meanwhile_begins_anew(cast):
    campaign = make_campaign(cast, items=5, overlap=1)
    change(cast, campaign, 3)
    assert step(campaign) and step(campaign)

    change(cast, campaign, 2)
    services.order_queues()

    assert overlaps(campaign) == [2] * 5 and set(places(campaign).values()) == {2}


@pytest.mark.django_db(transaction=True)
def test_a_wish_that_comes_while_a_batch_is_under_way_is_not_lost(cast, monkeypatch):
    """The batch has read the former wish; what it did must not count as the new one."""
    campaign = make_campaign(cast, items=5, overlap=1)
    change(cast, campaign, 3)
    begun, go_on = threading.Event(), threading.Event()
    lock_items = queue.lock_items

    def slow(ids):
        if not begun.is_set():
            begun.set()
            assert go_on.wait(20)
        lock_items(ids)

    monkeypatch.setattr(order, "lock_items", slow)

    def batch():
        try:
            step(campaign)
        finally:
            connection.close()

    worker = threading.Thread(target=batch)
    worker.start()
    assert begun.wait(20)
    change(cast, campaign, 2)
    go_on.set()
    worker.join(20)

    assert overlaps(campaign) == [1] * 5  # nothing of the overtaken batch is kept
    services.order_queues()
    assert overlaps(campaign) == [2] * 5 and set(places(campaign).values()) == {2}


@pytest.mark.django_db(transaction=True)
def test_one_worker_is_at_it_at_a_time(cast):
    campaign = make_campaign(cast, items=5, overlap=1)
    change(cast, campaign, 2)
    found = []

    def other():
        try:
            found.append(step(campaign))
        finally:
            connection.close()

    with transaction.atomic():
        assert step(campaign)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(20)

    assert found == [False] and overlaps(campaign) == [2, 2, 1, 1, 1]


def test_items_that_come_in_meanwhile_have_it_already(cast):
    campaign = make_campaign(cast, items=5, overlap=1)
    change(cast, campaign, 2)
    from tests.cast import add_some_items

    add_some_items(campaign, 2)
    assert overlaps(campaign) == [1] * 5 + [2] * 2

    services.order_queues()

    assert overlaps(campaign) == [2] * 7 and set(places(campaign).values()) == {2}


def test_the_overview_says_that_it_is_under_way(client, cast):
    campaign = make_campaign(cast, items=5, overlap=1)
    client.force_login(cast.adam)
    sentence = "A worker is giving every item the new overlap of 2"
    change(cast, campaign, 2)
    assert sentence in client.get(f"/campaigns/{campaign.slug}/").content.decode()

    services.order_queues()

    assert sentence not in client.get(f"/campaigns/{campaign.slug}/").content.decode()
    assert Item.objects.filter(campaign=campaign, overlap=2).count() == 5
