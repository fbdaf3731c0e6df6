"""A person is erased (I-29, I-30): twelve planted identifiers are looked for in every table and file, before and after, and
again after an older backup was restored and the list of erasures replayed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from annotation.errors import Conflict
from annotation.models import (
    ApiToken,
    Assignment,
    AuditEvent,
    ConsentAct,
    ConsentText,
    Feedback,
    Flag,
    Generation,
    Item,
    PersonErasure,
    Response,
    SignInLink,
    Skip,
    Slot,
    Submission,
    User,
)
from annotation.people.erasure import erase_person, scrub_logs
from annotation.people.services import issue_token, record_audit
from annotation.submissions.own_data import own_data
from tests.training_bridge.exports.test_snapshot import lines
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import execute, signed_in
from tests.training_bridge.world import World, person, take
from training_bridge.exports.filters import Filters
from training_bridge.exports.snapshot import build, faults, superseded
from training_bridge.models import Checkpoint, Snapshot
from training_bridge.services import build_snapshot, start_run, take_snapshot
from training_bridge.services.erasure import bury_erased

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]

# One for each kind of place: what was planted where is in `plant`.
CANARIES = [
    "canaryname", "canary@mail.example", "Canaria", "Vonplanten", "canary-draft", "canary-skip", "canary-report",
    "canary-stream", "canary-text", "canary-token", "canary-payload", "canary-audit-canaryname",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path) -> Any:
    (tmp_path / "logs").mkdir()
    with override_settings(DATA_DIR=tmp_path, ERASURE_LIST=tmp_path / "erasures.jsonl"):
        yield


@pytest.fixture
def world() -> World:
    world = World(n_prompts=4, n_labelers=2)
    return world


def plant(world: World, tmp_path: Path) -> User:
    """The second labeler, with something of theirs in every table and file that can hold it."""
    lena = world.labelers[1]
    lena.username, lena.email, lena.first_name, lena.last_name = CANARIES[:4]
    lena.save()
    world.answer_all()
    first = world.items[0].submissions.get(labeler=lena)
    second = world.say(world.items[0], lena, -1, revises=first)
    with connection.cursor() as cursor:
        cursor.execute("SET whetstone.erasure = 'on'")
        cursor.execute(
            'UPDATE annotation_feedback SET payload = payload || \'{"aspect": "canary-payload"}\' WHERE submission_id = %s',
            [str(second.pk)],
        )
        cursor.execute("RESET whetstone.erasure")
    extra = [world.add_item(50 + n) for n in range(3)]
    draft, skip, report = (
        Assignment.objects.create(
            campaign=world.campaign, item=item, labeler=lena, state=state, lease_until=timezone.now(),
            protocol=world.protocol, guidelines=world.guidelines, response_order=[], order_seed=1,
        )
        for item, state in zip(extra, (1, 3, 4), strict=True)
    )  # fmt: skip
    Assignment.objects.filter(pk=draft.pk).update(draft={"better-note": "canary-draft"})
    Skip.objects.create(assignment=skip, reason="other", note="canary-skip")
    Flag.objects.create(assignment=report, reason="private", note="canary-report")
    stream = Generation.objects.create(
        campaign=world.campaign, prompt_id=extra[0].prompt_id, assignment=draft, asked_by=lena, messages=[],
        prefix="canary-stream",
    )  # fmt: skip
    Generation.objects.create(
        campaign=world.campaign,
        prompt_id=extra[0].prompt_id,
        assignment=draft,
        asked_by=lena,
        messages=[],
        continues=stream,
    )
    written = extra[1].responses.all()[0]
    Response.objects.filter(pk=written.pk).update(
        text="canary-text", source="person", source_name=lena.username
    )
    issue_token(user=lena, name="canary-token", scopes=["label"])
    SignInLink.objects.create(user=lena, token_sha256="0" * 64, expires_at=timezone.now())
    text = ConsentText.objects.create(consent="x", version=1, language="en", sha256="1" * 64, text="Words.")
    ConsentAct.objects.create(user=lena, consent="x", version=1, kind="granted", text=text)
    with transaction.atomic():
        record_audit(
            actor=None,
            action="test",
            target="by canaryname",
            after={"note": "canary-audit-canaryname", "n": 1},
        )
    signed_in(lena)
    (tmp_path / "logs" / "web.log").write_text(
        "x signs in: canaryname from 10.0.0.1\nmail to canary@mail.example\nother\n"
    )
    return lena


def in_database() -> set[str]:
    """Canaries in any row of any table."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            for (row,) in cursor.fetchall():
                found |= {canary for canary in CANARIES if canary in row}
    return found


