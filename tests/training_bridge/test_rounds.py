"""The loop: two buttons, chains that advance by outcomes exactly once, and the evidence that the policy got better."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from annotation.errors import Conflict, Invalid
from annotation.models import Campaign, Item, Slot
from tests.training_bridge.toy_loop import EVIDENCE
from tests.training_bridge.world import World
from training_bridge import methods, runner, selectors
from training_bridge.models import Checkpoint, Promotion, Round, Run
from training_bridge.services import build_snapshot, open_round, refresh_policy, runs, train_reward

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    methods.all_methods.cache_clear()
    with override_settings(RUN_METHODS=["tests.training_bridge.toy_loop"]):
        yield
    methods.all_methods.cache_clear()


@pytest.fixture
def world() -> World:
    world = World(n_prompts=8)
    world.answer_all()
    return world


@pytest.fixture
def first(world: World) -> Round:
    folder = settings.CHECKPOINT_DIR / "old"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"old")
    from training_bridge.services.checkpoints import directory_sha256

    policy = Checkpoint.objects.create(
        kind="policy", name="old", path=str(folder), sha256=directory_sha256(folder)
    )
    return open_round(campaign=world.campaign, actor=world.researcher, policy=policy)


def work() -> int:
    """Does what workers would: builds queued snapshots and executes queued runs until nothing is left. Returns how many."""
    done = 0
    from training_bridge.models import Snapshot

    while True:
        for snapshot in Snapshot.objects.filter(status="queued"):
            build_snapshot(str(snapshot.pk))
        queued = list(Run.objects.filter(runs.READY, status="queued").order_by("created_at"))
        if not queued:
            return done
        for run in queued:
            runner.execute(str(run.pk))
            done += 1


def test_button_one_takes_a_snapshot_and_trains(world: World, first: Round) -> None:
    round_ = train_reward(round_=first, actor=world.researcher)
    assert round_.snapshot is not None and round_.reward_run is not None
    with pytest.raises(Conflict):
        train_reward(round_=first, actor=world.researcher)
    assert work() == 1
    model = Checkpoint.objects.get(kind="reward_model")
    round_.refresh_from_db()
    assert round_.snapshot is not None and model.lineage["snapshot"] == round_.snapshot.sha256
    assert round_.snapshot.manifest["counts"]["feedback"] == 16


@pytest.mark.parametrize("method", ["dpo", "rloo"])
def test_button_two_leads_to_the_next_round(world: World, first: Round, method: str) -> None:
    if method == "rloo":
        with pytest.raises(Invalid, match="Train it first"):
            refresh_policy(round_=first, actor=world.researcher, method=method)
        train_reward(round_=first, actor=world.researcher)
        work()
    refresh_policy(round_=first, actor=world.researcher, method=method)
    with pytest.raises(Conflict):
        refresh_policy(round_=first, actor=world.researcher, method=method)
    assert work() == 4  # refresh, two samples, comparison
    first.refresh_from_db()
    new = Checkpoint.objects.get(run=first.refresh_run)
    following = Round.objects.get(campaign=world.campaign, number=2)
    assert following.policy == new and new.parent == first.policy
    assert first.evidence == EVIDENCE
    assert Campaign.objects.get(pk=world.campaign.pk).round_number == 2
    assert Promotion.objects.get().policy == new

    items = Item.objects.filter(campaign=world.campaign, round_number=2).prefetch_related(
        "responses", "prompt"
    )
    assert items.count() == 8 and {i.prompt_id for i in items} == {i.prompt_id for i in world.items}
    orders = set()
    for item in items:
        writers = list(
            item.responses.order_by("itemresponse__position").values_list("checkpoint_id", flat=True)
        )
        assert sorted(writers) == sorted([first.policy_id, new.pk])  # type: ignore[type-var]
        assert len({r.text for r in item.responses.all()}) == 2
        orders.add(tuple(writers))
    assert len(orders) == 2  # neither policy always comes first
    assert Slot.objects.filter(item_id__in=[i.pk for i in items]).count() == 8 * world.campaign.overlap
    with pytest.raises(Conflict, match="next one already"):
        refresh_policy(round_=first, actor=world.researcher)


def test_every_step_follows_exactly_once_whatever_is_repeated(world: World, first: Round) -> None:
    """Each message arrives twice, in any order, in two workers at once."""
    refresh_policy(round_=first, actor=None)
    rng = random.Random(1)
    for _ in range(8):
        for snapshot_id in world.campaign.snapshots.values_list("pk", flat=True):
            build_snapshot(str(snapshot_id))
        ids = [str(pk) for pk in Run.objects.values_list("pk", flat=True)] * 2
        rng.shuffle(ids)
        threads = [
            threading.Thread(
                target=lambda part: [runner.execute(i) for i in part] + [connection.close()], args=(p,)
            )
            for p in (ids[::2], ids[1::2])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if Round.objects.filter(number=2).exists() and not Run.objects.exclude(status="succeeded").exists():
            break
    assert sorted(Run.objects.values_list("method", flat=True)) == [
        "dpo",
        "evaluate_policy",
        "sample",
        "sample",
    ]
    assert set(Run.objects.values_list("attempt", flat=True)) == {1}
    assert (
        Round.objects.count() == 2
        and Item.objects.filter(round_number=2).count() == 8
        and Promotion.objects.count() == 1
    )


def test_a_failed_step_stops_the_chain_and_may_be_tried_again(world: World, first: Round) -> None:
    round_ = refresh_policy(round_=first, actor=None)
    build_snapshot(str(round_.snapshot_id))
    assert round_.refresh_run is not None and round_.refresh_run.parent is not None
    (settings.CHECKPOINT_DIR / "old" / "model.safetensors").write_bytes(b"changed")
    assert work() == 1
    first.refresh_from_db()
    assert first.refresh_run is not None and first.refresh_run.status == "failed" and first.sample_run is None
    (settings.CHECKPOINT_DIR / "old" / "model.safetensors").write_bytes(b"old")
    refresh_policy(round_=first, actor=None)
    assert work() == 4
    assert Round.objects.filter(number=2).count() == 1


def test_without_a_policy_the_button_says_what_to_do(world: World) -> None:
    opened = open_round(campaign=world.campaign, actor=None)
    with pytest.raises(Invalid, match="prepare_policy"):
        train_reward(round_=opened, actor=None)
    assert not Run.objects.exists()


def test_labelers_win_rate_by_hand(world: World, first: Round) -> None:
    """Items 1-3: both for the new policy; 4: one each; 5: a tie and a win; 6: both against. (1+1+1+0.5+0.75+0)/6."""
    refresh_policy(round_=first, actor=None)
    work()
    following = Round.objects.get(number=2)
    assert following.policy is not None and first.policy is not None
    said = {0: (2, 1), 1: (3, 1), 2: (1, 1), 3: (1, -1), 4: (0, 2), 5: (-3, -1)}
    items = list(Item.objects.filter(round_number=2).order_by("pk"))
    for number, strengths in said.items():
        item = items[number]
        writers = list(
            item.responses.order_by("itemresponse__position").values_list("checkpoint_id", flat=True)
        )
        sign = 1 if writers[0] == following.policy_id else -1
        for k, (labeler, strength) in enumerate(zip(world.labelers, strengths, strict=True)):
            world.say(item, labeler, -sign * strength if k else sign * strength, flipped=bool(k))
    found = selectors.win_rate(following, following.policy, first.policy)
    assert found.value == pytest.approx((1 + 1 + 1 + 0.5 + 0.75 + 0) / 6)
    assert (found.items, found.wins, found.ties, found.losses) == (6, 8, 1, 3)
    assert found.low is not None and found.high is not None and 0 <= found.low < found.value < found.high <= 1
    swapped = selectors.win_rate(following, first.policy, following.policy)
    assert swapped.value == pytest.approx(1 - found.value)


def test_the_interval_covers_a_known_mean() -> None:
    found = selectors.summarise([1.0, 0.0] * 50, [1.0, 0.0] * 50)
    # A share of 0.5 among 100 has a standard error of 0.05.
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015) and found.high == pytest.approx(
        0.5 + 1.96 * 0.05, abs=0.015
    )
    assert selectors.summarise([], []).value is None


def test_the_page_shows_buttons_state_and_evidence(world: World, first: Round) -> None:
    client = Client()
    client.force_login(world.researcher, backend="django.contrib.auth.backends.ModelBackend")
    address = reverse("round", args=[world.slug, 1])
    begun = client.get(address).content.decode()
    assert "Train reward model" in begun and "Refresh policy" in begun and "Nothing to compare yet" in begun
    assert client.post(reverse("train_reward", args=[world.slug, 1])).status_code == 302
    assert "disabled" in client.get(address).content.decode()
    assert client.post(reverse("train_reward", args=[world.slug, 1])).status_code == 409
    work()
    assert (
        client.post(reverse("refresh_policy", args=[world.slug, 1]), {"method": "magic"}).status_code == 422
    )
    assert client.post(reverse("refresh_policy", args=[world.slug, 1]), {"method": "dpo"}).status_code == 302
    live = client.get(reverse("round_live", args=[world.slug, 1]))
    assert "hx-get" in live.content.decode() and "HX-Refresh" not in live.headers
    work()
    assert client.get(reverse("round_live", args=[world.slug, 1])).headers["HX-Refresh"] == "true"
    done: Any = client.get(address).content.decode()
    assert (
        "70 %" in done
        and "0.12" in done
        and done.count("<svg") >= 2
        and "Side by side" in done
        and "round 2" in done
    )
    assert "70 %" in client.get("/rounds/").content.decode()
    policy = Checkpoint.objects.get(run__method="dpo")
    page = client.get(reverse("model", args=[policy.pk])).content.decode()
    assert "old" in page and "this one" in page
