"""Sentences of a text, by code points: the places at which e-stop, improvement and marks look.

A text is cut into consecutive segments that together are the text again; white space belongs to the segment before it.
A line break ends a segment; inside a line a sentence ends at its punctuation, in any script; inside a code fence only
lines count. The rules follow Unicode UAX #29 in spirit and are short enough to be read: the same text always gives the
same cuts, and `VERSION` rises when a rule changes (answers store the cuts they were given with).

    >>> segment_ends("One. Two! 三。四")
    [5, 10, 12, 13]
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

VERSION = 1
# In code points; a longer run without punctuation (Thai, a log line) is cut at a space, or else between two characters.
LONGEST = 600

CLOSERS = "\"'”’»›)]}）】》」』〉〕*_`"
ALWAYS = "。！？｡"  # end a sentence whatever follows
SPACED = "!?‽⁇⁈⁉؟۔।॥։።፧។៕။᠃᠉．"  # end a sentence when a space or a wide character follows
DOTS = ".…‥"  # end a sentence when a space follows, unless it looks like an abbreviation
END = re.compile(f"([{re.escape(ALWAYS + SPACED + DOTS)}]+)([{re.escape(CLOSERS)}]*)(\\s*)")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LAST_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*$")
ABBREVIATIONS = frozenset(
    "approx cf dr e.g eg etc fig i.e ie jr mr mrs nos p.s pp prof resp sr st vs vol bzw ca d.h evtl usw z.b p.ex".split()
)
SOFT = re.compile(r"[,;:，；：、،؛]\s*|\s+")  # where an overlong segment may be cut


def segment_ends(text: str) -> list[int]:
    """Where the segments of a text end, in code points; the last one is the length of the text. Empty for an empty text."""
    cuts: list[int] = []
    start, fence = 0, ""
    for line in text.splitlines(keepends=True):
        marker = FENCE.match(line)
        if fence:
            if marker and marker[1].startswith(fence) and not line[marker.end() :].strip():
                fence = ""
        elif marker:
            fence = marker[1]
        else:
            cuts.extend(start + end for end in _sentence_ends(line))
        start += len(line)
        cuts.append(start)
    return _shorten(text, _merge_wordless(text, sorted(set(cuts))))


def segments(text: str, ends: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """(start, end) of each segment."""
    ends = segment_ends(text) if ends is None else ends
    return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []


def segment_at(ends: Sequence[int], offset: int) -> int:
    """Index of the segment that holds the code point at `offset`; the last one for the end of the text."""
    return min(bisect_right(ends, offset), len(ends) - 1)


def _sentence_ends(line: str) -> list[int]:
    ends = []
    for found in END.finditer(line):
        marks, closers, space = found.groups()
        after = line[found.end() : found.end() + 1]
        if any(mark in ALWAYS for mark in marks):
            ends.append(found.end())
        elif space or not after:
            if not (after.islower() and (closers or marks[-1] in DOTS)) and not (
                marks == "." and _abbreviates(line, found.start())
            ):
                ends.append(found.end())
        elif any(mark in SPACED for mark in marks) and unicodedata.east_asian_width(after) in "WF":
            ends.append(found.end())
    return [end for end in ends if 0 < end < len(line)]


def _abbreviates(line: str, stop: int) -> bool:
    """Whether the full stop at `stop` belongs to a word: an initial, a known abbreviation, or the number of a list entry."""
    word = LAST_WORD.search(line, max(0, stop - 32), stop)
    if word is None:
        return False
    before = line[word.start() - 1 : word.start()]
    initial = (
        len(word[0]) == 1
        and word[0].isupper()
        and word[0] != "I"
        and (not before or before.isspace() or before in "([“\"'")
    )
    numbering = word[0].isdecimal() and not line[: word.start()].strip(" \t#>*-(")
    return initial or numbering or word[0].casefold() in ABBREVIATIONS


def _merge_wordless(text: str, cuts: Sequence[int]) -> list[int]:
    """Leave no segment without a letter, digit or symbol: it joins the segment before it, the first one the next."""
    ends: list[int] = []
    start, wordy = 0, False
    for cut in cuts:
        has_word = any(c.isalnum() or unicodedata.category(c) in ("So", "Sm", "Sc") for c in text[start:cut])
        if ends and (not has_word or not wordy):
            ends[-1] = cut
        else:
            ends.append(cut)
        wordy = wordy or has_word
        start = cut
    return ends


def _shorten(text: str, cuts: Sequence[int]) -> list[int]:
    ends: list[int] = []
    start = 0
    for cut in cuts:
        while cut - start > LONGEST:
            soft = [m.end() for m in SOFT.finditer(text, start + LONGEST // 2, start + LONGEST)]
            start = soft[-1] if soft else _between_characters(text, start + LONGEST)
            if start >= cut:
                break
            ends.append(start)
        ends.append(cut)
        start = cut
    return ends


def _between_characters(text: str, offset: int) -> int:
    """The first place at or after `offset` that separates no mark, joiner or modifier from its letter."""
    while offset < len(text) and (_extends(text[offset]) or text[offset - 1] == "\u200d"):
        offset += 1
    return offset


def _extends(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character in "\u200d\ufe0f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
