"""An import from the upload to the items: all or nothing, resumed where it was killed, in nobody's way."""

import io
import json
import os
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.assignment.models import Slot
from annotation.errors import Conflict, Invalid, Refused
from annotation.items import import_runs, imports
from annotation.items.models import Import, Item, Prompt, StagedRow
from annotation.items.services import NewItem, NewResponse, add_items
from annotation.people.models import AuditEvent
from tests.cast import Cast, make_campaign, make_cast

MAPPING = {"prompt": "q", "responses": ["a", "b"], "id": "n", "metadata": ["topic"]}


@pytest.fixture(autouse=True)
def own_folder(request, settings, tmp_path):
    """For all but those whose other process looks where the settings say."""
    if not {"worker", "elsewhere"} & set(request.fixturenames):
        settings.IMPORT_DIR = tmp_path / "imports"


@pytest.fixture
def elsewhere() -> None:
    """This test starts a process of its own."""


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0, overlap=2)


def lines(n: int, *, bad=(), **more) -> bytes:
    rows = (
        {"n": i, "q": f"Q{i}?", "a": f"A{i}", "b": "" if i in bad else f"B{i}", "topic": "t", **more}
        for i in range(n)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def uploaded(campaign, data: bytes, name: str = "answers.jsonl") -> Import:
    return imports.upload(
        actor=campaign.created_by, campaign=campaign, stream=io.BytesIO(data), file_name=name
    )


def started(campaign, data: bytes, mapping=MAPPING, **options) -> Import:
    job = uploaded(campaign, data)
    return imports.start(actor=campaign.created_by, job=job, mapping=mapping, **options)


def nothing_is_there() -> bool:
    return not (
        Item.objects.exists()
        or Prompt.objects.exists()
        or Slot.objects.exists()
        or StagedRow.objects.exists()
    )


def files_left() -> list:
    return [path for path in settings.IMPORT_DIR.rglob("*") if path.is_file()]


@pytest.mark.django_db
def test_a_csv_becomes_items(campaign):
    data = b"prompt;answer_1;answer_2;priority;lang\nWarum?;Darum.;Weil.;0;de\nWhy?;Because.;So.;9;\n"
    job = uploaded(campaign, data, name="../../x\r\n\u202e\x00" + "y" * 400)  # B37
    assert job.mapping == {
        "prompt": "prompt", "responses": ["answer_1", "answer_2"], "priority": "priority", "language": "lang",
    }  # fmt: skip
    assert (job.format, job.options, job.status) == ("csv", {"delimiter": ";"}, "uploaded")
    assert imports.place_of(job).name == "file" and settings.IMPORT_DIR in imports.place_of(job).parents
    assert job.file_name.startswith("../../x") and job.file_name.isprintable() and len(job.file_name) == 300
    seen = imports.preview(job, imports.read_mapping(job.mapping, imports.sample(job)))
    assert (seen.checked, seen.wrong, len(seen.items)) == (2, 0, 2)
    imports.start(actor=campaign.created_by, job=job)
    done = import_runs.run(job.pk)
    assert done.status == "complete" and (done.rows, done.share) == (2, 1)
    assert done.result == {
        "items": 2, "updated": 0, "unchanged": 0, "responses": 4, "slots": 4, "duplicate_prompts": 0, "gold": 0,
    }  # fmt: skip
    first, second = Item.objects.order_by("pk")
    assert (first.prompt.language, second.prompt.language, second.priority) == ("de", campaign.language, 9)
    assert [r.text for r in first.responses.order_by("itemresponse__position")] == ["Darum.", "Weil."]
    acts = AuditEvent.objects.filter(campaign=campaign).order_by("-pk").values_list("action", flat=True)
    assert list(acts[:2]) == ["items.import", "import.start"]
    assert not StagedRow.objects.exists() and not files_left()
    assert (
        import_runs.run(job.pk) is None and Item.objects.count() == 2
    )  # a message that comes twice does nothing


@pytest.mark.django_db
def test_bad_rows_import_nothing_and_are_all_told(campaign, monkeypatch):  # B19, B25
    monkeypatch.setattr(import_runs, "BATCH", 100)
    bad = range(5, 1000, 4)
    job = started(campaign, lines(1000, bad=bad))
    done = import_runs.run(job.pk)
    assert (done.status, done.code, done.errors_total, len(done.errors)) == (
        "failed",
        "bad_rows",
        len(bad),
        100,
    )
    assert done.errors[0] == {
        "line": 6, "field": "a, b", "rule": "needs 2 to 9 (1 given)",
        "remedy": "Give as many responses as the campaign's questions take.",
    }  # fmt: skip
    assert nothing_is_there()
    told = [json.loads(line) for line in b"".join(import_runs.errors_of(done)).splitlines()]
    assert [row["line"] for row in told] == [i + 1 for i in bad]
    # The upload is still there: another mapping, and it is imported.
    again = imports.start(actor=campaign.created_by, job=done, mapping=MAPPING | {"responses": ["a", "q"]})
    assert (again.errors_total, again.reached) == (0, 0)
    assert import_runs.run(job.pk).status == "complete" and Item.objects.count() == 1000


@pytest.mark.django_db
def test_ids_twice_are_a_conflict_and_an_update_is_explicit(campaign):  # B23
    data = lines(3)
    assert import_runs.run(started(campaign, data + lines(1)).pk).code == "duplicate_ids"
    assert nothing_is_there()
    import_runs.run(started(campaign, data).pk)
    refused = import_runs.run(started(campaign, lines(5)).pk)
    assert (refused.code, refused.errors_total) == ("duplicate_ids", 3) and Item.objects.count() == 3
    done = import_runs.run(started(campaign, lines(5, topic="new"), update=True).pk)
    assert (done.result["items"], done.result["updated"]) == (2, 3)
    assert set(Item.objects.values_list("metadata__topic", flat=True)) == {"new"}


@pytest.mark.django_db
def test_a_prompt_is_in_one_split_group_only(campaign):  # I-12
    mapping = {"prompt": "q", "responses": ["a", "b"], "split_group": "g"}
    row = {"q": "Q?", "a": "A", "b": "B"}

    def load(*groups):
        data = b"".join(json.dumps({**row, "q": q, "g": g}).encode() + b"\n" for q, g in groups)
        return import_runs.run(started(campaign, data, mapping).pk)

    refused = load(("Q?", "x"), ("R?", "y"), ("  q?", "y"))
    assert refused.errors == [
        {"line": 3, "field": "split_group", "rule": "the same prompt is in the split groups 'y' and 'x'",
         "remedy": "Give rows with the same prompt the same group."}
    ]  # fmt: skip
    assert load(("Q?", "x"), ("R?", "x")).status == "complete"
    assert load(("q?", "")).errors_total == 1  # neither without a group, later
    add_items(campaign=campaign, items=[NewItem("Q?", [NewResponse("C"), NewResponse("D")])])
    assert set(Prompt.objects.values_list("split_group", flat=True)) == {"x"}  # nor by another door


@pytest.mark.django_db
def test_what_a_crash_of_the_database_took_is_read_again(campaign, monkeypatch):
    """The waiting rows are not logged: after a crash the table is empty."""
    monkeypatch.setattr(import_runs, "BATCH", 10)
    job = started(campaign, lines(35, bad=[3]))

    def crash(found):
        if found.rows == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_runs.run(job.pk, told=crash)
    StagedRow.objects.all().delete()
    done = import_runs.run(job.pk)
    assert (done.status, done.rows, done.errors_total, done.attempt) == ("failed", 35, 1, 2)
    assert len(list(b"".join(import_runs.errors_of(done)).splitlines())) == 1


@pytest.mark.django_db
def test_it_goes_on_where_it_was_killed_and_reads_no_row_twice(campaign, monkeypatch):
    monkeypatch.setattr(import_runs, "BATCH", 10)
    job = started(campaign, lines(35))
    for limit in (10, 20):
        with pytest.raises(KeyboardInterrupt):
            import_runs.run(job.pk, told=lambda found, limit=limit: _kill(found.rows == limit))
        assert Import.objects.get().reached == limit and StagedRow.objects.count() == limit
        assert not Item.objects.exists()
    done = import_runs.run(job.pk)
    assert (done.status, done.result["items"], done.attempt) == ("complete", 35, 3)
    assert sorted(Item.objects.values_list("external_id", flat=True), key=int) == [str(n) for n in range(35)]


def _kill(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


@pytest.mark.django_db
def test_a_file_that_kills_its_worker_ends(campaign):  # I-17
    job = started(campaign, lines(3))
    Import.objects.update(attempt=import_runs.MAX_ATTEMPTS, status="running")
    done = import_runs.run(job.pk)
    assert (done.status, done.code) == ("failed", "worker_died") and nothing_is_there()


@pytest.mark.django_db
def test_a_cancelled_import_leaves_nothing(campaign, monkeypatch):
    monkeypatch.setattr(import_runs, "BATCH", 10)
    job = started(campaign, lines(35))

    def cancel(found):
        if found.rows == 20:
            imports.cancel(actor=campaign.created_by, job=found)

    assert import_runs.run(job.pk, told=cancel).status == "cancelled"
    assert nothing_is_there()
    import_runs.wake_all()
    assert not files_left() and AuditEvent.objects.filter(action="import.cancel").count() == 1
    with pytest.raises(Conflict):
        imports.start(actor=campaign.created_by, job=job)


@pytest.mark.django_db
def test_refused_uploads_leave_no_file(campaign, monkeypatch):
    for data in (b"", b"[]", b"\x89PNG" + b"\x00" * 99, b"PK\x03\x04junk", b"prompt,a\n"):
        with pytest.raises(Refused):
            uploaded(campaign, data)
    monkeypatch.setattr(imports, "MAX_UPLOAD_BYTES", 1000)
    with pytest.raises(Refused) as refused:
        uploaded(campaign, lines(100))
    assert refused.value.status == 413 and not files_left() and not Import.objects.exists()


@pytest.mark.django_db
def test_too_many_files_wait(campaign, monkeypatch):
    monkeypatch.setattr(imports, "MAX_WAITING", 2)
    for _n in range(2):
        uploaded(campaign, lines(1))
    with pytest.raises(Conflict, match="wait to be started"):
        uploaded(campaign, lines(1))


@pytest.mark.django_db
def test_a_file_that_ends_in_junk_is_refused_with_its_place(campaign):
    data = b"q,a,b\n" + b"x,y,z\n" * 300 + b'"open,y,z\n'
    done = import_runs.run(started(campaign, data, {"prompt": "q", "responses": ["a", "b"]}).pk)
    assert (done.status, done.code) == ("failed", "unreadable_file") and "Line 302" in done.message
    assert nothing_is_there()


@pytest.mark.django_db
def test_a_mapping_names_columns_that_a_table_has(campaign):
    job = uploaded(campaign, b"q,a,b\n1,2,3\n")
    with pytest.raises(Invalid) as refused:
        imports.start(actor=campaign.created_by, job=job, mapping=MAPPING)
    assert set(refused.value.fields) == {"id", "metadata"}
    assert Import.objects.get().status == "uploaded"


@pytest.mark.django_db
def test_the_command_imports_and_only_looks(campaign, tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_bytes(b"prompt,answer_a,answer_b\nQ?,A,B\nR?,C,\n")
    call_command("import_items", campaign.slug, str(path), "--dry-run")
    report = json.loads(capsys.readouterr().out)
    assert (report["rows_checked"], report["rows_wrong"], report["problems"][0]["field"]) == (
        2,
        1,
        "answer_a, answer_b",
    )
    with pytest.raises(CommandError, match="Line 3"):
        call_command("import_items", campaign.slug, str(path))
    path.write_bytes(b"prompt,answer_a,answer_b\nQ?,A,B\n")
    call_command("import_items", campaign.slug, str(path), "--actor", "adam")
    assert (
        Item.objects.count() == 1
        and path.exists()
        and AuditEvent.objects.get(action="items.import").actor.username == "adam"
    )
    for wrong in (
        ["nothing", str(path)],
        [campaign.slug, str(tmp_path / "no")],
        [campaign.slug, str(path), "--mapping", "{"],
    ):
        with pytest.raises(CommandError):
            call_command("import_items", *wrong)


KILLED = """
import os, signal, sys, django
django.setup()
from annotation.items import import_runs
import_runs.BATCH = 50
def told(job):
    if job.rows >= 200:
        os.kill(os.getpid(), signal.SIGKILL)
import_runs.run(int(sys.argv[1]), told=told)
"""


@pytest.mark.django_db(transaction=True)
def test_another_worker_takes_over_from_one_that_was_killed(monkeypatch, elsewhere):
    """With SIGKILL in the middle: its lock goes with its connection, its last batch is committed, its rows are not items."""
    campaign = make_campaign(make_cast(), items=0)
    monkeypatch.setattr(imports, "wake", lambda job_id: None)
    job = started(campaign, lines(500))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WHETSTONE_TEST_DATABASE": connection.settings_dict["NAME"],
        "WHETSTONE_DATA_DIR": str(settings.DATA_DIR),
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(job.pk)], env=environment, cwd=settings.BASE_DIR
    )
    assert killed.returncode == -9
    job.refresh_from_db()
    assert (job.status, job.reached, StagedRow.objects.count()) == (
        "running",
        200,
        200,
    ) and not Item.objects.exists()
    done, deadline = None, time.monotonic() + 20
    while (
        done is None and time.monotonic() < deadline
    ):  # until the server has noticed that the connection is gone
        done = import_runs.run(job.pk)
    assert (done.status, done.result["items"], done.attempt) == ("complete", 500, 2)


@pytest.mark.django_db(transaction=True)
def test_a_worker_imports_what_was_started(worker):
    campaign = make_campaign(make_cast(), items=0)
    job = started(campaign, lines(40))
    deadline = time.monotonic() + 60
    while Import.objects.get(pk=job.pk).status in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert Import.objects.get(pk=job.pk).status == "complete" and Item.objects.count() == 40
