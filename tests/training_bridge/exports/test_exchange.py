"""Formats of other programs: exact columns, every preference in each of them, and a CSV that runs no formula (B87)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from annotation.rendering.cells import MOST_CHARACTERS, cell
from tests.training_bridge.exports.test_snapshot import lines, snap
from tests.training_bridge.test_api import Caller
from tests.training_bridge.test_pages import body_of, signed_in
from tests.training_bridge.world import World
from training_bridge.exports.exchange import COLUMNS, EXCHANGES
from training_bridge.models import Snapshot
from training_bridge.services import build_snapshot, take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)
EVIL = "=cmd|'/c calc'!A1, \"quoted\"\r\nnext\rlone\u2028para\u2029end"


def rows_of(path: Path, name: str, split: str = "all") -> list[dict[str, Any]]:
    return [json.loads(row) for row in b"".join(EXCHANGES[name].rows(path, split)).splitlines()]


def test_columns_of_each_program(tmp_path: Path) -> None:
    world = World(n_prompts=12)
    world.answer_all(strength=3)
    path = snap(world, tmp_path).path
    ours = [row for split in ("train", "test") for row in lines(path / f"preference/{split}.jsonl")]
    assert len(ours) == 24
    assert rows_of(path, "openrlhf") == [
        {name: row[name] for name in ("prompt", "chosen", "rejected", "margin")} for row in ours
    ]
    for row, theirs in zip(ours, rows_of(path, "nemo_rl"), strict=True):
        assert theirs == {
            "context": row["prompt"],
            "completions": [
                {"rank": 0, "completion": row["chosen"]},
                {"rank": 1, "completion": row["rejected"]},
            ],
            "task_name": "preference",
        }
    for row, theirs in zip(ours, rows_of(path, "reward_bench"), strict=True):
        assert theirs["chosen"][:-1] == theirs["rejected"][:-1] == row["prompt"]
        assert [theirs["chosen"][-1], theirs["rejected"][-1]] == [*row["chosen"], *row["rejected"]]
    assert rows_of(path, "open_instruct") == rows_of(path, "reward_bench")
    asked = rows_of(path, "prompts")
    assert len(asked) == 12 and asked[0].keys() == {"prompt", "id", "language"}
    parts = [rows_of(path, "prompts", split) for split in ("train", "test")]
    assert sorted(r["id"] for part in parts for r in part) == [r["id"] for r in asked] and all(parts)


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\x00"])
def test_a_cell_never_begins_as_a_formula(first: str) -> None:
    shown, was_cut = cell(first + "1+1")
    assert shown[0] == "'" and not was_cut


def test_cells() -> None:
    assert cell("a\r\nb\rc\u2028d\u2029e\x85f") == ("a\nb\nc\nd\ne\nf", False)
    long, was_cut = cell("y" * 40_000)
    assert was_cut and len(long) == MOST_CHARACTERS and long.endswith("…")
    assert cell("z" * MOST_CHARACTERS) == ("z" * MOST_CHARACTERS, False)
    assert [cell(v)[0] for v in (None, -3, 2.5, "plain", "")] == ["", -3, 2.5, "plain", ""]


def test_csv_is_rfc_4180_and_reads_back(tmp_path: Path) -> None:
    world = World(n_prompts=2, n_labelers=1, texts=(EVIL, "x" * 40_000))
    world.answer_all()
    built = snap(world, tmp_path)
    native = built.path / "native/feedback.jsonl"
    rows = lines(native)
    for row in rows:  # comparisons are about the set; here each is about the response that was shown first
        row["target"] = row["responses"][0]
    native.write_bytes(b"".join(json.dumps(row, sort_keys=True).encode() + b"\n" for row in rows))
    data = b"".join(EXCHANGES["csv"].rows(built.path, "all"))
    assert data.startswith(b"\xef\xbb\xbfevent,submission,")
    assert b"\r\n" in data and "\u2028".encode() not in data and b"\r" not in data.replace(b"\r\n", b"")
    read = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert len(read) == 2 and tuple(read[0]) == COLUMNS
    by_text = {row["response"][:5]: row for row in read}
    assert set(by_text) == {"'=cmd", "xxxxx"}
    assert by_text["'=cmd"]["response"] == "'=cmd|'/c calc'!A1, \"quoted\"\nnext\nlone\npara\nend"
    assert by_text["xxxxx"]["cut"] == "response" and len(by_text["xxxxx"]["response"]) == MOST_CHARACTERS
    assert json.loads(read[0]["answer"])["strength"] in (2, -2)


@pytest.mark.usefixtures("toys", "valkey")
def test_page_api_and_command(tmp_path: Path) -> None:
    world = World(n_prompts=6)
    world.answer_all()
    taken = take_snapshot(campaign=world.campaign, actor=world.researcher)
    build_snapshot(str(taken.pk))
    snapshot = Snapshot.objects.get(pk=taken.pk)
    researcher, caller = signed_in(world.researcher), Caller(world.researcher)
    page = researcher.get(reverse("snapshot", args=[snapshot.pk])).content.decode()
    for name in EXCHANGES:
        address = reverse("snapshot_exchange", args=[snapshot.pk, name, "train"])
        assert address in page
        sent = researcher.get(address)
        assert sent.headers["Content-Disposition"].startswith('attachment; filename="world-')
        expected = b"".join(EXCHANGES[name].rows(snapshot.path, "train"))
        assert body_of(sent) == expected != b""
        assert body_of(caller.get(f"/api/snapshots/{snapshot.pk}/as/{name}/train/")) == expected
        call_command("export_snapshot", snapshot.sha256[:8], name, out=str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == expected
    for name, split in (("xml", "train"), ("csv", "half")):
        assert (
            researcher.get(reverse("snapshot_exchange", args=[snapshot.pk, name, split])).status_code == 404
        )
