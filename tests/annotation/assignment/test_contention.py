"""Many at once, on committed rows: threads and processes with connections of their own."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg.errors
import pytest
from django.db import OperationalError, connection, connections
from django.db.models import F
from django.utils import timezone

from annotation.assignment import services
from annotation.assignment.models import Assignment, Slot
from annotation.campaigns.models import Campaign
from annotation.campaigns.services import change_campaign
from annotation.errors import Conflict, Gone
from annotation.items.models import Item
from annotation.people.models import Invitation, Membership
from annotation.people.services import accept_invitation, invite
from annotation.submissions.models import Feedback, Submission
from annotation.transactions import in_transaction
from tests.cast import Cast, add_some_items, make_campaign, make_cast, make_labelers, make_user, send

pytestmark = pytest.mark.django_db(transaction=True)


class Crowd:
    """Threads that start together; each keeps a database connection of its own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pool = ThreadPoolExecutor(size)

    def run(self, act: Callable[[int], Any]) -> list[Any]:
        """What each of them got: a result or the exception."""
        barrier = threading.Barrier(self.size)

        def one(n: int) -> Any:
            barrier.wait()
            try:
                return act(n)
            except Exception as error:
                return error

        return list(self.pool.map(one, range(self.size)))

    def leave(self) -> None:
        self.run(lambda n: connections.close_all())
        self.pool.shutdown()


@pytest.fixture
def crowd() -> Iterator[Callable[[int], Crowd]]:
    crowds: list[Crowd] = []

    def gather(size: int) -> Crowd:
        crowds.append(Crowd(size))
        return crowds[-1]

    yield gather
    for one in crowds:
        one.leave()


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def check_invariants(campaign: Campaign) -> None:
    """Nothing counted beyond the overlap, every open place in the queue, nobody twice."""
    slots = Counter(Slot.objects.filter(campaign_id=campaign.pk).values_list("item_id", flat=True))
    leases = Counter(Assignment.objects.filter(campaign=campaign, state=1).values_list("item_id", flat=True))
    counted = Counter(
        Submission.objects.filter(campaign=campaign, status="counted", revision=0).values_list(
            "item_id", flat=True
        )
    )
    for item in Item.objects.filter(campaign=campaign):
        assert item.counted == counted[item.pk] <= item.overlap
        assert slots[item.pk] == max(0, item.overlap - item.counted - leases[item.pk])
    pairs = Submission.objects.filter(campaign=campaign, revision=0).values_list("item_id", "labeler_id")
    assert len(pairs) == len(set(pairs))


def raised(results: Sequence[Any]) -> list[Any]:
    return [r for r in results if isinstance(r, Exception)]


def test_32_labelers_on_one_item_a_hundred_times(cast, crowd):  # I-3, B47
    campaign, threads = make_campaign(cast, items=0, overlap=1), crowd(32)
    labelers = make_labelers(campaign, 32)
    rng = random.Random(3)
    for n in range(100):
        overlap = rng.choice([1, 1, 2, 3])
        Campaign.objects.filter(pk=campaign.pk).update(overlap=overlap)
        (item_id,) = add_some_items(campaign, 1, start=n)

        def work(k: int) -> str | None:
            assignment = services.lease_next(labeler=labelers[k], campaign=campaign)
            return None if assignment is None else send(assignment).status

        results = threads.run(work)
        assert raised(results) == []
        assert Counter(results) == {"counted": overlap, None: 32 - overlap}
        assert Item.objects.get(pk=item_id).counted == overlap
    assert Slot.objects.count() == 0
    check_invariants(campaign)


