"""What changed between two values, for people: leaves of JSON side by side, and lines of a text.

>>> list(changes({"overlap": 2, "name": "A"}, {"overlap": 3, "name": "A"}))
[Change(path='overlap', before='2', after='3')]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

MOST_CHARACTERS = 400  # of one value; beyond, its end is left out
CONTEXT = 2  # equal lines that are shown around a difference
MOST_LINES = 4_000  # of a text that is compared line by line; beyond, both are shown whole


class Change(NamedTuple):
    """One leaf that differs. None: there was nothing, or there is nothing any more."""

    path: str
    before: str | None
    after: str | None


class Line(NamedTuple):
    """`sign` is "-" (only before), "+" (only after), " " (both) or "…" (equal lines that are left out)."""

    sign: str
    text: str


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Leaves that differ, in the order of `before`, new ones after them. Items of a list with a `key` are matched by it."""
    if before == after:
        return
    one, other = _named(before), _named(after)
    if one is None or other is None:
        yield Change(path or "–", _words(before), _words(after))
        return
    for name in [*one, *(name for name in other if name not in one)]:
        where = f"{path}.{name}" if path else name
        if name in one and name in other:
            yield from changes(one[name], other[name], where)
        elif name in one:
            yield Change(where, _words(one[name]), None)
        else:
            yield Change(where, None, _words(other[name]))


def line_changes(before: str, after: str) -> list[Line]:
    """Two texts line by line, with a little of what is equal around each difference."""
    one, other = before.splitlines(), after.splitlines()
    if len(one) + len(other) > MOST_LINES:
        return [*(Line("-", text) for text in one), *(Line("+", text) for text in other)]
    found: list[Line] = []
    for group in SequenceMatcher(None, one, other, autojunk=False).get_grouped_opcodes(CONTEXT):
        if found or group[0][1] > 0:
            found.append(Line("…", ""))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [Line(" ", text) for text in one[i1:i2]]
            else:
                found += [Line("-", text) for text in one[i1:i2]]
                found += [Line("+", text) for text in other[j1:j2]]
    return found


def _named(value: Any) -> dict[str, Any] | None:
    """A value's parts by name; None for a leaf."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {str(name): inner for name, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(v, dict) and "key" in v for v in value):
        return {str(v["key"]): v for v in value}
    return None


def _words(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