def in_files(root: Path) -> set[str]:
    data = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    return {canary for canary in CANARIES if any(canary.encode() in d for d in data)}


def dump() -> dict[str, list[Any]]:
    """A backup at small scale: every row of every table, with what orders them."""
    with connection.cursor() as cursor:
        tables = [t for t in connection.introspection.table_names(cursor) if t != "django_migrations"]
        return {t: _rows(cursor, t) for t in tables}


def _rows(cursor: Any, table: str) -> list[Any]:
    cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
    return [row for (row,) in cursor.fetchall()]


def restore(backup: dict[str, list[Any]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL session_replication_role = replica"
        )  # no triggers while rows come in, as pg_restore
        cursor.execute("TRUNCATE " + ", ".join(f'"{t}"' for t in backup) + " CASCADE")
        for table, rows in backup.items():
            for row in rows:
                cursor.execute(
                    f'INSERT INTO "{table}" SELECT * FROM json_populate_record(NULL::"{table}", %s)', [row]
                )


def test_nothing_of_the_person_is_left_and_nothing_comes_back(world: World, tmp_path: Path) -> None:
    lena = plant(world, tmp_path)
    taken = take(world)
    assert in_database() == set(CANARIES) and in_files(tmp_path) >= {
        "canaryname",
        "canary@mail.example",
        "canary-payload",
    }
    pseudonym, pk = lena.pseudonym(world.campaign.pk), lena.pk
    assert pseudonym.encode() in (taken.path / "native/feedback.jsonl").read_bytes()
    backup = dump()

    call_command("erase_person", "canaryname", stdout=io.StringIO())
    assert in_database() == set() and in_files(tmp_path) == set()
    gone = PersonErasure.objects.get()
    assert (gone.user_id, gone.submissions, gone.answers, gone.drafts, gone.texts) == (pk, 5, 5, 1, 1)
    user = User.objects.get(pk=pk)
    assert (user.username, user.pseudonym_key, user.is_active) == (f"erased-{pk}", "", False)
    for model in (Submission, Assignment):
        assert not model.objects.filter(labeler=pk).exists()
    assert not Generation.objects.exists() and not ApiToken.objects.filter(user=pk).exists()
    assert Submission.objects.count() == 4 == Feedback.objects.count()  # of the other labeler
    assert not any(s.get_decoded().get("_auth_user_id") == str(pk) for s in Session.objects.all())
    assert (
        tmp_path / "logs/web.log"
    ).read_text() == "x signs in: xxxxxxxxxx from 10.0.0.1\nmail to xxxxxxxxxxxxxxxxxxx\nother\n"
    assert b"canary" not in own_data(user)

    # The places at the items are open again, and no item says that it has an answer that is gone.
    assert {item.counted for item in Item.objects.filter(pk__in=[i.pk for i in world.items])} == {1}
    successor = Snapshot.objects.get(supersedes=taken)
    build_snapshot(str(successor.pk))
    assert pseudonym.encode() not in b"".join(
        p.read_bytes() for p in settings.SNAPSHOT_DIR.rglob("*") if p.is_file()
    )

    restore(backup)
    assert in_database() == set(CANARIES)
    out = io.StringIO()
    call_command("replay_erasures", stdout=out)
    assert "1 erased" in out.getvalue()
    assert in_database() == set() and in_files(tmp_path) == set()
    call_command("replay_erasures", stdout=out)
    assert "0 erased, 1 were erased already" in out.getvalue()
    assert len((tmp_path / "erasures.jsonl").read_text().splitlines()) == 1


def test_an_old_snapshot_verifies_names_its_successor_and_the_reason(world: World, tmp_path: Path) -> None:
    lena = plant(world, tmp_path)
    old, twin = take(world), take(world)
    assert old.sha256 == twin.sha256
    execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=old))
    waiting = start_run(campaign=world.campaign, actor=None, method="toy_policy", snapshot=old)
    manifest = (old.path / "manifest.json").read_bytes()
    erase_person(user=lena, actor=None)

    assert (old.path / "manifest.json").read_bytes() == manifest and list(faults(old.path)) == []
    assert superseded(old.path) == {"reason": "erasure", "successor": None}
    assert sorted(p.name for p in old.path.iterdir()) == ["SUPERSEDED.json", "manifest.json"]
    successor = Snapshot.objects.get(supersedes__isnull=False)  # one for both
    build_snapshot(str(successor.pk))
    successor.refresh_from_db()
    assert successor.manifest["supersedes"] == old.sha256 and successor.manifest["reason"] == "erasure"
    assert superseded(old.path) == {"reason": "erasure", "successor": successor.sha256}
    rows = lines(successor.path / "native/feedback.jsonl")
    assert {row["labeler"] for row in rows} == {world.labelers[0].pseudonym(world.campaign.pk)} and len(
        rows
    ) == 4
    again = build(
        campaign_id=world.campaign.pk, slug=world.slug, filters=Filters.read(successor.manifest["filters"]),
        root=tmp_path / "again", supersedes=old.sha256,
    )  # fmt: skip
    assert again.sha256 == successor.sha256
    out = io.StringIO()
    call_command("verify_snapshot", old.sha256, stdout=out)
    assert f"successor: {successor.sha256}" in out.getvalue() and "erasure" in out.getvalue()

    waiting.refresh_from_db()
    assert waiting.status == "failed" and "superseded" in waiting.error
    researcher, caller = signed_in(world.researcher), Caller(world.researcher)
    for snapshot in (old, twin):
        page = researcher.get(reverse("snapshot", args=[snapshot.pk])).content.decode()
        assert "was erased" in page and reverse("snapshot", args=[successor.pk]) in page
        assert reverse("snapshot_download", args=[snapshot.pk]) not in page
        found = caller.get(f"/api/snapshots/{snapshot.pk}/").json()
        assert found["successor"] == str(successor.pk) and found["erased_at"]
        refused = caller.get(f"/api/snapshots/{snapshot.pk}/download/")
        assert refused.status_code == 410 and refused.json()["extra"]["successor"] == str(successor.pk)
    assert old.sha256[:12] in researcher.get(reverse("snapshot", args=[successor.pk])).content.decode()
    model = Checkpoint.objects.get()
    for address in (
        reverse("model", args=[model.pk]),
        reverse("run", args=[model.run_id]),
        reverse("lineage", args=[model.pk]),
    ):
        page = researcher.get(address).content.decode()
        assert "erased" in page or "erasure" in page, address
    refused = caller.post(
        f"/api/campaigns/{world.slug}/runs/", {"method": "toy_policy", "snapshot": str(old.pk)}
    )
    assert refused.status_code == 422 and "successor" in refused.json()["fields"]["snapshot"][0]