def test_the_same_key_sixteen_times_at_once_is_one_row(cast, crowd):  # I-2
    campaign, threads = make_campaign(cast, items=10), crowd(16)
    for _round in range(10):
        assignment, key = services.lease_next(labeler=cast.lena, campaign=campaign), uuid.uuid4()
        results = threads.run(lambda n, assignment=assignment, key=key: send(assignment, key=key).pk)
        assert len(set(results)) == 1 and raised(results) == []
    assert Submission.objects.count() == 10 and Feedback.objects.count() == 30
    assert set(Item.objects.values_list("counted", flat=True)) == {1}


def test_sixteen_keys_at_once_are_one_row_and_fifteen_conflicts(cast, crowd):  # I-2, F5
    campaign, threads = make_campaign(cast, items=5, overlap=3), crowd(16)
    for _round in range(5):
        assignment = services.lease_next(labeler=cast.lena, campaign=campaign)
        results = threads.run(lambda n, assignment=assignment: send(assignment))
        sent = [r for r in results if isinstance(r, Submission)]
        assert len(sent) == 1
        assert {(type(r), r.code, r.extra["submission"]) for r in raised(results)} == {
            (Conflict, "already_sent", str(sent[0].pk))
        }
    check_invariants(campaign)


def test_two_tabs_get_the_same_item(cast, crowd):
    campaign, threads = make_campaign(cast, items=60), crowd(2)
    for _round in range(50):
        first, second = threads.run(lambda n: services.lease_next(labeler=cast.lena, campaign=campaign))
        assert first.pk == second.pk
        send(first)


