"""Two snapshots side by side: what was added, removed, corrected or changed, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.training_bridge.exports.test_snapshot import lines, snap
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import body_of, signed_in
from tests.training_bridge.world import World
from training_bridge.exports.compare import all_rows, compare, differences
from training_bridge.models import Snapshot
from training_bridge.services import build_snapshot, take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    world = World(n_prompts=6)
    world.answer_all()
    return world


def test_a_snapshot_does_not_differ_from_itself(world: World, tmp_path: Path) -> None:
    path = snap(world, tmp_path).path
    found = compare(path, path)
    assert found["types"] == {
        "comparison": {"before": 12, "after": 12, "added": 0, "removed": 0, "changed": 0}
    }
    assert found["rows"] == [] and found["filters"] == {} and found["prompts"]["added"] == 0
    assert found["guidelines"] == {"added": [], "removed": [], "kept": [1], "other": []}


def test_added_and_corrected_answers(world: World, tmp_path: Path) -> None:
    before = snap(world, tmp_path)
    first = world.items[0].submissions.order_by("submitted_at").first()
    assert first is not None
    world.say(world.items[0], first.labeler, -3, revises=first)
    extra = world.add_item(77)
    world.say(extra, world.labelers[0])
    after = snap(world, tmp_path)
    found = compare(before.path, after.path)
    assert found["types"] == {
        "comparison": {"before": 12, "after": 13, "added": 1, "removed": 0, "changed": 1}
    }
    assert sorted(row["what"] for row in found["rows"]) == ["added", "corrected", "corrected_away"]
    assert found["prompts"]["added"] == 1 and found["responses"]["first_added"] == sorted(
        extra.responses.values_list("pk", flat=True)
    )
    name = world.labelers[0].pseudonym(world.campaign.pk)
    assert found["labelers"][name] == [6, 7]
    assert found["counts"]["feedback"] == [12, 13] and found["rows_left_out"] == 0
    backwards = compare(after.path, before.path)["types"]["comparison"]
    assert (backwards["added"], backwards["removed"], backwards["changed"]) == (0, 1, 1)
    assert [*all_rows(before.path, after.path)] == found["rows"]


@pytest.mark.parametrize("block", [64, 700, 5_000, 1 << 20])
def test_what_is_the_same_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Wherever the files begin to differ, and in whatever blocks they are read, the same differences are found."""
    monkeypatch.setattr("training_bridge.exports.compare.BLOCK", block)
    rows = [
        {
            "id": n,
            "item": n,
            "labeler": "l",
            "question": "q",
            "submission": f"{n // 3:036d}",
            "target": None,
            "type": "t",
        }
        for n in range(30)
    ]

    def write(name: str, rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / name / "native"
        path.mkdir(parents=True)
        text = "".join(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows)
        (path / "feedback.jsonl").write_text(text)
        return path.parent

    whole = write("whole", rows)
    for n in range(30):
        left = write(f"without-{n}", rows[:n] + rows[n + 1 :])
        (found,) = differences(whole, left)
        assert found.before == rows[n] and found.after is None
        cut = write(f"until-{n}", rows[:n])
        assert [d.before for d in differences(whole, cut)] == rows[n:]
        assert [d.after for d in differences(cut, whole)] == rows[n:]
    assert list(differences(whole, whole)) == []


def test_filters_settings_and_guidelines(world: World, tmp_path: Path) -> None:
    before = snap(world, tmp_path, test_percent=1)
    after = snap(world, tmp_path, test_percent=50, labelers=[world.labelers[0].pseudonym(world.campaign.pk)])
    found = compare(before.path, after.path)
    assert found["filters"] == {
        "labelers": [[], [world.labelers[0].pseudonym(world.campaign.pk)]],
        "test_percent": [1, 50],
        # the last answer of the one who is left in came one second earlier
        "submitted_until": ["2026-01-01T00:00:12.000000Z", "2026-01-01T00:00:11.000000Z"],
    }
    moved = [row for row in found["rows"] if row["what"] == "changed"]
    sides = {row["id"]: row["split"] for row in lines(before.path / "native/feedback.jsonl")}
    now = {row["id"]: row["split"] for row in lines(after.path / "native/feedback.jsonl")}
    assert {row["id"] for row in moved} == {pk for pk, side in now.items() if side != sides[pk]} != set()
    assert all(row["changed"] == {"split": ["train", "test"]} for row in moved)
    assert found["types"]["comparison"]["removed"] == 6

    changed = json.loads((after.path / "manifest.json").read_text())
    changed["protocols"] = {"2": [{**changed["protocols"]["1"][0], "settings": {"strengths": 1}}]}
    (after.path / "manifest.json").write_text(json.dumps(changed))
    found = compare(before.path, after.path)
    assert found["protocols"] == {"added": [2], "removed": [1], "kept": [], "other": []}
    assert found["settings"]["better"]["settings.strengths"] == [3, 1]


@pytest.mark.usefixtures("toys", "valkey")
def test_page_and_api(world: World) -> None:
    taken = []
    for _ in range(2):
        snapshot = take_snapshot(campaign=world.campaign, actor=world.researcher)
        build_snapshot(str(snapshot.pk))
        taken.append(Snapshot.objects.get(pk=snapshot.pk))
        world.say(world.add_item(50 + len(taken)), world.labelers[1], 1)
    before, after = taken
    researcher = signed_in(world.researcher)
    address = reverse("compare_snapshots", args=[before.pk, after.pk])
    assert address in researcher.get(reverse("snapshot", args=[after.pk])).content.decode()
    assert address in researcher.get(reverse("snapshot", args=[before.pk])).content.decode()
    page = researcher.get(address).content.decode()
    assert "+1" in page and before.short in page and after.short in page
    caller = Caller(world.researcher)
    found: Any = caller.get(f"/api/snapshots/{before.pk}/compare/{after.pk}/").json()
    assert found["types"]["comparison"] == {"before": 12, "after": 13, "added": 1, "removed": 0, "changed": 0}
    rows = body_of(caller.get(f"/api/snapshots/{before.pk}/compare/{after.pk}/rows/")).splitlines()
    assert [json.loads(row) for row in rows] == found["rows"]
    elsewhere = World("elsewhere", n_prompts=1)
    foreign = take_snapshot(campaign=elsewhere.campaign, actor=None)
    for pair in ((before.pk, foreign.pk), (foreign.pk, before.pk)):
        assert researcher.get(reverse("compare_snapshots", args=pair)).status_code == 404
        assert caller.get(f"/api/snapshots/{pair[0]}/compare/{pair[1]}/").status_code == 404
    assert Client().get(address).status_code == 302
