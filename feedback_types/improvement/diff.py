"""What an edit changed, word by word, in code points of the original.

    >>> word_ops("A tall man sat.", "A short man sat down.")
    [Op(op='replace', start=2, end=7, text='short '), Op(op='replace', start=11, end=14, text='sat down')]

Python's difflib finds the changes; here are only the words it compares and the bound on its work.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Literal

from pydantic import Field

from feedback_types.base import Payload
from feedback_types.segments import segments

WORK = 2_000_000  # pairs of equal words difflib may have to look at; above it, sentences are compared, then nothing


class Op(Payload):
    """One change: the code points start..end of the original become `text`."""

    op: Literal["insert", "delete", "replace"]
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str


def word_ops(original: str, edited: str) -> list[Op]:
    """The changes that make `edited` from `original`, in order, apart from each other. `apply` is the inverse."""
    a, b = words(original), words(edited)
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    a, b = a[head : len(a) - tail], b[head : len(b) - tail]
    start = len("".join(words(original)[:head]))
    old, new = "".join(a), "".join(b)
    if _work(a, b) > WORK:
        a, b = [old[s:e] for s, e in segments(old)], [new[s:e] for s, e in segments(new)]
        if _work(a, b) > WORK:
            a, b = [old], [new]
    a_at, b_at = _offsets(a), _offsets(b)
    return [
        _op(start + a_at[i1], start + a_at[i2], new[b_at[j1] : b_at[j2]])
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


def apply(original: str, ops: Iterable[Op]) -> str:
    """The edited text. Raises ValueError when the changes overlap, are out of order, or reach beyond the text."""
    parts, at = [], 0
    for op in ops:
        if not at <= op.start <= op.end <= len(original) or (op.start, op.text) == (op.end, ""):
            raise ValueError(
                f"The change at {op.start}..{op.end} does not fit a text of {len(original)} characters."
            )
        if op.op != _op(op.start, op.end, op.text).op:
            raise ValueError(f"The change at {op.start}..{op.end} is called {op.op}.")
        parts += [original[at : op.start], op.text]
        at = op.end
    return "".join([*parts, original[at:]])


def words(text: str) -> list[str]:
    """The words of a text, with the white space after them; wide characters (Chinese, emoji) and signs each are a word."""
    found: list[str] = []
    kind = ""
    for character in text:
        last, kind = kind, _kind(character)
        if found and (
            kind == "extends"
            or found[-1][-1] == "\u200d"
            or kind == "space"
            or (kind == "word" and last == "word")
        ):
            found[-1] += character
            kind = last if kind == "extends" else kind
        else:
            found.append(character)
    return found


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if (
        category in ("Mn", "Mc", "Me")
        or character in "\u200c\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    ):
        return "extends"
    if character.isspace():
        return "space"
    if category[0] in "LN" or character in "_'’":
        return (
            "wide"
            if unicodedata.east_asian_width(character) in "WF" and not "가" <= character <= "힣"
            else "word"
        )
    return "sign"


def _op(start: int, end: int, text: str) -> Op:
    return Op(
        op="insert" if start == end else "replace" if text else "delete", start=start, end=end, text=text
    )


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _work(a: Sequence[str], b: Sequence[str]) -> int:
    in_b = Counter(b)
    return sum(n * in_b[word] for word, n in Counter(a).items())


def _offsets(parts: Sequence[str]) -> list[int]:
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return offsets
