"""A snapshot in the columns of other programs, made while it is sent: nothing of it lies on the disk twice.

    openrlhf       {"prompt": [...], "chosen": [...], "rejected": [...], "margin": 2.0}
    nemo_rl        {"context": [...], "completions": [{"rank": 0, "completion": [...]}, {"rank": 1, ...}], "task_name": "…"}
    reward_bench   {"chosen": [..., {"role": "assistant"}], "rejected": [...]}     the prompt is in both
    open_instruct  as reward_bench
    prompts        {"prompt": [...], "id": 21}                                     for GRPO and RLOO
    csv            one event a line, for spreadsheets; lossy

All but the last two rename the columns of the view `preference` and lose what that view loses.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from django.utils.translation import gettext_lazy as _

from annotation.rendering.cells import cell
from training_bridge.exports.files import line
from training_bridge.exports.texts import TextIndex

SPLITS = ("train", "test", "all")
JSON_LINES = "application/x-ndjson"

Row = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One format: `rows` makes its pieces from a snapshot's directory and a split."""

    name: str
    label: str
    says: Any  # translatable: who reads it, and how
    suffix: str
    content_type: str
    rows: Callable[[Path, str], Iterator[bytes]]
    view: str = ""  # of which it is made; empty: of the events or prompts

    def is_in(self, manifest: dict[str, Any]) -> bool:
        """Whether this snapshot has what it is made of."""
        return not self.view or any(
            f"{self.view}/{split}.jsonl" in manifest["files"] for split in ("train", "test")
        )


def renamed(view: str, change: Callable[[Row], Row]) -> Callable[[Path, str], Iterator[bytes]]:
    def rows(snapshot: Path, split: str) -> Iterator[bytes]:
        for side in ("train", "test") if split == "all" else (split,):
            path = snapshot / view / f"{side}.jsonl"
            if path.is_file():
                with open(path, "rb", buffering=1 << 20) as file:
                    for text in file:
                        yield line(change(orjson.loads(text)))

    return rows


def openrlhf(row: Row) -> Row:
    return {name: row[name] for name in ("prompt", "chosen", "rejected", "margin")}


def nemo_rl(row: Row) -> Row:
    completions = [
        {"rank": rank, "completion": row[name]} for rank, name in enumerate(("chosen", "rejected"))
    ]
    return {"context": row["prompt"], "completions": completions, "task_name": "preference"}


def whole(row: Row) -> Row:
    return {name: [*row["prompt"], *row[name]] for name in ("chosen", "rejected")}


def prompts(snapshot: Path, split: str) -> Iterator[bytes]:
    """Every prompt of a split once."""
    with open(snapshot / "native" / "prompts.jsonl", "rb", buffering=1 << 20) as file:
        for text in file:
            row = orjson.loads(text)
            if split in ("all", row["split"]):
                yield line({"prompt": row["messages"], "id": row["id"], "language": row["language"]})


# --- CSV -------------------------------------------------------------------------------------------------------------

COLUMNS = (
    "event", "submission", "item", "round", "split", "question", "type", "target", "prompt", "response", "answer",
    "labeler", "labeler_kind", "status", "active_ms", "submitted_at", "cut",
)  # fmt: skip


def csv_rows(snapshot: Path, split: str) -> Iterator[bytes]:
    """RFC 4180 in UTF-8 with a byte order mark, by which spreadsheets know it; events in the order of the snapshot."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")

    def taken() -> bytes:
        data = out.getvalue().encode()
        out.seek(0)
        out.truncate()
        return data

    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf" + taken()
    texts = [index(snapshot / "native" / f"{name}.jsonl") for name in ("prompts", "responses")]
    with texts[0] as asked, texts[1] as answered:
        with open(snapshot / "native" / "feedback.jsonl", "rb", buffering=1 << 20) as file:
            for raw in file:
                row = orjson.loads(raw)
                if split in ("all", row["split"]):
                    writer.writerow(_cells(row, asked, answered))
                    yield taken()


def _cells(row: Row, asked: TextIndex, answered: TextIndex) -> list[Any]:
    said = {
        **row,
        "event": row["id"],
        "prompt": asked.row(row["prompt"])["messages"][-1]["content"],
        "response": None if row["target"] is None else answered.row(row["target"])["text"],
        "answer": orjson.dumps(row["payload"], option=orjson.OPT_SORT_KEYS).decode(),
    }
    cells, cut = [], []
    for name in COLUMNS[:-1]:
        value, was_cut = cell(said[name])
        cells.append(value)
        if was_cut:
            cut.append(name)
    return [*cells, " ".join(cut)]


def index(path: Path) -> TextIndex:
    """The index of a file that is there already."""
    found, end = TextIndex(path), 0
    with open(path, "rb", buffering=1 << 20) as file:
        for text in file:
            end += len(text)
            found.add(orjson.loads(text)["id"], end)
    return found


EXCHANGES = {
    exchange.name: exchange
    for exchange in (
        Exchange("prompts", "GRPO, RLOO", _("TRL's prompt-only rows: every prompt once."), "jsonl", JSON_LINES, prompts),
        Exchange(
            "openrlhf", "OpenRLHF",
            _("For --data.prompt_key prompt --data.chosen_key chosen --data.rejected_key rejected, with its chat template."),
            "jsonl", JSON_LINES, renamed("preference", openrlhf), "preference",
        ),
        Exchange(
            "nemo_rl", "NeMo-RL", _("Its preference rows: context and ranked completions."),
            "jsonl", JSON_LINES, renamed("preference", nemo_rl), "preference",
        ),
        Exchange(
            "reward_bench", "RewardBench", _("Whole dialogues, chosen and rejected; the prompt is in both."),
            "jsonl", JSON_LINES, renamed("preference", whole), "preference",
        ),
        Exchange(
            "open_instruct", "open-instruct", _("Whole dialogues, chosen and rejected; the prompt is in both."),
            "jsonl", JSON_LINES, renamed("preference", whole), "preference",
        ),
        Exchange(
            "csv", "CSV",
            _(
                "For spreadsheets, and lossy: only the last turn of a prompt, cells of at most 32,767 characters, line ends "
                "made alike, and ' before what could be a formula. Programs read JSONL or Parquet."
            ),
            "csv", "text/csv; charset=utf-8", csv_rows,
        ),
    )
}  # fmt: skip
