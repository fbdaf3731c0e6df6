"""A reward model on a file in RewardBench's format: accuracy per subset, weighted sections, best of four, Ties.

    python -m training_bridge.evaluation.rewardbench DIR

DIR/config.json: {"reward_model": {…}, "input": "rewardbench.jsonl"}; the file is JSON lines or Parquet with the columns of
version 1 or 2 (`benches.py`). A prompt is a text or a list of messages; `chosen` and `rejected` are texts, conversations
that end with the answer, or (version 2) lists of texts. `metrics.json`:

    subsets      name -> {"value", "low", "high", "n", "section"}; of Ties its parts and "score"
    sections     name -> weighted accuracy (version 1)
    score        mean of the sections (version 1), or of the subsets (version 2)
    left_out     rows longer than the model reads
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from feedback_types.base import Message
from training_bridge.evaluation.benches import OTHER, SUBSETS, Margins, best_of, margins, pair, sections, ties
from training_bridge.evaluation.config import RewardBenchParameters
from training_bridge.evaluation.judges import Text, reward_model_judge
from training_bridge.programs import Problem, RunDirectory, execute
from training_bridge.reward_model.config import parameters
from training_bridge.reward_model.measures import share

TIES = "ties"


@dataclass(frozen=True)
class Row:
    number: str
    subset: str
    chosen: list[Text]
    rejected: list[Text]
    is_second: bool  # of version 2


def rewardbench(run: RunDirectory) -> dict[str, Any]:
    parameters(RewardBenchParameters, run.config)
    judge = reward_model_judge(run)
    path = Path(run.config.get("input") or "")
    every = list(read(path if path.is_absolute() else run.path / path))
    rows = [r for r in every if all(judge.fits(t) for t in (*r.chosen, *r.rejected))]
    if not rows:
        raise Problem(f"{path.name} has no row that this model can read.", "Give rows, and shorter ones.")
    texts = [text for row in rows for text in (*row.chosen, *row.rejected)]
    flat = iter(judge.rewards(texts))
    right: dict[str, list[float]] = {}
    reference: dict[str, Margins] = {}
    tied: dict[str, Margins] = {}
    for row in rows:
        chosen, rejected = [next(flat) for _ in row.chosen], [next(flat) for _ in row.rejected]
        if row.subset.casefold() == TIES:
            kind, _, number = row.number.partition(":")
            (reference if kind == "ref" else tied)[number] = margins(chosen, rejected)
        elif row.is_second:
            right.setdefault(row.subset, []).append(best_of(chosen[0], rejected))
        else:
            right.setdefault(row.subset, []).append(pair(chosen[0], rejected[0]))
    subsets: dict[str, Any] = {
        name: {**share(values, range(len(values))), "section": SUBSETS.get(name, (OTHER, 0))[0]}
        for name, values in sorted(right.items())
    }
    found: dict[str, Any] = {"rows": len(rows), "left_out": len(every) - len(rows), "subsets": subsets}
    if rows[0].is_second:
        scores = [entry["value"] for entry in subsets.values()]
        if reference or tied:
            subsets["Ties"] = {"n": len(reference) + len(tied), **ties(reference, tied)}
            scores += [subsets["Ties"]["score"]] if subsets["Ties"]["score"] is not None else []
    else:
        found["sections"] = sections({name: (e["value"], e["n"]) for name, e in subsets.items()})
        scores = list(found["sections"].values())
    return {**found, "version": 2 if rows[0].is_second else 1, "score": fmean(scores) if scores else None}


# --- The file --------------------------------------------------------------------------------------------------------


def read(path: Path) -> Iterator[Row]:
    """Rows of a file. Raises Problem naming the row at fault and the rule."""
    if not path.is_file():
        raise Problem(
            f"There is no file {path}.",
            'Name a file of {"prompt", "chosen", "rejected", "subset"} as "input".',
        )
    for number, raw in enumerate(raw_rows(path), start=1):
        try:
            yield row_of(raw, number)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Problem(
                f"{path.name}, row {number} is not in RewardBench's format: {error!r}.",
                'Give "prompt", "chosen", "rejected" and, better, "subset".',
            ) from error


def raw_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile

        try:
            for batch in ParquetFile(path).iter_batches(batch_size=512):
                yield from batch.to_pylist()
        except ArrowInvalid as error:
            raise Problem(f"{path.name} is no Parquet file: {error}.") from error
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise Problem(f"{path.name}, line {number} is not JSON: {error}.") from error


def row_of(raw: Mapping[str, Any], number: int) -> Row:
    """A row of either version. A list of texts is version 2; a list of messages is a conversation."""
    chosen, rejected = raw["chosen"], raw["rejected"]
    is_second = isinstance(chosen, list) and all(isinstance(c, str) for c in chosen)
    every = [chosen, rejected] if not is_second else [*chosen, *rejected]
    if not every or not chosen or not rejected:
        raise ValueError("there must be a chosen and a rejected answer")
    texts = [text_of(raw.get("prompt"), answer) for answer in every]
    count = len(chosen) if is_second else 1
    subset = str(raw.get("subset") or OTHER)
    return Row(str(raw.get("id", number)), subset, texts[:count], texts[count:], is_second)


def text_of(prompt: Any, answer: Any) -> Text:
    """A prompt with an answer; without a prompt the answer is a conversation whose last message it is."""
    if isinstance(answer, list):
        *before, last = [Message(m["role"], m["content"]) for m in answer]
        if prompt is None or isinstance(prompt, str):
            return Text(tuple(before) or (Message("user", str(prompt)),), last.content)
        answer = last.content
    if isinstance(prompt, str):
        return Text((Message("user", prompt),), str(answer))
    return Text(tuple(Message(m["role"], m["content"]) for m in prompt), str(answer))


if __name__ == "__main__":
    execute(rewardbench)