def test_snapshots_without_the_person_stay_as_they_are(world: World, tmp_path: Path) -> None:
    world.answer_all()
    stranger = person("otto", campaign=world.campaign, role="labeler")
    taken = take(world)
    erase_person(user=stranger, actor=None)
    taken.refresh_from_db()
    assert taken.erased_at is None and list(faults(taken.path)) == [] and Snapshot.objects.count() == 1


def test_a_build_that_an_erasure_overtakes_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.answer_all()
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    from training_bridge.services import snapshots

    real = snapshots.builder.build

    def slow(**given: Any) -> Any:
        built = real(**given)
        if not PersonErasure.objects.exists():
            erase_person(user=world.labelers[1], actor=None)
        return built

    monkeypatch.setattr(snapshots.builder, "build", slow)
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    assert taken.status == "queued" and taken.attempt == 0 and list(settings.SNAPSHOT_DIR.iterdir()) == []
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    assert taken.status == "complete" and taken.manifest["counts"]["labelers"] == 1


def test_files_of_a_process_that_died_are_taken_up(world: World) -> None:
    world.answer_all()
    taken = take(world)
    Snapshot.objects.filter(pk=taken.pk).update(erased_at=timezone.now())
    assert bury_erased() == 1 and not (taken.path / "native").exists()
    assert bury_erased() == 0


