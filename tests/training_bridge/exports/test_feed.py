"""Events after a cursor: each once, in order, and none lost that commits late."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from annotation.models import Campaign, Submission
from tests.training_bridge.test_api import Caller
from tests.training_bridge.world import World
from training_bridge.exports import feed
from training_bridge.exports.feed import BadCursor, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    return World(n_prompts=8, n_labelers=2)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second of patience, where nobody writes meanwhile."""
    monkeypatch.setattr(feed, "LAG_S", 0.0)


def now(world: World, item: Any, labeler: Any, **more: Any) -> Submission:
    """An answer whose moment is the database's, as in the product."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return world.say(item, labeler, at=cursor.fetchone()[0], **more)


def everything(campaign: Campaign, limit: int = 3, after: str = "") -> tuple[list[dict[str, Any]], str]:
    events: list[dict[str, Any]] = []
    while True:
        found = page(campaign, after=after, limit=limit)
        events += found.events
        after = found.after
        if not found.more:
            return events, after


@pytest.mark.usefixtures("at_once")
def test_each_event_once_in_order(world: World) -> None:
    sent = [now(world, item, labeler) for item in world.items for labeler in world.labelers]
    for limit in (1, 3, 16, 1000):
        events, after = everything(world.campaign, limit)
        assert [e["submission"] for e in events] == [str(s.pk) for s in sent]
    assert page(world.campaign, after=after).events == [] and page(world.campaign, after=after).after == after
    extra = now(world, world.add_item(50), world.labelers[0])
    corrected = now(world, world.items[0], sent[0].labeler, revises=sent[0])
    events, _ = everything(world.campaign, 3, after)
    assert [(e["submission"], e["supersedes"]) for e in events] == [
        (str(extra.pk), None),
        (str(corrected.pk), str(sent[0].pk)),
    ]
    assert {e["labeler"] for e in events} <= {p.pseudonym(world.campaign.pk) for p in world.labelers}


def test_gold_items_and_other_campaigns_are_not_in_it(world: World) -> None:
    other = World("other", n_prompts=1)
    now(other, other.items[0], other.labelers[0])
    now(world, world.add_item(60, purpose="gold"), world.labelers[0])
    assert everything(world.campaign)[0] == []


@pytest.mark.usefixtures("at_once")
def test_an_answer_that_commits_late_is_not_lost(world: World) -> None:
    """The slow labeler's answer is older than the quick one's and commits after it, while somebody reads all the time."""
    began, go = threading.Event(), threading.Event()
    ids: list[str] = []

    def slow() -> None:
        with transaction.atomic():
            ids.append(str(now(world, world.items[0], world.labelers[0]).pk))
            began.set()
            go.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert began.wait(20)
    quick = str(now(world, world.items[1], world.labelers[1]).pk)
    seen, after = everything(world.campaign)
    assert seen == []  # the quick one is held back: something older is still under way
    go.set()
    thread.join()
    events, after = everything(world.campaign, after=after)
    assert [e["submission"] for e in events] == [*ids, quick]
    assert everything(world.campaign, after=after)[0] == []


def test_many_writers_at_once_lose_nothing(world: World) -> None:
    items = [world.add_item(100 + n) for n in range(24)]
    done = threading.Event()
    sent: list[str] = []

    def write(part: int) -> None:
        for n, item in enumerate(items[part::4]):
            with transaction.atomic():
                submission = now(world, item, world.labelers[part % 2])
                done.wait(0.01 * ((n * 7 + part * 3) % 5))  # commits in another order than it was sent in
            sent.append(str(submission.pk))
        connection.close()

    threads = [threading.Thread(target=write, args=[part]) for part in range(4)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    after = ""
    while any(thread.is_alive() for thread in threads):
        events, after = everything(world.campaign, 2, after)
        seen += [e["submission"] for e in events]
    time.sleep(feed.LAG_S + 0.1)
    events, after = everything(world.campaign, 2, after)
    seen += [e["submission"] for e in events]
    assert len(sent) == 24 and sorted(seen) == sorted(sent)


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1.2", "999999999999999999.00000000-0000-0000-0000-000000000000", "1.zz" * 20]
)
def test_altered_cursors(world: World, cursor: str) -> None:
    with pytest.raises(BadCursor):
        page(world.campaign, after=cursor)


@pytest.mark.usefixtures("toys", "valkey", "at_once")
def test_the_api_gives_it_to_researchers(world: World) -> None:
    for item in world.items:
        now(world, item, world.labelers[0])
    caller = Caller(world.researcher)
    address = f"/api/campaigns/{world.slug}/events/"
    first = caller.get(f"{address}?limit=5").json()
    assert len(first["events"]) == 5 and first["more"]
    second = caller.get(f"{address}?limit=5&after={first['after']}").json()
    assert len(second["events"]) == 3 and not second["more"]
    assert {e["id"] for e in first["events"]}.isdisjoint(e["id"] for e in second["events"])
    for query in ("?after=x", "?limit=0", "?limit=1001", "?limit=x", "?other=1"):
        assert caller.get(address + query).status_code == 400
    assert Caller(world.labelers[0]).get(address).status_code == 403
    assert Caller(world.researcher, "read").get(address).status_code == 403
