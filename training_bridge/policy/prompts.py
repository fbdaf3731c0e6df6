"""Prompts for the programs that ask a policy: from a file of lines {"id", "messages"}, or from a snapshot.

{"id": "21", "messages": [{"role": "user", "content": "Tell me about otters."}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training_bridge.programs import Problem


@dataclass(frozen=True)
class Prompt:
    id: str
    messages: tuple[Mapping[str, str], ...]
    split: str = ""


def read_prompts(path: Path) -> Iterator[Prompt]:
    """Prompts of a file. Raises Problem naming the line at fault."""
    if not path.is_file():
        raise Problem(f"There is no input file {path}.", 'Write lines {"id", "messages"} to it.')
    seen = set()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                messages = tuple(
                    {"role": str(m["role"]), "content": str(m["content"])} for m in row["messages"]
                )
                prompt = Prompt(str(row["id"]), messages, str(row.get("split") or ""))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Problem(
                    f"{path.name}, line {number} is no prompt: {error!r}.", 'Write {"id", "messages"}.'
                ) from error
            if not messages or prompt.id in seen:
                raise Problem(
                    f"{path.name}, line {number}: the prompt is empty or its id was there before.",
                    "Give every prompt a message and an id of its own.",
                )
            seen.add(prompt.id)
            yield prompt


def of_snapshot(snapshot: Path, split: str) -> Iterator[Prompt]:
    """Prompts of one side of a snapshot. No prompt is on both sides."""
    return (prompt for prompt in read_prompts(snapshot / "native" / "prompts.jsonl") if prompt.split == split)
