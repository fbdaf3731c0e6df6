"""Rows of a snapshot's views as tokens: what the programs learn from that need no reward model.

Prompts and answers become token ids here, so no text of theirs can pose as a control token. Rows that are left out are
counted by their reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_bridge.policy.chat import answer_ids, content_of, prompt_ids
from training_bridge.programs import Problem


@dataclass(frozen=True)
class Row:
    """An answer in tokens, with its end token, and whether it is a good one."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    is_good: bool = True

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass
class Rows:
    rows: list[Row]
    left_out: dict[str, int]  # by reason
    views: dict[str, int]  # how many came from which view


def read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of a view; none where the snapshot has no such file (no answer gave a row). Raises Problem naming the line."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise Problem(
                    f"{path.name}, line {number} is not JSON.", "The snapshot is damaged; take it again."
                ) from error


def to_imitate(snapshot: Path, split: str, tokenizer: Any, *, chosen: str, max_length: int) -> Rows:
    """Answers that somebody wrote, edited or refined; with `chosen`, those that were preferred too."""
    found = [(row["prompt"], row["completion"], True) for row in _view(snapshot, "prompt_completion", split)]
    views = {"prompt_completion": len(found)}
    if _wanted(chosen, found):
        preferred = [(row["prompt"], row["chosen"], True) for row in _view(snapshot, "preference", split)]
        views["preference"] = len(preferred)
        found += preferred
    return _encoded(found, tokenizer, max_length, views, once=True)


def judged(snapshot: Path, split: str, tokenizer: Any, *, pairs: str, max_length: int) -> Rows:
    """Answers judged good or bad; with `pairs`, a preference counts as one of each."""
    found = [
        (row["prompt"], row["completion"], bool(row["label"])) for row in _view(snapshot, "unpaired", split)
    ]
    views = {"unpaired": len(found)}
    if _wanted(pairs, found):
        halves = [
            (row["prompt"], row[side], side == "chosen")
            for row in _view(snapshot, "preference", split)
            for side in ("chosen", "rejected")
        ]
        views["preference"] = len(halves)
        found += halves
    return _encoded(found, tokenizer, max_length, views, once=False)


def _view(snapshot: Path, view: str, split: str) -> Iterator[Mapping[str, Any]]:
    return read_rows(snapshot / view / f"{split}.jsonl")


def _wanted(how: str, found: list[Any]) -> bool:
    return how == "always" or (how == "without_others" and not found)


def _encoded(
    found: Iterable[tuple[Any, Any, bool]],
    tokenizer: Any,
    max_length: int,
    views: dict[str, int],
    *,
    once: bool,
) -> Rows:
    """`once` leaves out an answer that is there already; where answers are judged, two people saying the same is more."""
    rows: list[Row] = []
    left_out = {"too_long": 0, "empty": 0, "there_already": 0}
    known: set[Row] = set()
    for prompt, completion, is_good in found:
        text = content_of(completion)
        row = Row(tuple(prompt_ids(tokenizer, prompt)), tuple(answer_ids(tokenizer, text)), is_good)
        if not text.strip():
            left_out["empty"] += 1
        elif len(row) > max_length:
            left_out["too_long"] += 1
        elif once and row in known:
            left_out["there_already"] += 1
        else:
            known.add(row)
            rows.append(row)
    return Rows(rows, left_out, views)
