"""Snapshots: the same cut gives the same bytes; nothing that must not be in it is in it; a flipped bit is named."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.db import connection, transaction

from annotation.assignment.models import Assignment
from annotation.models import Campaign, Prompt, User
from tests.training_bridge.world import START, World, person
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import Built, build, faults

pytestmark = pytest.mark.django_db(transaction=True)


def snap(world: World, root: Path, **filters: Any) -> Built:
    return build(campaign_id=world.campaign.pk, slug=world.slug, filters=Filters(**filters), root=root)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree(path: Path) -> dict[str, str]:
    return {
        p.relative_to(path).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in path.rglob("*")
        if p.is_file()
    }


def test_native_row_says_everything(tmp_path: Path) -> None:
    world = World(n_prompts=1, n_labelers=1)
    submission = world.say(world.items[0], world.labelers[0], strength=-2, flipped=True)
    Assignment.objects.update(chosen_by="control")
    built = snap(world, tmp_path)
    (row,) = lines(built.path / "native/feedback.jsonl")
    good, bad = world.items[0].responses.order_by("itemresponse__position").values_list("pk", flat=True)
    assert row.pop("id") > 0
    assert row.pop("split") in ("train", "test")
    assert row == {
        "active_ms": 5200,
        "campaign": world.campaign.pk,
        "choice_set": submission.feedback.get().choice_set,
        "chosen_by": "control",
        "device_class": "",
        "guidelines_version": 1,
        "item": world.items[0].pk,
        "labeler": world.labelers[0].pseudonym(world.campaign.pk),
        "labeler_kind": "human",
        "payload": {"items": [bad, good], "ranks": [2, 1], "strength": -2, "both_bad": False, "aspect": None},
        "prompt": world.items[0].prompt_id,
        "protocol_version": 1,
        "question": "better",
        "required": True,
        "responses": [bad, good],
        "revision": 0,
        "round": 1,
        "settings": {"mode": "auto", "strengths": 3, "ties": True, "both_bad": True, "aspect": ""},
        "status": "counted",
        "submission": str(submission.pk),
        "submitted_at": "2026-01-01T00:00:01.000000Z",
        "target": None,
        "total_ms": 6100,
        "type": "comparison",
        "version": 1,
    }


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    world = World()
    world.answer_all()
    built = snap(world, tmp_path)
    for name in ("feedback", "prompts", "responses"):
        table = pq.read_table(built.path / f"native/{name}.parquet").to_pylist()
        for row in table:
            for column in ("payload", "choice_set", "settings", "messages", "sampling"):
                if row.get(column) is not None:
                    row[column] = json.loads(row[column])
        assert table == lines(built.path / f"native/{name}.jsonl")
    assert built.manifest["counts"]["feedback"] == 20
    assert built.manifest["files"]["native/feedback.parquet"]["rows"] == 20


def test_preference_view_prefers_what_labelers_preferred(tmp_path: Path) -> None:
    world = World()
    world.answer_all(strength=3)
    built = snap(world, tmp_path)
    rows = [r for split in ("train", "test") for r in lines(built.path / f"preference/{split}.jsonl")]
    assert len(rows) == 20
    assert {r["margin"] for r in rows} == {3.0}
    assert all(r["chosen"][0]["content"].startswith("A good answer") for r in rows)
    assert all(r["rejected"][0]["content"].startswith("Bad answer") for r in rows)
    assert {r["type"] for r in rows} == {"comparison"} and {r["labeler_kind"] for r in rows} == {"human"}
    about = built.manifest["views"]["preference"]
    assert about["types"]["comparison"]["rows"] == about["rows"]["train"] + about["rows"]["test"] == 20
    assert about["types"]["comparison"]["loses"]


def test_ties_are_lost_from_the_view_and_counted(tmp_path: Path) -> None:
    world = World(n_prompts=4, n_labelers=1)
    for item, strength in zip(world.items, (2, 0, -1, 0), strict=True):
        world.say(item, world.labelers[0], strength)
    about = snap(world, tmp_path).manifest["views"]["preference"]["types"]["comparison"]
    assert (about["answers"], about["rows"], about["answers_without_row"]) == (4, 2, 2)


def test_only_the_latest_revision_counts(tmp_path: Path) -> None:
    world = World(n_prompts=1, n_labelers=1)
    first = world.say(world.items[0], world.labelers[0], 2)
    second = world.say(world.items[0], world.labelers[0], -1, revises=first)
    built = snap(world, tmp_path)
    (row,) = lines(built.path / "native/feedback.jsonl")
    assert row["submission"] == str(second.pk) and row["payload"]["strength"] == -1
    assert built.manifest["left_out"] == {"superseded": 1, "gold": 0}
    # As of an instant before the correction, the first answer was the latest one.
    earlier = snap(world, tmp_path, submitted_until=START + timedelta(seconds=1))
    (row,) = lines(earlier.path / "native/feedback.jsonl")
    assert row["submission"] == str(first.pk)


def test_late_answers_are_events_but_never_training_rows(tmp_path: Path) -> None:
    world = World(n_prompts=2, n_labelers=1)
    world.say(world.items[0], world.labelers[0])
    world.say(world.items[1], world.labelers[0], status="late")
    built = snap(world, tmp_path)
    assert [r["status"] for r in lines(built.path / "native/feedback.jsonl")].count("late") == 1
    assert built.manifest["counts"]["late_submissions"] == 1
    assert sum(built.manifest["views"]["preference"]["rows"].values()) == 1
    assert snap(world, tmp_path, include_late=False).manifest["counts"]["feedback"] == 1


def test_gold_items_never_reach_a_training_set(tmp_path: Path) -> None:
    world = World(n_prompts=3, n_labelers=1)
    gold = world.add_item(99, purpose="gold")
    for item in [gold, *world.items]:
        world.say(item, world.labelers[0])
    built = snap(world, tmp_path)
    assert built.manifest["left_out"]["gold"] == 1
    everything = b"".join(p.read_bytes() for p in built.path.rglob("*.jsonl"))
    assert b"Question 2 of" in everything and b"Question 99 of" not in everything


def test_ai_verdicts_only_on_request_and_marked(tmp_path: Path) -> None:
    world = World(n_prompts=1, n_labelers=1)
    judge = person("judge", campaign=world.campaign, role="labeler", kind="ai")
    world.say(world.items[0], world.labelers[0])
    world.say(world.items[0], judge)
    assert snap(world, tmp_path).manifest["counts"]["labeler_kinds"] == {"human": 1}
    both = snap(world, tmp_path, labeler_kinds=["human", "ai"])
    assert both.manifest["counts"]["labeler_kinds"] == {"ai": 1, "human": 1}


def test_filters_by_round_question_and_time(tmp_path: Path) -> None:
    world = World(n_prompts=2, n_labelers=1)
    later = world.add_item(50, round_number=2)
    for item in [*world.items, later]:
        world.say(item, world.labelers[0])
    assert snap(world, tmp_path, rounds=[2]).manifest["counts"]["rounds"] == {"2": 1}
    assert snap(world, tmp_path, questions=["other"]).manifest["counts"]["feedback"] == 0
    assert (
        snap(world, tmp_path, submitted_from=START + timedelta(seconds=2)).manifest["counts"]["feedback"] == 2
    )


def test_no_names_only_pseudonyms(tmp_path: Path) -> None:
    world = World()
    world.answer_all()
    built = snap(world, tmp_path)
    everything = b"".join(
        p.read_bytes() for p in built.path.rglob("*") if p.suffix != ".parquet" and p.is_file()
    )
    names = {row["labeler"] for row in lines(built.path / "native/feedback.jsonl")}
    for user in User.objects.all():
        assert user.username.encode() not in everything
        assert user.pseudonym_key.encode() not in everything
    assert names == {labeler.pseudonym(world.campaign.pk) for labeler in world.labelers}


def test_no_prompt_is_on_both_sides(tmp_path: Path) -> None:
    world = World(n_prompts=40, n_labelers=1)
    for item in list(world.items):
        twin = Prompt.objects.get(pk=item.prompt_id)
        twin.pk = None  # the same question in capitals, with other spacing
        twin.messages = [
            {"role": "user", "content": "  " + twin.messages[0]["content"].upper().replace(" ", "\u00a0 ")}
        ]
        twin.sha256 = "f" * 64
        twin.save()
        world.items.append(world.add_item(item.pk, prompt=twin))
    world.answer_all()
    built = snap(world, tmp_path, test_percent=30)
    sides: dict[str, set[str]] = {}
    for row in lines(built.path / "native/prompts.jsonl"):
        sides.setdefault(" ".join(row["messages"][0]["content"].casefold().split()), set()).add(row["split"])
    assert len(sides) == 40
    assert all(len(side) == 1 for side in sides.values())
    assert {s for side in sides.values() for s in side} == {"train", "test"}


def test_the_same_answers_give_the_same_bytes_anywhere(tmp_path: Path) -> None:
    """Another process with another time zone, language and hash seed, after VACUUM, gives the same name and bytes."""
    world = World()
    world.answer_all()
    first = snap(world, tmp_path / "a")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL annotation_submission; ")
        cursor.execute("VACUUM FULL annotation_feedback; ")
    code = (
        "import django, sys, pathlib; django.setup();"
        "from django.conf import settings; from django.utils import translation; translation.activate('zh-hans');"
        "from training_bridge.exports.snapshot import build; from training_bridge.exports.filters import Filters;"
        f"print(build(campaign_id={world.campaign.pk}, slug={world.slug!r}, filters=Filters(),"
        " root=pathlib.Path(sys.argv[1])).sha256)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WHETSTONE_TEST_DATABASE": connection.settings_dict["NAME"],
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4711",
    }
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == first.sha256
    assert tree(tmp_path / "b" / first.sha256) == tree(first.path)
    assert hashlib.sha256((first.path / "manifest.json").read_bytes()).hexdigest() == first.sha256


def test_a_database_restored_from_a_dump_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every row written anew, last ones first: nothing depends on where rows lie."""
    world = World(n_prompts=6)
    world.answer_all()
    world.say(
        world.items[0], world.labelers[0], -1, revises=world.items[0].submissions.order_by("submitted_at")[0]
    )
    first = snap(world, tmp_path / "a", agreement_at_least=0.1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in (
            "prompt",
            "response",
            "item",
            "itemresponse",
            "assignment",
            "submission",
            "feedback",
            "user",
        ):
            table = f"annotation_{name}"
            cursor.execute(
                f"CREATE TEMPORARY TABLE dump ON COMMIT DROP AS SELECT * FROM {table} ORDER BY ctid DESC"
            )
            cursor.execute(f"DELETE FROM {table}")
            cursor.execute(f"INSERT INTO {table} SELECT * FROM dump")
            cursor.execute("DROP TABLE dump")
    again = snap(world, tmp_path / "b", agreement_at_least=0.1)
    assert again.sha256 == first.sha256 and tree(again.path) == tree(first.path)


@pytest.mark.parametrize("off", ["enable_hashjoin", "enable_mergejoin", "enable_nestloop", "enable_sort"])
def test_events_are_in_order_whatever_the_plan(
    tmp_path: Path, off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By submission, then event: readers halve the file, and the same cut must give the same bytes."""
    world = World(n_prompts=60)
    world.answer_all()
    first = snap(world, tmp_path / "a")
    rows = lines(first.path / "native/feedback.jsonl")
    assert len(rows) == 120
    assert rows == sorted(rows, key=lambda row: (row["submission"], row["id"]))
    from training_bridge.exports import cut

    monkeypatch.setattr(cut, "TEMPORARY", f"{cut.TEMPORARY}; SET {off} = off")
    assert snap(world, tmp_path / "b").sha256 == first.sha256


def test_a_manifest_is_enough_to_build_it_again_later(tmp_path: Path) -> None:
    world = World(n_prompts=4)
    world.answer_all()
    first = snap(world, tmp_path / "a")
    extra = world.add_item(77)
    world.say(extra, world.labelers[0])
    assert snap(world, tmp_path / "b").sha256 != first.sha256
    again = build(
        campaign_id=world.campaign.pk,
        slug=world.slug,
        filters=Filters.read(first.manifest["filters"]),
        root=tmp_path / "c",
    )
    assert again.sha256 == first.sha256 and tree(again.path) == tree(first.path)


def test_building_twice_keeps_one_directory(tmp_path: Path) -> None:
    world = World(n_prompts=2)
    world.answer_all()
    before = snap(world, tmp_path).path.stat().st_ino
    assert snap(world, tmp_path).path.stat().st_ino == before
    assert [p.name for p in tmp_path.iterdir()] == [snap(world, tmp_path).sha256]


def test_the_cut_is_consistent_while_answers_come_in(tmp_path: Path) -> None:
    """An answer whose transaction began before the cut and commits during the build is waited for."""
    world = World(n_prompts=3, n_labelers=1)
    world.say(world.items[0], world.labelers[0])
    began, go = threading.Event(), threading.Event()

    def slow_labeler() -> None:
        with transaction.atomic():
            world.say(world.items[1], world.labelers[0])
            began.set()
            go.wait(10)
        connection.close()

    thread = threading.Thread(target=slow_labeler)
    thread.start()
    began.wait(10)
    threading.Timer(0.5, go.set).start()
    built = snap(world, tmp_path)
    thread.join()
    assert built.manifest["counts"]["submissions"] == 2
    assert faults_of(built) == []


def test_an_empty_campaign_gives_an_empty_snapshot(tmp_path: Path) -> None:
    built = snap(World(n_prompts=0), tmp_path)
    assert built.manifest["counts"]["feedback"] == 0 and built.manifest["views"] == {}
    assert faults_of(built) == []


def faults_of(built: Built) -> list[tuple[str, str]]:
    return list(faults(built.path))


@pytest.mark.parametrize(
    "name", ["native/feedback.jsonl", "native/responses.parquet", "README.md", "manifest.json"]
)
def test_a_flipped_bit_is_named(tmp_path: Path, name: str) -> None:
    world = World(n_prompts=3)
    world.answer_all()
    built = snap(world, tmp_path)
    file = built.path / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert [found for found, _ in faults_of(built)] == [name]


def test_missing_empty_and_foreign_files_are_named(tmp_path: Path) -> None:
    world = World(n_prompts=3)
    world.answer_all()
    built = snap(world, tmp_path)
    (built.path / "native/prompts.jsonl").unlink()
    (built.path / "native/responses.jsonl").write_bytes(b"")
    (built.path / "native/model.pt").write_bytes(b"x")
    assert [found for found, _ in faults_of(built)] == [
        "native/prompts.jsonl",
        "native/responses.jsonl",
        "native/model.pt",
    ]


def test_load_dataset_reads_every_config(tmp_path: Path) -> None:
    """`datasets.load_dataset(directory, config)` works from the card alone, offline."""
    world = World(n_prompts=20)
    world.answer_all()
    built = snap(world, tmp_path)
    code = (
        "import sys, json, datasets; d = sys.argv[1];"
        "found = {c: {s: len(t) for s, t in datasets.load_dataset(d, c, cache_dir=sys.argv[2]).items()}"
        " for c in datasets.get_dataset_config_names(d)};"
        "native = datasets.load_dataset('parquet', data_files=d + '/native/feedback.parquet', cache_dir=sys.argv[2]);"
        "print(json.dumps({**found, 'native': len(native['train'])}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(built.path), str(tmp_path / "cache")],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    loaded = json.loads(found.stdout)
    assert built.manifest["views"]["preference"]["rows"] == {"train": 36, "test": 4}
    assert loaded == {"preference": {"train": 36, "test": 4}, "native": 40}


def test_a_campaign_of_somebody_else_never_leaks_in(tmp_path: Path) -> None:
    mine, other = World("mine", n_prompts=2), World("other", n_prompts=2)
    mine.answer_all()
    other.answer_all()
    built = snap(mine, tmp_path)
    assert {row["campaign"] for row in lines(built.path / "native/feedback.jsonl")} == {mine.campaign.pk}
    assert Campaign.objects.count() == 2
