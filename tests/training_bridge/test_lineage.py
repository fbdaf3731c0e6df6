"""From a policy back to the screen of each answer, and what is found when something on the way was changed (I-13)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotation.errors import NotFound
from annotation.models import Response, Submission
from tests.training_bridge.exports.test_snapshot import lines, snap
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import execute, signed_in
from tests.training_bridge.world import World
from training_bridge.exports.rows import row_of, rows_from, texts_of
from training_bridge.lineage import ancestry, trace
from training_bridge.models import Checkpoint, Snapshot
from training_bridge.services import build_snapshot, start_run, take_snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture
def world() -> World:
    world = World(n_prompts=5)
    world.answer_all()
    return world


@pytest.fixture
def snapshot(world: World) -> Snapshot:
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    return taken


@pytest.fixture
def policy(world: World, snapshot: Snapshot) -> Checkpoint:
    """A policy that started from another one, both trained on the snapshot."""
    execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=snapshot, seed=3))
    first = Checkpoint.objects.get()
    run = start_run(
        campaign=world.campaign, actor=None, method="toy_policy", snapshot=snapshot, parent=first, seed=4
    )
    execute(run)
    return Checkpoint.objects.get(run=run)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("lineage", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_walk_names_run_seed_code_and_snapshot(policy: Checkpoint, snapshot: Snapshot) -> None:
    steps = [step.dump() for step in ancestry(policy)]
    assert [(s["role"], s["run"]["seed"], s["snapshot"]["sha256"]) for s in steps] == [
        ("model", 4, snapshot.sha256),
        ("parent", 3, snapshot.sha256),
    ]
    assert all(len(s["run"]["code_revision"]) >= 7 and s["snapshot"]["state"] == "whole" for s in steps)
    assert steps[0]["snapshot"]["answers"] == 10


def test_every_answer_leads_to_its_screen(world: World, policy: Checkpoint, snapshot: Snapshot) -> None:
    for row in lines(snapshot.path / "native/feedback.jsonl"):
        traced = trace(snapshot, row["id"])
        assert traced.holds, [c.what for c in traced.checks if not c.holds]
        submission = Submission.objects.get(pk=row["submission"])
        shown = [Response.objects.get(pk=pk).text for pk in submission.assignment.response_order]
        assert [r.text for r in traced.screen.responses] == shown
        assert traced.guidelines.markdown == "Be fair." and len(traced.checks) == 7
    said = command(policy.sha256[:10])
    assert "10 answers on 10 screens, each as it was shown: 10 hold, 0 do not, 0 erased since" in said
    assert f"snapshot {snapshot.sha256}: whole" in said
    walked = json.loads(command(str(policy.pk), "--json", "--rows", "4"))
    assert walked["snapshots"][snapshot.sha256]["answers"] == 4


def test_what_was_changed_is_named(policy: Checkpoint, snapshot: Snapshot) -> None:
    snapshot.manifest["guidelines"]["1"] = "0" * 64
    snapshot.save()
    row = lines(snapshot.path / "native/feedback.jsonl")[0]
    failed = [check.what for check in trace(snapshot, row["id"]).checks if not check.holds]
    assert failed == ["The guidelines are those of the version that stands in the snapshot."]
    with pytest.raises(CommandError, match="10 things"):
        command(policy.sha256)
    file = snapshot.path / "native/responses.jsonl"
    file.write_bytes(file.read_bytes().replace(b"do it slowly", b"do it quickl"))
    with pytest.raises(CommandError, match="11 things"):  # the file besides
        command(policy.sha256)
    events = snapshot.path / "native/feedback.jsonl"
    events.write_bytes(b"".join(reversed(events.read_bytes().splitlines(keepends=True))))
    walked = io.StringIO()
    with pytest.raises(CommandError):
        call_command("lineage", policy.sha256, stdout=walked, stderr=walked)
    assert "not in its order" in walked.getvalue() and "0 erased" in walked.getvalue()
    with pytest.raises(CommandError, match="0 models"):
        command("ffffffffff")


def test_pages_and_api(world: World, policy: Checkpoint, snapshot: Snapshot) -> None:
    researcher = signed_in(world.researcher)
    assert (
        reverse("lineage", args=[policy.pk])
        in researcher.get(reverse("model", args=[policy.pk])).content.decode()
    )
    page = researcher.get(reverse("lineage", args=[policy.pk])).content.decode()
    assert "as it was written" in page and reverse("snapshot_answers", args=[snapshot.pk]) in page
    listed = researcher.get(reverse("snapshot_answers", args=[snapshot.pk])).content.decode()
    row = lines(snapshot.path / "native/feedback.jsonl")[3]
    address = reverse("snapshot_answer", args=[snapshot.pk, row["id"]])
    assert address in listed
    shown = researcher.get(address).content.decode()
    assert "Everything holds" in shown and "Question" in shown and "do it slowly" in shown
    assert world.labelers[0].username not in shown and world.labelers[1].username not in shown
    caller = Caller(world.researcher)
    found: Any = caller.get(f"/api/snapshots/{snapshot.pk}/answers/{row['id']}/").json()
    assert found["event"] == row and found["holds"]
    steps = caller.get(f"/api/checkpoints/{policy.pk}/lineage/").json()["steps"]
    assert steps[0]["snapshot"]["id"] == str(snapshot.pk)
    for number in (10**9, 10**30):
        assert researcher.get(reverse("snapshot_answer", args=[snapshot.pk, number])).status_code == 404
    assert researcher.get(reverse("snapshot_answers", args=[snapshot.pk]) + "?from=x'").status_code == 200


def test_an_answer_that_is_not_in_the_snapshot(world: World, snapshot: Snapshot) -> None:
    later = world.say(world.add_item(88), world.labelers[0])
    with pytest.raises(NotFound):
        trace(snapshot, later.feedback.get().pk)


def test_rows_are_found_by_halving(tmp_path: Path) -> None:
    world = World(n_prompts=23, n_labelers=1)
    world.answer_all()
    path = snap(world, tmp_path).path
    rows = lines(path / "native/feedback.jsonl")
    for n, row in enumerate(rows):
        assert row_of(path, row["submission"], row["id"]) == row
        assert rows_from(path, row["submission"], 3) == rows[n : n + 3]
        assert row_of(path, row["submission"], row["id"] + 1000) is None
    assert (
        rows_from(path, "", 2) == rows[:2] and rows_from(path, "ffffffff-ffff-ffff-ffff-ffffffffffff") == []
    )
    prompts = {row["id"]: row for row in lines(path / "native/prompts.jsonl")}
    assert texts_of(path, "prompts", {*prompts, 0, 10**9}) == prompts
