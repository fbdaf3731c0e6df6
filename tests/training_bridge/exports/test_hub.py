"""Pushing to a hub, against a stand-in of its API on a real socket: what arrives, and where nothing goes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from annotation.models import AuditEvent
from tests.training_bridge.world import World
from training_bridge.exports.hub import NotPushed, push
from training_bridge.models import Snapshot
from training_bridge.selectors import citation_of
from training_bridge.services import build_snapshot, take_snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toys", "valkey")]
TOKEN = "hf_canarytokenthatnobodymaysee"


class Hub(ThreadingHTTPServer):
    """Keeps what it is sent; `store` is where it sends large files to, `fault` what goes wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.store, self.fault = f"{self.url}/store", ""
        self.private = True
        self.requests: list[tuple[str, str, str]] = []  # method, path, authorization
        self.stored: dict[str, bytes] = {}
        self.committed: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self) -> None:
        hub, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.requests.append((self.command, self.path, self.headers.get("Authorization") or ""))
        if hub.fault == "refuses":
            self.reply(403, {"error": f"Bad token {self.headers.get('Authorization')}"})
        elif hub.fault == "redirects":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/api/repos/create":
            self.reply(200, {"url": f"{hub.url}/datasets/otters/feedback"})
        elif self.path == "/api/datasets/otters/feedback":
            self.reply(200, {"id": "otters/feedback", "private": hub.private, "siblings": [], "tags": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = {True: "lfs", False: "regular"}
            self.reply(200, {"files": [
                {"path": f["path"], "uploadMode": modes[f["path"].endswith(".parquet")], "shouldIgnore": False}
                for f in files
            ]})  # fmt: skip
        elif self.path.endswith("/info/lfs/objects/batch"):
            self.reply(200, {"transfer": "basic", "objects": [
                {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{hub.store}/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]})  # fmt: skip
        elif self.path.startswith("/store/"):
            hub.stored[self.path.rsplit("/", 1)[1]] = body
            self.reply(200, {})
        elif "/commit/" in self.path:
            for row in map(json.loads, body.splitlines()):
                value = row["value"]
                if row["key"] == "file":
                    hub.committed[value["path"]] = base64.b64decode(value["content"])
                elif row["key"] == "lfsFile":
                    hub.committed[value["path"]] = hub.stored[value["oid"]]
            self.reply(
                200,
                {
                    "commitUrl": f"{hub.url}/datasets/otters/feedback/commit/c0ffee",
                    "commitOid": "c0ffee",
                    "success": True,
                },
            )
        else:
            self.reply(200, {})

    def reply(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = answer


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with override_settings(HF_ENDPOINT=server.url, HF_HOSTS=[]):
        yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def snapshot() -> Snapshot:
    world = World(n_prompts=6)
    world.answer_all()
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    build_snapshot(str(taken.pk))
    return Snapshot.objects.get(pk=taken.pk)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("push_to_hub", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_everything_arrives_and_the_token_goes_to_the_hub_alone(
    hub: Hub,
    snapshot: Snapshot,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
) -> None:
    monkeypatch.setenv("WHETSTONE_HF_TOKEN", TOKEN)
    caplog.set_level("DEBUG")
    said = run(snapshot.sha256[:10], "otters/feedback")
    local = {
        p.relative_to(snapshot.path).as_posix(): p.read_bytes()
        for p in snapshot.path.rglob("*")
        if p.is_file()
    }
    assert hub.committed == {**local, **citation_of(snapshot)}
    assert hashlib.sha256(hub.committed["manifest.json"]).hexdigest() == snapshot.sha256
    assert "c0ffee" in said and f"{len(local) + 2} files" in said
    assert all(auth == f"Bearer {TOKEN}" for method, path, auth in hub.requests if path.startswith("/api/"))
    assert (
        [auth for method, path, auth in hub.requests if path.startswith("/store/")]
        == [""] * len(hub.stored)
        != []
    )
    everything = said + caplog.text + "".join(capfd.readouterr()) + str(AuditEvent.objects.values())
    assert TOKEN not in everything
    assert AuditEvent.objects.get(action="snapshot.push").after["commit"] == "c0ffee"


def test_it_goes_nowhere_else(hub: Hub, snapshot: Snapshot) -> None:
    how = {"repository": "otters/feedback", "endpoint": hub.url, "token": TOKEN}
    hub.store = f"http://localhost:{hub.server_port}/store"  # another name
    with pytest.raises(NotPushed, match=r"sends the upload to localhost.*WHETSTONE_HF_HOSTS"):
        push(snapshot.path, {}, **how)
    assert not hub.stored and not hub.committed
    assert push(snapshot.path, {}, **how, hosts=["localhost"]).commit == "c0ffee"
    hub.fault = "redirects"
    with pytest.raises(NotPushed):
        push(snapshot.path, {}, **how)


def test_a_public_repository_is_no_private_one(hub: Hub, snapshot: Snapshot) -> None:
    """It was there before, and everybody reads it: without knowing so nothing is put there."""
    hub.private = False
    how = {"repository": "otters/feedback", "endpoint": hub.url, "token": TOKEN}
    with pytest.raises(NotPushed, match="exists and is public; nothing was sent"):
        push(snapshot.path, {}, **how)
    assert not hub.stored and not hub.committed
    assert push(snapshot.path, {}, **how, private=False).commit == "c0ffee"


def test_refusals_say_what_and_never_the_token(
    hub: Hub, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(CommandError, match="no token"):
        run(snapshot.sha256, "otters/feedback")
    monkeypatch.setenv("WHETSTONE_HF_TOKEN", TOKEN)
    with pytest.raises(CommandError, match="licence"):
        run(snapshot.sha256, "otters/feedback", "--public")
    for name in ("otters", "../x/y", "a b/c", "a/b/c"):
        with pytest.raises(CommandError, match="owner/name"):
            run(snapshot.sha256, name)
    with override_settings(HF_ENDPOINT="http://hub.example"), pytest.raises(CommandError, match="not https"):
        run(snapshot.sha256, "otters/feedback")
    assert hub.requests == []
    hub.fault = "refuses"
    with pytest.raises(CommandError, match="refused") as refused:
        run(snapshot.sha256, "otters/feedback")
    assert TOKEN not in str(refused.value)
    native = snapshot.path / "native/feedback.jsonl"
    native.write_bytes(native.read_bytes()[:-2])
    with pytest.raises(CommandError, match="damaged"):
        run(snapshot.sha256, "otters/feedback")


def test_nobody_is_at_the_address(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(NotPushed, match="did not answer"):
        push(snapshot.path, {}, repository="o/r", endpoint="http://127.0.0.1:9", token=TOKEN)
