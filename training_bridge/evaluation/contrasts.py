"""Contrast pairs: two near-identical prompts with different right answers, one pair a line. Imports no torch.

{"prompt_1": "Name a fruit that is red.", "answer_1": "A cherry.", "prompt_2": "Name a fruit that is blue.", "answer_2": …}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from training_bridge.programs import Problem

FIELDS = ("prompt_1", "answer_1", "prompt_2", "answer_2")


def read(lines: Iterable[str], name: str) -> Iterator[tuple[str, str, str, str]]:
    """The fields of each line that is not blank. Raises Problem naming the line of `name` that is at fault."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            one, first, two, second = (str(row[field]) for field in FIELDS)
        except (ValueError, KeyError, TypeError) as error:
            raise Problem(
                f"{name}, line {number} is no contrast: {error!r}.",
                'Write {"prompt_1", "answer_1", "prompt_2", "answer_2"}.',
            ) from error
        yield one, first, two, second
