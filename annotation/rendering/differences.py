"""What changed between two versions of a text, word by word, for people who read the first one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

MAX_LINES = 2_000  # comparing takes time in the square of what differs
MAX_WORDS = 4_000
WORDS = re.compile(r"\s+|[\u3040-\u30ff\u3400-\u9fff]|\w+|.", re.S)


class Part(NamedTuple):
    kind: str  # "same", "del" or "ins"
    text: str


def differences(old: str, new: str) -> list[Part]:
    """Parts in order; the same and inserted ones together are the new text, the same and deleted ones the old.

    Lines first, then words within lines that changed. Texts too long to compare are shown as one deleted, one inserted.
    """
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(before) > MAX_LINES or len(after) > MAX_LINES:
        return _joined(iter([Part("del", old), Part("ins", new)]))
    return _joined(_changes(before, after, by_word=True))


def _changes(a: list[str], b: list[str], *, by_word: bool) -> Iterator[Part]:
    for kind, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        old, new = "".join(a[i:j]), "".join(b[k:m])
        if kind == "equal":
            yield Part("same", new)
            continue
        words, others = WORDS.findall(old), WORDS.findall(new)
        if by_word and old and new and max(len(words), len(others)) <= MAX_WORDS:
            yield from _changes(words, others, by_word=False)
        else:
            yield Part("del", old)
            yield Part("ins", new)


def _joined(parts: Iterator[Part]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if not part.text:
            continue
        if found and found[-1].kind == part.kind:
            found[-1] = Part(part.kind, found[-1].text + part.text)
        else:
            found.append(part)
    return found
