"""Copies in a bucket on loopback: whole or not there, back with their hashes, gone with a person."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from annotation.errors import NotNow
from annotation.people.erasure import erase_person
from tests.bucket import KEYS, Bucket, bucket, configured
from tests.training_bridge.conftest import until
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import execute, signed_in
from tests.training_bridge.world import World, take
from training_bridge import artifacts, selectors
from training_bridge.exports.snapshot import faults
from training_bridge.models import Checkpoint, Snapshot
from training_bridge.services import build_snapshot, mirror, promote, start_run
from training_bridge.services.checkpoints import damage, store
from training_bridge.tasks import mirror_artifacts, sweep_jobs

__all__ = ["bucket"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "logs").mkdir()
    with override_settings(DATA_DIR=tmp_path, ERASURE_LIST=tmp_path / "erasures.jsonl"):
        yield


@pytest.fixture
def world() -> World:
    world = World(n_prompts=4, n_labelers=2, texts=("A canary of an answer {n}.", "Another one {n}."))
    world.answer_all()
    return world


def on_disk(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def of(bucket: Bucket, kind: str, sha256: str) -> dict[str, bytes]:
    start = f"{kind}/{sha256}/"
    return {n.removeprefix(start): data for n, data in bucket.objects.items() if n.startswith(start)}


def elsewhere(row: Snapshot | Checkpoint) -> dict[str, bytes]:
    """As on a host that does not have the directory; its files."""
    row.refresh_from_db()
    files = on_disk(Path(row.path))
    shutil.rmtree(row.path)
    return files


def rested() -> None:
    """As if the last try were long ago."""
    for model in (Snapshot, Checkpoint):
        model.objects.update(mirror_tried_at=timezone.now() - timedelta(minutes=5))


def trained(world: World, snapshot: Snapshot | None = None) -> Checkpoint:
    execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=snapshot))
    return Checkpoint.objects.latest("pk")


# --- There -----------------------------------------------------------------------------------------------------------


def test_the_copy_has_every_byte_and_its_list_came_last(world: World, bucket: Bucket) -> None:
    taken, model = take(world), trained(world)
    mirror_artifacts()
    for row, kind in ((taken, "snapshots"), (model, "checkpoints")):
        row.refresh_from_db()
        assert row.mirrored_at and row.mirror_error == ""
        copy, local = of(bucket, kind, row.sha256), on_disk(Path(row.path))
        if kind == "checkpoints":
            listed = json.loads(copy.pop("FILES.json"))["files"]
            assert listed == {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in local.items()
            }
        assert copy == local
        written = {
            o["Key"].rsplit(row.sha256 + "/")[1]: o["LastModified"]
            for o in bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=f"site/{kind}/{row.sha256}")[
                "Contents"
            ]
        }
        assert max(written.values()) == written[artifacts.LAST[kind]]
    before = {name: len(data) for name, data in bucket.objects.items()}
    mirror_artifacts()
    assert not mirror.is_due() and {n: len(d) for n, d in bucket.objects.items()} == before
    assert list(artifacts.copy_faults("snapshots", taken.sha256)) == []


def test_a_copy_that_broke_off_is_none_and_goes_on_where_it_stopped(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take(world)
    put, sent = artifacts.storage().put, []

    def dies(name: str, file: Any) -> None:
        if len(sent) == 3:
            raise KeyboardInterrupt  # as a worker that is killed
        sent.append(name)
        put(name, file)

    monkeypatch.setattr(artifacts.storage(), "put", dies)
    with pytest.raises(KeyboardInterrupt):
        mirror_artifacts()
    monkeypatch.undo()
    taken.refresh_from_db()
    assert len(of(bucket, "snapshots", taken.sha256)) == 3 and taken.mirrored_at is None
    assert not artifacts_whole(taken)
    with pytest.raises(artifacts.Missing):
        artifacts.fetch("snapshots", taken.sha256, settings.SNAPSHOT_DIR / "other")
    assert list(artifacts.copy_faults("snapshots", taken.sha256)) == [
        ("manifest.json", "missing: this is no whole copy")
    ]
    again: list[str] = []
    monkeypatch.setattr(artifacts.storage(), "put", lambda name, file: (again.append(name), put(name, file)))
    assert mirror.mirror_due(now=True) == 0
    assert not set(again) & set(sent) and again[-1].endswith("/manifest.json")
    assert of(bucket, "snapshots", taken.sha256) == on_disk(taken.path)


def artifacts_whole(taken: Snapshot) -> bool:
    try:
        return artifacts.is_whole("snapshots", taken.sha256)
    except artifacts.Missing:
        return False


def test_a_storage_that_is_down_delays_nothing_and_loses_nothing(
    world: World, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.stop()
    taken = take(world)  # is complete all the same
    model = trained(world, taken)
    assert mirror.mirror_due() == 1
    taken.refresh_from_db()
    assert taken.mirrored_at is None and "Could not connect" in taken.mirror_error
    assert "is not copied yet: Could not connect" in caplog.text
    page = signed_in(world.researcher).get(reverse("snapshot", args=[taken.pk])).content.decode()
    assert f"waits to be copied to s3://{bucket.name}/site." in page and "Could not connect" in page
    told = Caller(world.researcher).get(f"/api/snapshots/{taken.pk}/").json()
    assert told["mirrored_at"] is None and "Could not connect" in told["mirror_error"]
    tried = taken.mirror_tried_at
    with override_settings(RUN_RESEND_S=60):
        mirror.mirror_due()  # a moment later it is the other one's turn
    taken.refresh_from_db()
    model.refresh_from_db()
    assert taken.mirror_tried_at == tried and "Could not connect" in model.mirror_error

    bucket.start()
    rested()
    assert mirror.is_due()
    mirror_artifacts()
    taken.refresh_from_db()
    assert taken.mirrored_at and taken.mirror_error == ""
    assert of(bucket, "snapshots", taken.sha256) == on_disk(taken.path)
    client, model = signed_in(world.researcher), Checkpoint.objects.get()
    for address in (reverse("snapshot", args=[taken.pk]), reverse("model", args=[model.pk])):
        assert f"Copied to s3://{bucket.name}/site, " in client.get(address).content.decode()
    (row,) = Caller(world.researcher).get(f"/api/campaigns/{world.slug}/checkpoints/").json()["results"]
    assert row["mirrored_at"] and row["mirror_error"] == ""


def test_the_sweep_wakes_a_worker_while_something_is_to_be_copied(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(world)
    sent: list[str] = []
    monkeypatch.setattr(mirror_artifacts, "delay", lambda: sent.append("mirror"))
    sweep_jobs()
    assert sent == ["mirror"]
    mirror_artifacts()
    sweep_jobs()
    assert sent == ["mirror"]


def test_two_workers_do_not_work_on_one_hash(world: World, bucket: Bucket) -> None:
    taken = take(world)
    said: list[Any] = []

    def other() -> None:
        try:
            said.append(mirror.mirror_due(now=True))
        finally:
            connections["default"].close()

    with mirror._alone(taken.sha256) as is_mine:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert is_mine and said == [1] and bucket.objects == {}
    assert mirror.mirror_due(now=True) == 0 and artifacts_whole(taken)


def test_damaged_files_are_not_copied(world: World, bucket: Bucket) -> None:
    damaged, model = take(world), trained(world)
    feedback = damaged.path / "native/feedback.jsonl"
    feedback.write_bytes(feedback.read_bytes().replace(b"comparison", b"Comparison"))
    mirror_artifacts()
    damaged.refresh_from_db()
    model.refresh_from_db()
    assert damaged.mirrored_at is None and "native/feedback.jsonl" in damaged.mirror_error
    assert model.mirrored_at and of(bucket, "snapshots", damaged.sha256) == {}


def test_a_snapshot_of_another_host_waits_for_it(world: World, bucket: Bucket) -> None:
    taken = take(world)
    files = elsewhere(taken)
    assert mirror.mirror_due() == 1
    taken.refresh_from_db()
    assert taken.mirror_tried_at is None  # so that the host which has it need not wait
    for name, data in files.items():
        (taken.path / name).parent.mkdir(parents=True, exist_ok=True)
        (taken.path / name).write_bytes(data)
    assert mirror.mirror_due() == 0


# --- And back --------------------------------------------------------------------------------------------------------


def test_a_download_comes_from_the_bucket_where_the_directory_is_not(world: World, bucket: Bucket) -> None:
    taken = take(world)
    caller, address = Caller(world.researcher), f"/api/snapshots/{taken.pk}/download/"
    here = b"".join(caller.get(address).streaming_content)
    mirror_artifacts()
    files = elsewhere(taken)
    page = signed_in(world.researcher).get(reverse("snapshot_download", args=[taken.pk]))
    there = b"".join(page.streaming_content)
    assert there == here and not taken.path.exists()
    with tarfile.open(fileobj=io.BytesIO(there)) as tar:
        packed = {m.name.partition("/")[2]: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert {name: packed[name] for name in files} == files
    part = caller.get(address, Range="bytes=1000-70000")
    assert part.status_code == 206 and b"".join(part.streaming_content) == here[1000:70001]
    stranger = World("elsewhere", n_prompts=0).researcher
    assert Caller(stranger).get(address).status_code == 404  # who may is decided as before

    bucket.stop()
    refused = caller.get(address)
    assert refused.status_code == 503 and "could not be fetched" in refused.json()["message"]
    bucket.start()
    Snapshot.objects.filter(pk=taken.pk).update(mirrored_at=None)
    assert caller.get(address).status_code == 410


def test_a_download_of_an_altered_copy_breaks_off(world: World, bucket: Bucket) -> None:
    taken = take(world)
    mirror_artifacts()
    data = elsewhere(taken)["native/feedback.jsonl"]
    bucket.put(f"snapshots/{taken.sha256}/native/feedback.jsonl", data.replace(b"comparison", b"Comparison"))
    sent = Caller(world.researcher).get(f"/api/snapshots/{taken.pk}/download/")
    with pytest.raises(artifacts.Altered, match=r"native/feedback.jsonl .* its SHA-256 is another one"):
        list(sent.streaming_content)


def test_pages_and_commands_fetch_what_is_not_here(world: World, bucket: Bucket) -> None:
    taken = take(world)
    mirror_artifacts()
    for use in (
        lambda: (
            signed_in(world.researcher)
            .get(reverse("snapshot_exchange", args=[taken.pk, "prompts", "train"]))
            .getvalue()
        ),
        lambda: signed_in(world.researcher).get(reverse("snapshot_answers", args=[taken.pk])),
        lambda: call_command("verify_snapshot", taken.sha256[:10], stdout=io.StringIO()),
        lambda: execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=taken)),
    ):
        files = elsewhere(taken)
        use()
        assert on_disk(taken.path) == files and list(faults(taken.path)) == []
    assert [p.name for p in settings.SNAPSHOT_DIR.iterdir()] == [taken.sha256]


@pytest.mark.parametrize("fault", ["altered", "shorter", "missing", "manifest", "longer"])
def test_what_was_changed_in_the_bucket_is_refused(world: World, bucket: Bucket, fault: str) -> None:
    taken = take(world)
    mirror_artifacts()
    files = elsewhere(taken)
    name = "manifest.json" if fault == "manifest" else "native/responses.jsonl"
    place, data = f"snapshots/{taken.sha256}/{name}", files[name]
    if fault == "missing":
        bucket.delete(place)
    else:
        changed = {"shorter": data[:-1], "longer": data + b"x"}.get(fault, data.replace(b'"', b"'", 1))
        bucket.put(place, changed)
    with pytest.raises(NotNow, match="could not be fetched") as refused:
        selectors.files_of(taken)
    if fault != "missing":
        assert name in str(refused.value) and f"s3://{bucket.name}/site" in str(refused.value)
    assert list(settings.SNAPSHOT_DIR.iterdir()) == []
    run = execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=taken))
    assert (
        run.status == "failed" and "could not be fetched" in run.error and "storage of copies" in run.advice
    )
    with pytest.raises(CommandError, match="not as they should be"):
        call_command("mirror", verify=True, stdout=io.StringIO(), stderr=io.StringIO())


def test_a_list_that_leads_outside_is_refused(world: World, bucket: Bucket, tmp_path: Path) -> None:
    model = trained(world)
    mirror_artifacts()
    elsewhere(model)
    for name in ("../../outside", "/tmp/outside"):
        files = {name: {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}}
        bucket.put(f"checkpoints/{model.sha256}/FILES.json", json.dumps({"files": files}).encode())
        with pytest.raises(artifacts.Altered, match="it names"):
            artifacts.fetch("checkpoints", model.sha256, settings.CHECKPOINT_DIR)
    # Files that are whole by a list that was changed with them are not the checkpoint of this name.
    files = {"evil.safetensors": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}}
    bucket.put(f"checkpoints/{model.sha256}/FILES.json", json.dumps({"files": files}).encode())
    bucket.put(f"checkpoints/{model.sha256}/evil.safetensors", b"x")
    with pytest.raises(artifacts.Altered, match="not the checkpoint of this name"):
        artifacts.fetch("checkpoints", model.sha256, settings.CHECKPOINT_DIR)
    assert list(settings.CHECKPOINT_DIR.iterdir()) == []


def test_a_checkpoint_is_fetched_where_it_is_used(world: World, bucket: Bucket) -> None:
    model = trained(world)
    mirror_artifacts()
    model.refresh_from_db()
    files = elsewhere(model)
    assert promote(campaign=world.campaign, policy=model, actor=None)  # the copy is enough to make it live
    assert not Path(model.path).exists()
    assert damage(model) == "" and on_disk(Path(model.path)) == files
    elsewhere(model)
    bucket.stop()
    assert "could not be fetched" in damage(model)
    bucket.start()


def test_a_soft_prompt_brings_its_policy(world: World, bucket: Bucket, tmp_path: Path) -> None:
    base, made = trained(world), tmp_path / "prompt"
    made.mkdir()
    (made / "adapter_config.json").write_text('{"base_model_name_or_path": ""}')
    (made / "adapter_model.safetensors").write_bytes(b"vectors")
    (made / "whetstone.json").write_text(json.dumps({"base": {"sha256": base.sha256}}))
    path, sha256 = store(made)
    prompt = Checkpoint.objects.create(
        kind="policy", name="soft", path=str(path), sha256=sha256, campaign=world.campaign, parent=base
    )
    mirror_artifacts()
    before = [elsewhere(row) for row in (prompt, base)]
    assert damage(prompt) == "" and [on_disk(Path(row.path)) for row in (prompt, base)] == before


# --- Gone with a person ----------------------------------------------------------------------------------------------


def test_an_erasure_reaches_the_copy_and_is_tried_until_it_does(
    world: World, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    taken = take(world)
    mirror_artifacts()
    lena = world.labelers[1]
    pseudonym = lena.pseudonym(world.campaign.pk).encode()
    assert any(pseudonym in data for data in bucket.objects.values())
    bucket.stop()
    erase_person(user=lena, actor=None)
    assert mirror.mirror_due(now=True) == 1
    taken.refresh_from_db()
    assert taken.unmirrored_at is None and "Could not connect" in taken.mirror_error
    assert "is not removed yet" in caplog.text
    client = signed_in(world.researcher)
    page = client.get(reverse("snapshot", args=[taken.pk])).content.decode()
    assert "wait to be removed" in page and "Could not connect" in page

    bucket.start()
    rested()
    mirror_artifacts()
    assert sorted(of(bucket, "snapshots", taken.sha256)) == ["SUPERSEDED.json", "manifest.json"]
    assert not any(pseudonym in data or b"canary" in data for data in bucket.objects.values())
    taken.refresh_from_db()
    assert taken.unmirrored_at
    page = client.get(reverse("snapshot", args=[taken.pk])).content.decode()
    assert f"its copy at s3://{bucket.name}/site are gone since" in page.replace("The files of ", "")

    successor = Snapshot.objects.get(supersedes=taken)
    build_snapshot(str(successor.pk))
    successor.refresh_from_db()
    mirror_artifacts()
    note = of(bucket, "snapshots", taken.sha256)["SUPERSEDED.json"]
    assert json.loads(note) == {"reason": "erasure", "successor": successor.sha256}
    assert note == (taken.path / "SUPERSEDED.json").read_bytes()
    assert of(bucket, "snapshots", successor.sha256) == on_disk(successor.path)
    assert not any(pseudonym in data for data in bucket.objects.values())


def test_an_erasure_finds_a_snapshot_that_is_on_another_host(world: World, bucket: Bucket) -> None:
    """By its copy; where that cannot be read, or there is none, the snapshot is taken to hold the person."""
    stranger = World("other", n_prompts=1, n_labelers=1)
    stranger.answer_all()
    taken = take(world)
    foreign = take(stranger)
    mirror_artifacts()
    for row in (taken, foreign):
        row.refresh_from_db()
        elsewhere(row)
    erase_person(user=world.labelers[1], actor=None)
    taken.refresh_from_db()
    foreign.refresh_from_db()
    assert taken.erased_at and foreign.erased_at is None
    bucket.stop()
    erase_person(user=stranger.labelers[0], actor=None)
    foreign.refresh_from_db()
    assert foreign.erased_at
    bucket.start()
    mirror_artifacts()
    for row in (taken, foreign):
        assert sorted(of(bucket, "snapshots", row.sha256)) == ["SUPERSEDED.json", "manifest.json"]


def test_an_erasure_in_the_middle_of_a_copy_ends_it(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take(world)
    put, sent = artifacts.storage().put, []

    def slow(name: str, file: Any) -> None:
        sent.append(name)
        put(name, file)
        if len(sent) == 2:
            erase_person(user=world.labelers[1], actor=None)

    monkeypatch.setattr(artifacts.storage(), "put", slow)
    mirror_artifacts()
    monkeypatch.undo()
    taken.refresh_from_db()
    assert len(sent) == 2 and taken.mirrored_at is None and taken.erased_at
    mirror_artifacts()
    assert sorted(of(bucket, "snapshots", taken.sha256)) == ["SUPERSEDED.json"]
    taken.refresh_from_db()
    assert taken.unmirrored_at


def test_what_is_erased_while_it_is_fetched_does_not_stay(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take(world)
    mirror_artifacts()
    taken.refresh_from_db()
    elsewhere(taken)
    fetch = artifacts.fetch

    def slow(*args: Any, **kwargs: Any) -> Path:
        fetched = fetch(*args, **kwargs)
        erase_person(user=world.labelers[1], actor=None)
        return fetched

    monkeypatch.setattr(artifacts, "fetch", slow)
    with pytest.raises(NotNow, match="erased meanwhile"):
        selectors.files_of(taken)
    assert sorted(p.name for p in taken.path.iterdir()) == ["SUPERSEDED.json", "manifest.json"]


# --- The command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("mirror", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_copies_verifies_and_mends(world: World, bucket: Bucket, capfd: Any) -> None:
    taken, model = take(world), trained(world)
    said = run()
    assert (
        f"snapshots/{taken.sha256}: native/feedback.jsonl, 0.0 of " in said
        and "Everything is copied." in said
    )
    assert f"checkpoints/{model.sha256}: copied, " in said
    assert run("--verify").count(": whole") == 2
    place = f"snapshots/{taken.sha256}/native/prompts.jsonl"
    bucket.put(place, bucket.objects[place].replace(b'"', b"'", 1))
    with pytest.raises(CommandError, match="1 of 2 copies are not as they should be"):
        run("--verify")
    bucket.put(f"snapshots/{taken.sha256}/foreign.txt", b"who put this here?")
    Checkpoint.objects.filter(pk=model.pk).update(mirrored_at=None)
    elsewhere(model)  # another host's, which has not copied it: no reason not to mend this one
    assert f"snapshots/{taken.sha256}: whole again" in run("--repair")
    Checkpoint.objects.filter(pk=model.pk).update(mirrored_at=timezone.now())
    assert of(bucket, "snapshots", taken.sha256) == on_disk(taken.path)
    assert run("--verify").count(": whole") == 2
    bucket.delete(place)
    assert "no longer whole there" in run()
    assert run("--verify").count(": whole") == 2

    erase_person(user=world.labelers[1], actor=None)
    with pytest.raises(CommandError, match="1 of 2 copies"):
        run("--verify")
    run()
    assert "superseded; its files are gone" in run("--verify")
    bucket.put(place, b"canary")  # as a machine that was cut off and came back
    with pytest.raises(CommandError, match="1 of 2 copies"):
        run("--verify")
    run()
    assert place not in bucket.objects
    bucket.stop()
    with pytest.raises(CommandError, match="Could not connect"):
        run("--verify")
    bucket.start()


def test_what_this_host_does_not_have_whole_is_not_sent_over_a_damaged_copy(
    world: World, bucket: Bucket
) -> None:
    taken = take(world)
    run()
    place = f"snapshots/{taken.sha256}/native/prompts.jsonl"
    altered = bucket.objects[place].replace(b'"', b"'", 1)
    bucket.put(place, altered)
    (taken.path / "native/prompts.jsonl").write_bytes(altered)
    with pytest.raises(CommandError, match="1 of 1 copies are not as they should be"):
        run("--repair")
    taken.refresh_from_db()
    assert bucket.objects[place] == altered
    assert "native/prompts.jsonl" in taken.mirror_error and taken.mirrored_at is None
    elsewhere(taken)
    Snapshot.objects.update(mirrored_at=timezone.now(), mirror_error="")
    with pytest.raises(CommandError, match="1 of 1 copies are not as they should be"):
        run("--repair")
    taken.refresh_from_db()
    assert taken.mirrored_at is not None  # a host that has nothing changes nothing


def test_without_a_storage_nothing_changes(world: World) -> None:
    taken = take(world)
    mirror_artifacts()
    taken.refresh_from_db()
    assert taken.mirrored_at is None and not mirror.is_due()
    page = signed_in(world.researcher).get(reverse("snapshot", args=[taken.pk])).content.decode()
    assert "copied" not in page.lower()
    with pytest.raises(CommandError, match="WHETSTONE_ARTIFACT_STORAGE"):
        run()


def test_a_second_disk_serves_as_well(world: World, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with configured(f"file://{tmp_path}/disk"):
        taken = take(world)
        mirror_artifacts()
        taken.refresh_from_db()
        copy = tmp_path / "disk/snapshots" / taken.sha256
        assert on_disk(copy) == elsewhere(taken) and selectors.files_of(taken) == taken.path
        erase_person(user=world.labelers[1], actor=None)
        mirror_artifacts()
        assert sorted(p.name for p in copy.iterdir()) == ["SUPERSEDED.json", "manifest.json"]


def test_a_process_of_a_host_follows_and_shows_no_key(world: World, bucket: Bucket, tmp_path: Path) -> None:
    """On a host of its own, `mirror --follow` copies what appears there and removes what is erased, and says no key."""
    taken = take(world)
    log = tmp_path / "follow.log"
    environment = {
        **os.environ,
        **KEYS,
        "DJANGO_SETTINGS_MODULE": "tests.training_bridge.worker_settings",
        "WHETSTONE_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "WHETSTONE_ARTIFACT_STORAGE": bucket.address,
        "WHETSTONE_RUN_SWEEP_S": "1",
        "WHETSTONE_RUN_RESEND_S": "1",
        "TEST_ROOT": str(tmp_path),
    }
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "mirror", "--follow"],
            env=environment, cwd=settings.BASE_DIR, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:

        def has(field: str) -> bool:
            taken.refresh_from_db()
            return getattr(taken, field) is not None

        until(lambda: has("mirrored_at"), 40, what=log.read_text)
        assert of(bucket, "snapshots", taken.sha256) == on_disk(taken.path)
        with override_settings(SNAPSHOT_DIR=tmp_path / "of another host"):
            erase_person(user=world.labelers[1], actor=None)
        until(lambda: has("unmirrored_at"), what=log.read_text)
        assert sorted(p.name for p in taken.path.iterdir()) == ["SUPERSEDED.json", "manifest.json"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.wait()
    page = signed_in(world.researcher).get(reverse("snapshot", args=[taken.pk])).content.decode()
    for text in (log.read_text(), page, json.dumps(bucket.address)):
        assert not any(key in text for key in KEYS.values())
