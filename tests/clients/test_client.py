"""The Python client against a real site: the document's example, and what happens when the network breaks."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from annotation.assignment.models import Assignment
from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import Role
from annotation.people.services import grant_role
from annotation.submissions.models import Submission
from tests.cast import answer, make_campaign
from tests.clients.conftest import token_of
from training_bridge.models import Checkpoint, Promotion, Run, Snapshot
from whetstone_client import (
    Answer,
    Client,
    Conflict,
    Damaged,
    ImportRefused,
    Invalid,
    JobFailed,
    NotAllowed,
    NotFound,
    Stale,
    TimedOut,
    TooMany,
    Unanswered,
)

ROOT = Path(__file__).resolve().parents[2]


def rows(n: int) -> list[dict[str, Any]]:
    return [{"prompt": f"Question {k}?", "responses": [f"a{k}", f"b{k}"]} for k in range(n)]


def test_the_document_does_what_it_says(toy_site, cast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_campaign(cast, items=0)  # adam is an admin somewhere, and may make campaigns
    names: dict[str, Any] = {
        "URL": toy_site.url,
        "TOKEN": token_of(cast.adam),
        "LABELER_TOKEN": token_of(cast.lena, "label", "read"),
        "POLICY": None,
    }
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 6
    for n, block in enumerate(blocks):
        if n == 1:  # lena follows the link
            slug = names["campaign"].slug
            campaign = Campaign.objects.get(slug=slug)
            grant_role(actor=cast.adam, user=cast.lena, campaign=campaign, role=Role.LABELER)
        # A toy is trained: the real method takes minutes, and what the client does with it is the same.
        block = block.replace('"reward_model", ', '"toy_reward", ').replace(
            '{"steps": 50}', '{"steps": 5, "step_s": 0.2}'
        )
        if "cursor" in block:
            time.sleep(1.5)  # an answer is among the events a second after it was sent
        exec(compile(block, f"docs/client.md, block {n + 1}", "exec"), names)
    assert Submission.objects.count() == 25 and names["cursor"]
    assert (tmp_path / "bicycle-advice.tar").stat().st_size > 10_000
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.etag"))
    run = names["run"]
    assert run.metrics["counted"] == 5 and len(run.checkpoints) == 1
    assert [point["step"] for point in run.data["curve"]] == [1, 2, 3, 4, 5]


def test_an_import_goes_on_where_it_broke_off(adam, cast, proxy):
    campaign = adam.campaign(make_campaign(cast, items=0).slug)
    proxy.plan["import"] = ["lose", "pass", "503"]  # the first chunk is stored, and nobody hears of it

    def breaks():
        yield from rows(25)[:22]
        raise OSError("the disk is gone")

    told = []
    with pytest.raises(OSError, match="disk"):
        campaign.import_items(breaks(), import_id="may", chunk_rows=10, progress=told.append)
    assert [(t.rows, t.items, t.unchanged) for t in told] == [(10, 0, 10), (20, 10, 10)]
    done = campaign.import_items(rows(25), import_id="may", chunk_rows=10)
    assert (done.rows, done.items, done.unchanged) == (25, 5, 20)
    assert Item.objects.filter(campaign__slug=campaign.slug).count() == 25
    assert Item.objects.filter(external_id="may-00000025").count() == 1

    proxy.plan["import"] = ["lose"]
    with pytest.raises(Unanswered):  # stored, or not: that is for a person to look at
        campaign.import_items([{"id": "x", **rows(1)[0]}], update=False)
    with pytest.raises(ImportRefused, match="row 1, id") as again:
        campaign.import_items([{"id": "x", **rows(1)[0]}], update=False)
    assert again.value.code == "duplicate_ids"


def test_a_wrong_row_is_named_in_the_callers_counting(adam, cast):
    campaign = adam.campaign(make_campaign(cast, items=0).slug)
    wrong = [*rows(14), {"prompt": 7, "responses": ["a", "b"]}]
    with pytest.raises(ImportRefused, match="row 15, prompt") as refused:
        campaign.import_items(wrong, import_id="june", chunk_rows=10)
    assert refused.value.imported.items == 10 and refused.value.import_id == "june"
    assert refused.value.errors[0]["line"] == 15 and refused.value.errors[0]["remedy"]
    wrong[-1] = {"prompt": "Why?", "responses": ["a", "b"]}
    assert campaign.import_items(wrong, import_id="june", chunk_rows=10).items == 5


def test_a_list_of_people_becomes_links(adam, cast):
    campaign = adam.campaign(make_campaign(cast, items=0).slug)
    made = campaign.invite_many(
        [{"note": "anna", "languages": ["en"]}, {"note": "ben", "role": "reviewer"}], days=3
    )
    assert [(one["note"], one["role"], "/join/" in one["link"]) for one in made] == [
        ("anna", "labeler", True),
        ("ben", "reviewer", True),
    ]
    assert [one["note"] for one in campaign.invitations()] == ["anna", "ben"]
    with pytest.raises(Invalid) as refused:
        campaign.invite_many([{"note": "zoe"}, {"note": "zoe"}])
    assert refused.value.extra["errors"][0]["line"] == 2


def test_an_answer_is_stored_once_however_often_it_is_sent(cast, proxy):
    campaign = make_campaign(cast, items=2, overlap=1)
    lena = Client(proxy.url, token_of(cast.lena)).campaign(campaign.slug)
    task = lena.next()
    screen = Assignment.objects.select_related("item__prompt", "campaign").get(pk=task.id)
    said = [Answer(a.question, a.payload.dump(), a.target) for a in answer(screen)]
    proxy.plan["submit"] = ["lose", "502", "lose"]
    sent = task.submit(said, active_ms=900)
    stored = Submission.objects.get()
    assert str(stored.pk) == sent.id and stored.active_ms == 900 and sent.status == "counted"
    assert len([1 for _method, path, _headers in proxy.seen if "submit" in path]) == 4
    last, again, before = lena.undo()
    assert last.id == sent.id and len(before) == len(said)
    corrected = again.submit(said, revises=last.id)
    assert corrected.revision == 1 and corrected.supersedes == sent.id
    again.key = str(uuid.uuid4())
    with pytest.raises(Conflict) as refused:
        again.submit(said)
    assert (refused.value.code, refused.value.extra["submission"]) == ("already_sent", corrected.id)
    with pytest.raises(Invalid) as unknown:
        lena.next().skip("no such reason")
    assert "unclear" in unknown.value.fields["reason"][0]


def test_what_is_not_safe_is_not_sent_twice(adam, cast, proxy):
    campaign = adam.campaign(make_campaign(cast, items=1).slug)
    for act, times in ((campaign.take_snapshot, "snapshots"), (lambda: campaign.start_run("toy"), "runs")):
        proxy.plan = {times: ["lose"]}
        with pytest.raises(Unanswered):
            act()
    assert Snapshot.objects.count() == 1 and Run.objects.count() == 1
    proxy.plan = {"snapshots": ["503", "429"]}  # the server did nothing, and said when to come back
    campaign.take_snapshot()
    assert Snapshot.objects.count() == 2


def test_retry_after_is_heeded_and_bounded(adam, proxy):
    proxy.plan["me"] = ["429", "503", "429"]
    assert adam.me()["username"] == "adam"
    proxy.after["Retry-After"] = "3600"
    proxy.plan["me"] = ["429"]
    with pytest.raises(TooMany) as refused:
        adam.me()
    assert refused.value.retry_after_s == 3600 and len(proxy.seen) == 5


def test_a_download_goes_on_where_it_broke_off_and_is_checked(adam, cast, proxy, tmp_path):
    campaign = adam.campaign(make_campaign(cast, items=3).slug)
    snapshot = campaign.take_snapshot().wait(timeout_s=60)
    proxy.plan["download"] = ["cut", "cut"]
    path = snapshot.download(tmp_path / "whole.tar")
    asked = [headers.get("range") for _m, address, headers in proxy.seen if "download" in address]
    third = int(asked[1].removeprefix("bytes=").removesuffix("-"))
    assert asked[0] is None and 0 < third < int(asked[2].removeprefix("bytes=").removesuffix("-"))
    assert path.stat().st_size > third
    again = snapshot.download(tmp_path / "again.tar")
    assert again.read_bytes() == path.read_bytes()
    proxy.plan["download"] = ["alter"]
    with pytest.raises(Damaged):
        snapshot.download(tmp_path / "other.tar")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.tar", "whole.tar"]


def test_runs_that_fail_and_policies_that_go_live(adam, cast):
    campaign = adam.campaign(make_campaign(cast, items=1).slug)
    run = campaign.start_run("toy", config={"steps": 1, "fault": "problem"})
    with pytest.raises(JobFailed) as failed:
        run.wait(timeout_s=60, poll_s=0.2)
    assert failed.value.error == "The toy has no batteries." and failed.value.advice == "Buy some."
    slow = campaign.start_run("toy", config={"steps": 900, "step_s": 1})
    with pytest.raises(TimedOut):
        slow.wait(timeout_s=0, poll_s=0.1)
    slow.cancel()
    made = campaign.start_run("toy_policy", config={"steps": 1}).wait(timeout_s=60, poll_s=0.2)
    (policy,) = made.checkpoints
    assert campaign.promote(policy)["id"] == policy
    assert Promotion.objects.get().policy_id == policy
    with pytest.raises(Conflict):
        campaign.promote(policy)
    with pytest.raises(Conflict):
        campaign.undo_promotion()  # no policy was live before
    assert policy in [c["id"] for c in campaign.checkpoints()]
    assert Checkpoint.objects.get(pk=policy).kind == "policy"


def test_refusals_carry_what_the_server_said(adam, cast, proxy):
    made = make_campaign(cast, items=0)
    campaign, other = adam.campaign(made.slug), adam.campaign(made.slug)
    campaign.change(name="Mine")
    with pytest.raises(Stale) as stale:
        other.change(name="Other")
    assert stale.value.extra["diff"]["name"] == {"yours": "Other", "now": "Mine"}
    assert other.refresh().change(overlap=3).data["overlap"] == 3
    with pytest.raises(NotFound) as missing:
        adam.campaign("nothing")
    assert missing.value.code == "not_found" and len(missing.value.request_id) >= 8
    with pytest.raises(NotAllowed):
        Client(proxy.url, "wst_nothing").me()
    with pytest.raises(NotAllowed):
        Client(proxy.url, token_of(cast.adam, "read")).campaign(made.slug).open()
    with pytest.raises(ValueError, match="address"):
        Client("whetstone.example.org", "wst_x")