def test_places_go_back_to_the_queue(world: World) -> None:
    """Counted answers, leases and slots still add up to what each item wants."""
    item = world.items[0]
    for labeler in world.labelers:
        world.say(item, labeler)
    Item.objects.filter(pk=item.pk).update(counted=2)  # of 3 wanted; a third place is in the queue
    Slot.objects.create(campaign_id=world.campaign.pk, pos=1, replica=0, item_id=item.pk)
    erase_person(user=world.labelers[1], actor=None)
    item.refresh_from_db()
    assert item.counted == 1 and Slot.objects.filter(item_id=item.pk).count() == 2


def test_somebody_called_like_a_word_of_the_audit(world: World) -> None:
    named = person("user", campaign=world.campaign, role="labeler")
    with transaction.atomic():
        event = record_audit(
            actor=None, action="role.grant", target="user:17", after={"user": 17, "by": ["the user", "users"]}
        )
    erase_person(user=named, actor=None)
    event.refresh_from_db()
    assert event.target == "user:17" and event.after == {"user": 17, "by": ["the erased", "users"]}


def test_who_may_not_be_erased(world: World) -> None:
    with pytest.raises(Conflict, match="no other admin"):
        erase_person(user=world.owner, actor=None)
    User.objects.filter(pk=world.labelers[0].pk).update(is_superuser=True)
    with pytest.raises(Conflict, match="only administrator"):
        erase_person(user=world.labelers[0], actor=None)
    User.objects.filter(pk=world.labelers[1].pk).update(is_superuser=True)
    erase_person(user=world.labelers[0], actor=None)
    with pytest.raises(Conflict, match="already"):
        erase_person(user=world.labelers[0], actor=None)
    with pytest.raises(CommandError, match="nobody"):
        call_command("erase_person", "nobody-of-this-name")


def test_a_restored_list_spares_whoever_has_the_number_now(world: World, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(
        json.dumps({"user": world.labelers[0].pk, "key_sha256": "0" * 64})
        + "\n"
        + '{"user": 999999, "key_sha256": ""}\n'
    )
    with pytest.raises(CommandError, match="somebody else"):
        call_command("replay_erasures", list=str(path), stderr=io.StringIO())
    path.write_text('{"user": 1}\n')
    with pytest.raises(CommandError, match="line 1"):
        call_command("replay_erasures", list=str(path))
    assert not PersonErasure.objects.exists()


def test_the_person_does_it_on_the_page(world: World) -> None:
    lena = world.labelers[1]
    world.answer_all()
    client = signed_in(lena)
    assert "Erase me for good" in client.get("/privacy/").content.decode()
    assert client.post("/privacy/erase/", {"username": "somebody"}).status_code == 422
    assert client.post("/privacy/erase/", {"username": lena.username}).status_code == 302
    assert client.get("/work/").status_code == 302  # signed out
    assert not Submission.objects.filter(labeler=lena).exists()
    assert not Client().login(username=lena.username, password="x")
    event = AuditEvent.objects.get(action="person.erase")
    assert event.actor_id == lena.pk and event.after["answers"] == 4


def test_the_trigger_still_refuses_everybody_else(world: World) -> None:
    world.answer_all()
    erase_person(user=world.labelers[1], actor=None)
    for statement in ("DELETE FROM annotation_feedback", "UPDATE annotation_personerasure SET answers = 0"):
        with (
            pytest.raises(IntegrityError, match="never changed"),
            transaction.atomic(),
        ):
            connection.cursor().execute(statement)


def test_logs_keep_their_length_and_other_words(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"ana anabel Ana\n" * 3)
    assert scrub_logs(["anabel"], tmp_path) == 3
    assert log.read_bytes() == b"ana xxxxxx Ana\n" * 3
