"""The queue of runs and what people do with it: more urgent first, stopped and resumed, looked at side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from annotation.errors import Conflict, Invalid
from annotation.models import AuditEvent
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import execute, signed_in
from tests.training_bridge.toy import effects
from tests.training_bridge.world import World, person
from training_bridge import runner, tasks
from training_bridge.models import Run
from training_bridge.services import cancel_run, resume_run, set_priority, start_run, take_snapshot
from training_bridge.services import runs as run_services

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture
def world() -> World:
    return World(n_prompts=0)


def queue(world: World, priority: int = 0, **config: Any) -> Run:
    return start_run(campaign=world.campaign, actor=None, method="toy", config=config, priority=priority)


# --- Priorities ------------------------------------------------------------------------------------------------------


def test_a_free_worker_takes_the_most_urgent_and_among_equals_the_oldest(world: World) -> None:
    low, first, second, high = queue(world, -1), queue(world), queue(world), queue(world, 1)
    set_priority(run=second, actor=world.researcher, priority=1)  # as urgent as `high`, and older
    order = []
    for message in (low, first, second, high):  # whichever the message names
        tasks.execute_run(str(message.pk))
        order.append(Run.objects.filter(status="succeeded").order_by("-finished_at").first().pk)
    assert order == [second.pk, high.pk, first.pk, low.pk]
    tasks.execute_run(str(low.pk))  # a message too many does nothing
    assert set(Run.objects.values_list("attempt", flat=True)) == {1}


def test_a_run_that_waits_for_its_snapshot_holds_up_nobody(world: World) -> None:
    snapshot = take_snapshot(campaign=world.campaign, actor=world.researcher)  # queued, not built
    waiting = start_run(campaign=world.campaign, actor=None, method="toy", priority=1, snapshot=snapshot)
    other = queue(world)
    assert run_services.most_urgent() == str(other.pk)
    tasks.execute_run(str(waiting.pk))
    other.refresh_from_db()
    assert other.status == "succeeded"


@pytest.mark.parametrize("priority", [2, "1", 1.0, True, None, [1]])
def test_a_priority_that_there_is_not(world: World, priority: Any) -> None:
    with pytest.raises(Invalid) as refused:
        queue(world, priority)
    assert "1 (high), 0 (normal), -1 (low)" in refused.value.fields["priority"][0]


def test_only_what_waits_can_be_moved(world: World) -> None:
    run = execute(queue(world))
    with pytest.raises(Conflict):
        set_priority(run=run, actor=None, priority=1)
    assert not AuditEvent.objects.filter(action="run.priority").exists()


# --- Stop and resume -------------------------------------------------------------------------------------------------


def test_a_failed_run_is_resumed_where_it_stopped(world: World) -> None:
    run = queue(world, steps=4, fault="raise")
    for _attempt in range(3):
        execute(run)
    assert run.status == "failed" and [s for _, s in effects(run.directory)] == [1, 2, 3]
    resume_run(run=run, actor=world.researcher)
    assert AuditEvent.objects.filter(action="run.resume", target=f"run {run.pk}").count() == 1
    execute(run)
    assert [s for _, s in effects(run.directory)] == [1, 2, 3, 4]
    assert (run.attempt, run.max_attempts, run.status) == (4, 6, "queued")
    assert [p["step"] for p in run.curve] == [1, 2, 3, 4]
    execute(run)  # every step is done: nothing is left to break
    assert (run.status, run.error) == ("succeeded", "")
    assert run.metrics is not None and (run.metrics["counted"], run.metrics["resumed_at"]) == (4, 4)


def test_what_was_cancelled_in_the_queue_can_be_queued_again(world: World) -> None:
    run = cancel_run(run=queue(world), actor=None)
    run = execute(resume_run(run=run, actor=None))
    assert (run.status, run.attempt, run.cancel_requested_at) == ("succeeded", 1, None)
    with pytest.raises(Conflict):
        resume_run(run=run, actor=None)


def test_nothing_is_resumed_for_ever(world: World) -> None:
    run = cancel_run(run=queue(world), actor=None)
    Run.objects.filter(pk=run.pk).update(attempt=run_services.MAX_ATTEMPTS, max_attempts=999)
    with pytest.raises(Conflict, match="clone it instead"):
        resume_run(run=run, actor=None)


# --- Answers on the way ----------------------------------------------------------------------------------------------


def test_samples_are_kept_with_the_run_and_shown(world: World) -> None:
    run = execute(queue(world, steps=2))
    assert run.samples == [
        {"step": 1, "prompt": "Count.", "text": "1!", "reward": 1},
        {"step": 2, "prompt": "Count.", "text": "2!", "reward": 2},
    ]
    page = signed_in(world.researcher).get(reverse("run", args=[run.pk])).content.decode()
    assert "Answers on the way" in page and '<td dir="auto">2!</td>' in page


def test_too_many_samples_are_thinned_and_the_last_step_stays(world: World, tmp_path: Path) -> None:
    run = queue(world)
    follower = runner.Follower(tmp_path, run)
    lines = [{"step": s, "prompt": p, "text": "a\x00\ud800", "reward": "?"} for s in range(200) for p in "xy"]
    (tmp_path / "samples.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [*lines, {"step": 1}, 7])
    )
    assert follower.read()
    run.samples = follower.samples
    run.save()  # PostgreSQL takes it: no NUL, no half of a surrogate pair
    steps = sorted({s["step"] for s in follower.samples})
    assert len(follower.samples) <= runner.SAMPLE_ROWS and steps[-1] == 199
    assert {s["prompt"] for s in follower.samples if s["step"] == 199} == {"x", "y"}
    assert {s["reward"] for s in follower.samples} == {None}


# --- Side by side ----------------------------------------------------------------------------------------------------


def test_runs_side_by_side_say_what_differs(world: World) -> None:
    one, other = execute(queue(world, steps=2)), execute(queue(world, steps=3))
    client = signed_in(world.researcher)
    page = client.get(f"{reverse('compare_runs')}?run={one.pk}&run={other.pk}").content.decode()
    rows = {row.split("<")[0].split(">")[-1].strip(): row for row in page.split('<th scope="row">')[1:]}
    assert "differs" in rows["Steps"] and "<td>2</td><td>3</td>" in rows["Steps"]
    assert "differs" not in rows["Seconds a step"]
    assert page.count("<figure") == 1  # the loss of both in one plot


@pytest.mark.parametrize(
    "query, status", [("", 422), ("?run=x&run=y", 422), ("?run={0}&run={0}", 422), ("?run={0}&run={1}", 404)]
)
def test_what_cannot_be_compared(world: World, query: str, status: int) -> None:
    client = signed_in(person("stranger") if status == 404 else world.researcher)
    address = reverse("compare_runs") + query.format(queue(world).pk, queue(world).pk)
    assert client.get(address).status_code == status


def test_the_list_is_filtered_and_the_queue_stands_above(world: World) -> None:
    done, waiting = execute(queue(world)), queue(world, 1)
    client = signed_in(world.researcher)
    page = client.get(f"{reverse('runs')}?status=succeeded&method=toy").content.decode()
    queued, _, listed = page.partition("All runs")
    assert waiting.short in queued and waiting.short not in listed and done.short in listed
    client.post(reverse("set_run_priority", args=[waiting.pk]), {"priority": "-1"})
    waiting.refresh_from_db()
    assert waiting.priority == -1
    assert client.post(reverse("set_run_priority", args=[waiting.pk]), {"priority": "7"}).status_code == 422
    assert "No run is like that." in client.get(f"{reverse('runs')}?status=failed").content.decode()


# --- API -------------------------------------------------------------------------------------------------------------


def test_priority_and_resume_by_the_api(world: World) -> None:
    caller = Caller(world.researcher)
    started = caller.post(f"/api/campaigns/{world.slug}/runs/", {"method": "toy", "priority": -1}).json()
    assert started["priority"] == -1
    address = f"/api/runs/{started['id']}/"
    assert caller.patch(address, {"priority": 1}).json()["priority"] == 1
    assert caller.patch(address, {"priority": 5}).status_code == 422
    assert caller.post(f"{address}resume/").status_code == 409
    caller.post(f"{address}cancel/")
    assert caller.post(f"{address}resume/").json()["status"] == "queued"
    runner.execute(started["id"])
    told = caller.get(address).json()
    assert [s["text"] for s in told["samples"]] == ["1!", "2!", "3!"] and len(told["curve"]) == 3