def test_overlap_changes_while_people_work(cast, crowd):  # I-3
    campaign, threads = make_campaign(cast, items=30, overlap=2), crowd(7)
    labelers, rng = make_labelers(campaign, 6), random.Random(5)
    until = time.monotonic() + 3

    def work(k: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        if k == 6:
            while time.monotonic() < until:
                current = Campaign.objects.get(pk=campaign.pk)
                try:
                    change_campaign(
                        actor=cast.adam,
                        campaign=current,
                        version=current.version,
                        changes={"overlap": rng.randint(1, 5)},
                    )
                    seen["changed"] += 1
                except Conflict:
                    seen["refused"] += 1
                time.sleep(0.02)
            return seen
        own = random.Random(k)
        while time.monotonic() < until:
            assignment = services.lease_next(labeler=labelers[k], campaign=campaign)
            if assignment is None:
                time.sleep(0.005)
            elif own.random() < 0.2:
                services.skip(labeler=labelers[k], assignment_id=assignment.pk, reason="other")
            else:
                seen[send(assignment).status] += 1
        return seen

    results = threads.run(work)
    assert raised(results) == []
    assert results[6]["changed"] >= 3 and sum(r["counted"] for r in results) >= 30
    check_invariants(campaign)


def test_a_storm_of_everything_leaves_every_place_accounted_for(cast, crowd, monkeypatch):  # I-2 to I-5
    monkeypatch.setattr(services, "SKIPS_PER_MINUTE", 10**9)
    campaign, threads = make_campaign(cast, items=40, overlap=3), crowd(10)
    labelers = make_labelers(campaign, 9)
    until = time.monotonic() + 4

    def work(k: int) -> Counter[str]:
        own, seen, late = random.Random(k), Counter(), []
        while time.monotonic() < until:
            if k == 9:  # the sweep
                seen["released"] += services.release_expired()
                services.tend_queues()
                time.sleep(0.01)
                continue
            assignment = services.lease_next(labeler=labelers[k], campaign=campaign)
            chance = own.random()
            if assignment is None or (late and chance < 0.1):
                if late:
                    try:
                        seen[send(late.pop()).status] += 1
                    except Conflict as refused:
                        seen[refused.code] += 1
                continue
            if chance < 0.5:
                seen[send(assignment).status] += 1
            elif chance < 0.65:
                services.skip(labeler=labelers[k], assignment_id=assignment.pk, reason="other")
                seen["skipped"] += 1
            elif chance < 0.85:
                Assignment.objects.filter(pk=assignment.pk, state=1).update(
                    lease_until=timezone.now() - dt.timedelta(seconds=1)
                )
                late.append(assignment)
            else:
                try:
                    services.heartbeat(labeler=labelers[k], assignment_id=assignment.pk)
                except Conflict as refused:
                    seen[refused.code] += 1
        return seen

    results = threads.run(work)
    assert raised(results) == []
    totals = sum(results, Counter())
    assert totals["counted"] > 50 and totals["released"] > 5 and totals["skipped"] > 5
    check_invariants(campaign)
    Assignment.objects.filter(state=1).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    services.release_expired()
    check_invariants(campaign)
    newcomers = make_labelers(campaign, 3, "newcomer")  # what is open can be reached by whoever may
    for labeler in newcomers:
        while assignment := services.lease_next(labeler=labeler, campaign=campaign):
            send(assignment)
    assert not Item.objects.filter(counted__lt=F("overlap")).exists()


def test_the_last_place_of_an_invitation_goes_to_one_person(cast, crowd):  # B83
    campaign, threads = make_campaign(cast, items=0), crowd(12)
    guests = [make_user(f"guest-{n}") for n in range(12)]
    _invitation, token = invite(actor=cast.adam, campaign=campaign, max_uses=3)
    results = threads.run(lambda n: accept_invitation(user=guests[n], token=token))
    assert [type(r) for r in raised(results)] == [Gone] * 9
    assert Membership.objects.filter(user__username__startswith="guest").count() == 3
    assert Invitation.objects.get().uses == 3


def test_a_deadlock_is_tried_again(cast, crowd):  # F14
    campaign, threads = make_campaign(cast, items=2), crowd(2)
    ids = list(Item.objects.filter(campaign=campaign).order_by("id").values_list("pk", flat=True))
    calls: Counter[int] = Counter()
    both = threading.Barrier(2)

    @in_transaction
    def cross(n: int) -> int:
        calls[n] += 1
        Item.objects.select_for_update().get(pk=ids[n])
        if calls[n] == 1:
            both.wait(5)
        Item.objects.select_for_update().get(pk=ids[1 - n])
        return calls[n]

    results = threads.run(cross)
    assert raised(results) == [] and sorted(results) == [1, 2]

    @in_transaction
    def always() -> None:
        calls[9] += 1
        raise OperationalError("deadlock") from psycopg.errors.DeadlockDetected()

    with pytest.raises(OperationalError):
        always()
    assert calls[9] == 3


WORKER = """
import sys, uuid, django
django.setup()
from annotation.assignment.services import lease_next
from annotation.campaigns.models import Campaign
from annotation.people.models import User
from tests.cast import send
campaign, labeler = Campaign.objects.get(), User.objects.get(username=sys.argv[1])
while assignment := lease_next(labeler=labeler, campaign=campaign):
    print(send(assignment).pk, flush=True)
"""


def test_kill_9_loses_no_acknowledged_answer(cast):  # I-1, in small
    campaign = make_campaign(cast, items=3000, overlap=2)
    environment = {**os.environ, "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"])}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, name], stdout=subprocess.PIPE, env=environment, text=True
        )
        for name in ("lena", "otto")
    ]
    acknowledged: list[str] = []
    for process in running:
        assert process.stdout is not None
        acknowledged += [
            process.stdout.readline().strip() for _ in range(15)
        ]  # it is in the middle of its work
    for process in running:
        process.send_signal(signal.SIGKILL)
        rest, _none = process.communicate()
        acknowledged += [line for line in rest.splitlines() if len(line) == 36]
    stored = {str(pk) for pk in Submission.objects.values_list("pk", flat=True)}
    assert len(acknowledged) > 20 and set(acknowledged) <= stored
    assert len(stored) - len(acknowledged) <= 2  # at most one of each was stored and not told
    assert all(Feedback.objects.filter(submission_id=pk).count() == 3 for pk in list(stored)[:50])
    check_invariants(campaign)
