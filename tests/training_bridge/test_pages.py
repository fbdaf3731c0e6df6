"""The researchers' pages: who reaches them, what they say in every state, and that a click does what the service does."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation.models import AuditEvent
from tests.training_bridge.world import World, person
from training_bridge import methods, runner
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.services import build_snapshot, open_round, start_run, take_snapshot
from training_bridge.views.models import spans

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.fixture
def world() -> World:
    world = World(n_prompts=10)
    world.answer_all()
    return world


@pytest.fixture
def researcher(world: World) -> Client:
    return signed_in(world.researcher)


@pytest.fixture
def snapshot(world: World) -> Snapshot:
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    build_snapshot(str(taken.pk))
    taken.refresh_from_db()
    return taken


def execute(run: Run) -> Run:
    runner.execute(str(run.pk))
    run.refresh_from_db()
    return run


def test_strangers_see_nothing_and_labelers_are_told_no(world: World, snapshot: Snapshot) -> None:
    """Every page with an object: anonymous people sign in first, strangers get 404, labelers 403 or 404, researchers 200."""
    run = execute(start_run(campaign=world.campaign, actor=None, method="toy_policy"))
    model = Checkpoint.objects.get()
    opened = open_round(campaign=world.campaign, actor=None, policy=model)
    slug = world.slug
    pages = [
        reverse("snapshot", args=[snapshot.pk]),
        reverse("snapshot_live", args=[snapshot.pk]),
        reverse("snapshot_download", args=[snapshot.pk]),
        reverse("new_snapshot", args=[slug]),
        reverse("run", args=[run.pk]),
        reverse("run_live", args=[run.pk]),
        reverse("new_run", args=[slug]),
        reverse("model", args=[model.pk]),
        reverse("round", args=[slug, opened.number]),
        reverse("round_live", args=[slug, opened.number]),
        reverse("progress", args=[slug]),
    ]
    posts = [
        reverse("cancel_run", args=[run.pk]),
        reverse("promote", args=[slug, model.pk]),
        reverse("undo_promotion", args=[slug]),
        reverse("train_reward", args=[slug, opened.number]),
        reverse("refresh_policy", args=[slug, opened.number]),
        reverse("begin_rounds", args=[slug]),
        reverse("score", args=[model.pk]),
        reverse("new_snapshot", args=[slug]),
        reverse("new_run", args=[slug]),
    ]
    stranger, labeler = signed_in(World("elsewhere", n_prompts=0).researcher), signed_in(world.labelers[0])
    for address in pages:
        assert Client().get(address).status_code == 302, address
        assert stranger.get(address).status_code == 404, address
        assert labeler.get(address).status_code in (403, 404), address
        assert body_of(signed_in(world.researcher).get(address)), address
    before = AuditEvent.objects.count(), Run.objects.count(), Snapshot.objects.count()
    for address in posts:
        assert Client().post(address).status_code == 302, address
        assert stranger.post(address).status_code == 404, address
        assert labeler.post(address).status_code in (403, 404), address
        assert signed_in(world.researcher).put(address).status_code == 405, address
    assert (AuditEvent.objects.count(), Run.objects.count(), Snapshot.objects.count()) == before
    for name in ("data", "runs", "models", "rounds"):
        page = stranger.get(reverse(name)).content.decode()
        assert snapshot.short not in page and run.short not in page and model.name not in page


def test_empty_pages_teach(world: World) -> None:
    client = signed_in(World("fresh", n_prompts=0).researcher)
    assert "No snapshot yet" in client.get("/data/").content.decode()
    assert "No run yet" in client.get("/runs/").content.decode()
    assert "No model yet" in client.get("/models/").content.decode()
    assert "Begin the first round" in client.get("/rounds/").content.decode()


def test_take_a_snapshot_look_at_it_and_download_it(world: World, researcher: Client) -> None:
    address = reverse("new_snapshot", args=[world.slug])
    assert "test_percent" in researcher.get(address).content.decode()
    assert researcher.post(address, {"labeler_kinds": ["human"], "test_percent": 99}).status_code == 422
    sent = researcher.post(address, {"labeler_kinds": ["human"], "include_late": "on", "test_percent": 30})
    snapshot = Snapshot.objects.get()
    assert sent.status_code == 302 and sent.headers["Location"] == reverse("snapshot", args=[snapshot.pk])
    waiting = researcher.get(sent.headers["Location"]).content.decode()
    assert "hx-get" in waiting and "waiting for a worker" in waiting
    live = researcher.get(reverse("snapshot_live", args=[snapshot.pk]))
    assert "HX-Refresh" not in live.headers
    build_snapshot(str(snapshot.pk))
    assert researcher.get(reverse("snapshot_live", args=[snapshot.pk])).headers["HX-Refresh"] == "true"
    snapshot.refresh_from_db()
    page = researcher.get(sent.headers["Location"]).content.decode()
    assert snapshot.sha256 in page and "20" in page and "comparison" in page and "hx-get" not in page

    whole = researcher.get(reverse("snapshot_download", args=[snapshot.pk]))
    data = body_of(whole)
    assert int(whole.headers["Content-Length"]) == len(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames()}
    assert names == {*snapshot.manifest["files"], "manifest.json", "CITATION.cff", "citation.bib"}
    part = researcher.get(
        reverse("snapshot_download", args=[snapshot.pk]), headers={"Range": "bytes=1000-1999"}
    )
    assert part.status_code == 206 and body_of(part) == data[1000:2000]
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(data)}"
    past = researcher.get(
        reverse("snapshot_download", args=[snapshot.pk]), headers={"Range": "bytes=99999999-"}
    )
    assert past.status_code == 416
    same = researcher.get(
        reverse("snapshot_download", args=[snapshot.pk]), headers={"If-None-Match": whole.headers["ETag"]}
    )
    assert same.status_code == 304


def test_download_links_that_were_altered(
    world: World, snapshot: Snapshot, researcher: Client
) -> None:  # B93
    """A path in the place of an id reaches no file; ranges that make no sense give the whole or a refusal, never a 500."""
    address = reverse("snapshot_download", args=[snapshot.pk])
    for name in (
        "..%2f..%2fsecret.key",
        "%2e%2e/",
        f"{snapshot.pk}%00",
        str(snapshot.pk)[:-1],
        snapshot.sha256,
    ):
        for path in (f"/data/{name}/download/", f"/data/{snapshot.pk}/as/{name}/train/"):
            assert researcher.get(path).status_code == 404, path
    whole = body_of(researcher.get(address))
    for header in ("bytes=0-1,5-6", "bytes=x-y", "items=0-1", "bytes=", "bytes=-"):
        found = researcher.get(address, headers={"Range": header})
        assert found.status_code == 200 and body_of(found) == whole, header
    for header in ("bytes=9-5", f"bytes={10**30}-"):
        assert researcher.get(address, headers={"Range": header}).status_code == 416, header
    stale = researcher.get(address, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert stale.status_code == 200 and body_of(stale) == whole
    etag = researcher.get(address).headers["ETag"]
    assert researcher.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_a_snapshot_without_its_files_says_so(snapshot: Snapshot, researcher: Client) -> None:
    (snapshot.path / "manifest.json").unlink()
    assert researcher.get(reverse("snapshot_download", args=[snapshot.pk])).status_code == 410


def test_start_a_run_watch_it_clone_it(world: World, researcher: Client) -> None:
    address = reverse("new_run", args=[world.slug])
    assert "Toy policy" in researcher.get(address).content.decode()
    wrong = researcher.post(
        address, {"method": "toy", "seed": "3", "config-steps": "0", "config-step_s": "0", "config-need": "0"}
    )
    assert wrong.status_code == 422 and not Run.objects.exists()
    fields = {
        "method": "toy",
        "seed": "3",
        "config-steps": "4",
        "config-step_s": "0",
        "config-need": "0",
        "config-fault": "none",
    }
    sent = researcher.post(address, fields)
    run = Run.objects.get()
    assert sent.status_code == 302, sent.content.decode()[-3000:]
    assert (run.seed, run.config["steps"]) == (3, 4)
    assert "hx-get" in researcher.get(sent.headers["Location"]).content.decode()
    execute(run)
    page = researcher.get(sent.headers["Location"]).content.decode()
    assert (
        "succeeded" in page
        and "<svg" in page
        and "counted" in page
        and run.code_revision in page
        and "changed" in page
    )
    clone = researcher.get(f"{address}?clone={run.pk}").content.decode()
    assert 'value="4"' in clone and 'value="3"' in clone


def test_what_a_service_refuses_stands_on_the_form(
    world: World, researcher: Client, snapshot: Snapshot
) -> None:
    fields = {
        "method": "toy",
        "seed": "0",
        "config-steps": "1",
        "config-step_s": "0",
        "config-need": "99",
        "config-fault": "none",
    }
    refused = researcher.post(reverse("new_run", args=[world.slug]), {**fields, "snapshot": str(snapshot.pk)})
    assert refused.status_code == 422 and "need 99 answers, have 20" in refused.content.decode()


def test_contrast_pairs_come_from_a_file_and_a_bad_line_is_named(
    world: World, researcher: Client, snapshot: Snapshot
) -> None:
    execute(start_run(campaign=world.campaign, actor=None, method="toy_reward", snapshot=snapshot))
    model = Checkpoint.objects.get(kind="reward_model")
    good = '{"prompt_1": "Red?", "answer_1": "Cherry.", "prompt_2": "Blue?", "answer_2": "Plum."}\n'
    address = f"{reverse('new_run', args=[world.slug])}?method=consistency"
    assert "multipart/form-data" in researcher.get(address).content.decode()

    def post(text: str) -> Any:
        fields = {"method": "consistency", "seed": "0", "snapshot": str(snapshot.pk), "reward_model": model.pk,
                  "config-pairs": "10", "config-contrasts": ""}  # fmt: skip
        file = SimpleUploadedFile("pairs.jsonl", text.encode())
        return researcher.post(address, {**fields, "config-contrasts-file": file})

    refused = post(good + '{"prompt_1": "Red?"}\n')
    assert refused.status_code == 422 and "line 2 is no contrast" in refused.content.decode()
    assert post(good).status_code == 302
    run = Run.objects.get(method="consistency")
    method = methods.get("consistency")
    run.directory.mkdir(parents=True)
    assert method.write_inputs(run, run.directory) == {"input": "contrasts.jsonl"}
    assert (run.directory / "contrasts.jsonl").read_text().strip() == good.strip()


def test_a_failed_run_shows_error_advice_and_log(world: World, researcher: Client) -> None:
    run = execute(start_run(campaign=world.campaign, actor=None, method="toy", config={"fault": "problem"}))
    page = researcher.get(reverse("run", args=[run.pk])).content.decode()
    assert "The toy has no batteries." in page and "Buy some." in page


def test_cancel_from_the_page(world: World, researcher: Client) -> None:
    run = start_run(campaign=world.campaign, actor=None, method="toy")
    assert researcher.post(reverse("cancel_run", args=[run.pk])).status_code == 302
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert researcher.post(reverse("cancel_run", args=[run.pk])).status_code == 409


def test_promote_and_undo(world: World, researcher: Client) -> None:
    first, second = (
        Checkpoint.objects.get(
            run=execute(start_run(campaign=world.campaign, actor=None, method="toy_policy", seed=seed))
        )
        for seed in (1, 2)
    )
    for model in (first, second):
        assert researcher.post(reverse("promote", args=[world.slug, model.pk])).status_code == 302
    assert world.campaign.promotions.order_by("-id").first().policy == second  # type: ignore[union-attr]
    assert researcher.post(reverse("promote", args=[world.slug, second.pk])).status_code == 409
    assert researcher.post(reverse("undo_promotion", args=[world.slug])).status_code == 302
    assert world.campaign.promotions.order_by("-id").first().policy == first  # type: ignore[union-attr]
    assert researcher.post(reverse("undo_promotion", args=[world.slug])).status_code == 409
    (Path(second.path) / "config.json").unlink()
    assert researcher.post(reverse("promote", args=[world.slug, second.pk])).status_code == 422
    assert AuditEvent.objects.filter(action__startswith="policy.").count() == 3


EVALUATION = {
    "pairs": {
        "accuracy": {"n": 44, "value": 0.82, "low": 0.7, "high": 0.9, "prompts": 10},
        "length_baseline": {"n": 44, "value": 0.55, "low": 0.4, "high": 0.7},
        "humans": {
            "labelers": {"n": 20, "value": 0.9, "low": 0.8, "high": 0.95},
            "model": {"n": 40, "value": None},
        },
        "types": {"comparison": {"n": 44, "value": 0.82, "low": 0.7, "high": 0.9}},
        "lengths": [{"from": 20, "to": 40, "n": 22, "value": 0.8, "low": 0.6, "high": 0.9}],
    },
    "calibration": {
        "ece": 0.03,
        "curve": [{"confidence": 0.6, "accuracy": 0.62, "low": 0.4, "high": 0.8, "n": 22}],
    },
    "labelers": {
        "l-1": {
            "events": 22,
            "log_beta": 0.3,
            "beta": 1.35,
            "log_beta_se": 0.2,
            "lapse": 0.04,
            "held_out": {"value": 0.8},
        }
    },
    "reward": {"histogram": {"edges": [-1, 0, 1], "counts": {"chosen": [1, 5], "rejected": [4, 2]}}},
}


@pytest.mark.parametrize("metrics", [{"evaluation": EVALUATION}, {"evaluation": {}}, {}, None])
def test_a_reward_model_page_shows_what_is_known(
    world: World, researcher: Client, snapshot: Snapshot, metrics: Any
) -> None:
    run = execute(start_run(campaign=world.campaign, actor=None, method="toy_reward", snapshot=snapshot))
    Run.objects.filter(pk=run.pk).update(metrics=metrics)
    page = researcher.get(reverse("model", args=[Checkpoint.objects.get().pk])).content.decode()
    assert snapshot.short in page
    if metrics and metrics["evaluation"]:
        assert "82.0 %" in page and "l-1" in page and page.count("<svg") >= 4
    else:
        assert "Not measured yet" in page
    # What it learned of the labelers stands with the campaign's quality too: e^(0.3 - 1.96 * 0.2) = 0.912, e^0.692 = 2.
    quality = researcher.get(reverse("campaign_reliability", args=[world.slug])).content.decode()
    told = bool(metrics and metrics["evaluation"])
    assert (">l-1<" in quality) == ("1.35" in quality) == ("0.912 … 2" in quality) == told


def test_heat_spans_cut_the_text_at_code_points() -> None:
    text = "Good 😀 no"
    tokens = [
        {"start": 0, "end": 5, "reward": 1.0},
        {"start": 5, "end": 7, "reward": 0.01},
        {"start": 7, "end": 9, "reward": -0.5},
        {"start": 9, "end": 9, "reward": 0.0},
    ]
    found = spans(text, tokens)
    assert "".join(s["text"] for s in found) == text
    assert [s["css"] for s in found] == ["heat-p5", "", "heat-n2", ""]


def test_the_number_of_queries_does_not_grow_with_rows(
    world: World, researcher: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        take_snapshot(campaign=world.campaign, actor=world.researcher)
        start_run(campaign=world.campaign, actor=world.researcher, method="toy")
    for name in ("data", "runs", "models", "rounds"):
        with django_assert_max_num_queries(14):
            assert researcher.get(reverse(name)).status_code == 200


def test_pages_have_no_inline_script_or_style(world: World, researcher: Client, snapshot: Snapshot) -> None:
    run = start_run(campaign=world.campaign, actor=None, method="toy", snapshot=snapshot)
    for address in ("/data/", f"/data/{snapshot.pk}/", "/runs/", f"/runs/{run.pk}/", "/models/", "/rounds/"):
        page = researcher.get(address).content.decode()
        assert "<style" not in page and " style=" not in page and "onclick" not in page
        assert "<script>" not in page


def test_texts_of_strangers_are_escaped(researcher: Client, world: World) -> None:
    run = start_run(campaign=world.campaign, actor=None, method="toy")
    Run.objects.filter(pk=run.pk).update(
        status="failed", error="<script>alert(1)</script>", log_tail="</pre><img src=x>"
    )
    page = researcher.get(reverse("run", args=[run.pk])).content.decode()
    assert "<script>alert" not in page and "<img src=x>" not in page


def test_a_disabled_person_and_a_suspended_researcher_are_out(world: World, snapshot: Snapshot) -> None:
    other = person("was-here", campaign=world.campaign, role="researcher")
    client = signed_in(other)
    address = reverse("snapshot", args=[snapshot.pk])
    assert client.get(address).status_code == 200
    other.memberships.update(suspended_at="2026-01-01T00:00:00Z")
    assert client.get(address).status_code == 404
