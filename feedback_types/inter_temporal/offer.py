"""What is on offer: the segments of a response, the moments that are asked about, and every answer that can be given.

An answer is a sequence of ordered choices. Each is about one score: the step reward r_n = v_n - v_{n-1} of a segment (for a
turn its final reward), or the difference of two of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, Literal, cast

from django.utils.translation import gettext as _

from feedback_types.base import Event, Screen
from feedback_types.inter_temporal.schema import (
    LAG_MS,
    START,
    InterTemporalPayload,
    InterTemporalSettings,
    Pair,
    Point,
)
from feedback_types.segments import FENCE, VERSION, segment_ends

MOST = 200  # segments of one response; a longer one has its neighbours joined, evenly
SAME = 0.05  # a change of the curve that is at most so large is none
BETTER: tuple[Literal["second", "equal", "first"], ...] = ("second", "equal", "first")

# --- Segments --------------------------------------------------------------------------------------------------------


def cut(screen: Screen, target: int | None, unit: str) -> list[int]:
    """The segments of one response, as they are stored; see InterTemporalPayload.

    Where several responses share a dialogue, its earlier turns are asked about once: with the response of the lowest id.
    """
    response = screen.response(target)
    if unit == "turn":
        earlier = [turn.index for turn in screen.turns]
        owner = min(r.id for r in screen.responses)
        return [*(earlier if response.id == owner else []), len(screen.prompt)]
    return list(_cut_text(response.text, unit))


@lru_cache(maxsize=256)  # form, rules and choice set of one screen all ask
def _cut_text(text: str, unit: str) -> tuple[int, ...]:
    ends = step_ends(text) if unit == "step" else segment_ends(text)
    while len(ends) > MOST:
        ends = [*ends[1:-1:2], ends[-1]]
    return tuple(ends)


def step_ends(text: str) -> list[int]:
    """Where the steps of a text end: a paragraph where it has blank lines, else a line, else (one line) a sentence.

    A code fence stays whole; white space belongs to the step before it.

    >>> step_ends("2 + 2 = 4\\nso 5\\n"), step_ends("2 + 2\\n= 4\\n\\nso 5")
    ([10, 15], [13, 17])
    """
    blocks = list(_blocks(text))  # (start, whether it is blank)
    wordy = [i for i, (_start, blank) in enumerate(blocks) if not blank]
    if len(wordy) < 2:
        return segment_ends(text)
    paragraphs = any(blank for _start, blank in blocks[wordy[0] : wordy[-1]])
    starts = [blocks[i][0] for i in wordy[1:] if not paragraphs or blocks[i - 1][1]]
    return [*starts, len(text)]


def _blocks(text: str) -> Iterator[tuple[int, bool]]:
    """Lines, each code fence as one."""
    start, fence = 0, ""
    for line in text.splitlines(keepends=True):
        marker = FENCE.match(line)
        if fence:
            if marker and marker[1].startswith(fence) and not line[marker.end() :].strip():
                fence = ""
        else:
            fence = marker[1] if marker else ""
            yield start, not line.strip()
        start += len(line)


def words(screen: Screen, target: int | None, unit: str, segments: Sequence[int]) -> list[str]:
    """The text of each segment."""
    text = screen.response(target).text
    if unit == "turn":
        return [screen.prompt[n].content if n < len(screen.prompt) else text for n in segments]
    return (
        [text[start:end] for start, end in zip([0, *segments[:-1]], segments, strict=True)]
        if segments
        else []
    )


def moments(screen: Screen, target: int | None, settings: InterTemporalSettings) -> list[tuple[int, int]]:
    """The pairs of segments that are asked about: disjoint, the earlier first, drawn by a hash of the text."""
    segments = cut(screen, target, settings.unit)
    seed = screen.response(target).sha256
    drawn = sorted(range(len(segments)), key=lambda n: hashlib.sha256(f"{seed}:{n}".encode()).digest())
    pairs = [sorted(drawn[i : i + 2]) for i in range(0, len(drawn) - 1, 2)]
    return [(a, b) for a, b in pairs[: settings.pairs]]


def same_within(segments: int) -> float:
    """How far the curve may move between two segments and still count as level.

    Narrower for a long text, so that a curve can rise in every segment: every sequence of changes can be drawn.
    """
    return min(SAME, 0.4 / max(1, segments))


# --- Words -----------------------------------------------------------------------------------------------------------


def labels(settings: InterTemporalSettings) -> list[tuple[int, str, str]]:
    """(value, words, key) of each label on offer, from bad to good; a key means the same whatever is offered."""
    if not settings.neutral:
        return [(-1, _("Wrong"), "1"), (1, _("Right"), "3")]
    return [(-1, _("Bad"), "1"), (0, _("Okay"), "2"), (1, _("Good"), "3")]


def choice_set(screen: Screen, settings: InterTemporalSettings) -> dict[str, Any]:
    cuts = {str(r.id): cut(screen, r.id, settings.unit) for r in screen.responses}
    offered: dict[str, Any] = {
        "reading": settings.reading,
        "unit": settings.unit,
        "segments": cuts,
        "segmentation": VERSION,
    }
    if settings.reading == "labels":
        options = [{"value": value, "label": label} for value, label, _key in labels(settings)]
        offered |= {"labels": options, "stop_at_error": settings.stop_at_error, "unsure": settings.unsure}
    elif settings.reading == "curve":
        offered |= {
            "changes": [-1, 0, 1],
            "same_within": {name: same_within(len(ends)) for name, ends in cuts.items()},
            "start": START,
            "draw": settings.draw,
        }
        if settings.draw == "live":
            offered |= {"chars_per_s": settings.chars_per_s, "lag_ms": LAG_MS}
    else:
        pairs = {str(r.id): [list(p) for p in moments(screen, r.id, settings)] for r in screen.responses}
        offered |= {"pairs": pairs, "better": list(BETTER)}
    return offered


# --- The choices of an answer ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One ordered choice: option `chosen` of `levels`, 0 the worst, about segment `plus`, or how it compares to `minus`."""

    levels: int
    chosen: int
    plus: int
    minus: int | None = None


def is_stopping(event: Event) -> bool:
    """Whether the first bad segment ends the sequence."""
    offered = event.choice_set or choice_set(event.screen, event.settings)
    return bool(event.payload.reading == "labels" and offered["stop_at_error"])


def values(event: Event) -> list[int]:
    """The labels on offer, from bad to good."""
    offered = event.choice_set or choice_set(event.screen, event.settings)
    return [option["value"] for option in offered["labels"]]


def choices(event: Event) -> list[Choice]:
    """What an answer says, in order; what is missing is not there."""
    payload: InterTemporalPayload = event.payload
    if payload.reading == "labels":
        on_offer = values(event)
        return [
            Choice(len(on_offer), on_offer.index(label), n)
            for n, label in enumerate(payload.labels)
            if label is not None
        ]
    if payload.reading == "curve":
        return [Choice(3, change + 1, n) for n, change in enumerate(changes(payload))]
    return [Choice(3, pair.sign + 1, pair.first, pair.second) for pair in payload.pairs]


def changes(payload: InterTemporalPayload) -> list[int]:
    """Whether the curve fell (-1), stayed (0) or rose (1) in each segment."""
    heights = [START, *payload.heights]
    band = same_within(len(payload.segments)) + 1e-9
    return [
        0 if abs(later - earlier) <= band else 1 if later > earlier else -1
        for earlier, later in pairwise(heights)
    ]


# --- Answers ---------------------------------------------------------------------------------------------------------


def blank(screen: Screen, target: int | None, settings: InterTemporalSettings) -> InterTemporalPayload:
    """An answer with its segments in place, in which nothing is said yet."""
    segments = cut(screen, target, settings.unit)
    return InterTemporalPayload(
        reading=settings.reading,
        unit=settings.unit,
        segments=tuple(segments),
        labels=(None,) * len(segments) if settings.reading == "labels" else (),
        drawn=settings.draw if settings.reading == "curve" else None,
    )


def labelled(given: InterTemporalPayload, said: Sequence[int | None], stops: bool) -> InterTemporalPayload:
    """The answer with these labels, None where there are none; with `stops`, up to the first -1."""
    found: list[int | None] = list(said)
    first = found.index(-1) if stops and -1 in found else None
    if first is not None:
        found[first + 1 :] = [None] * (len(found) - first - 1)
    return rebuilt(given, labels=tuple(found), first_error_index=first)


def drawn_by(given: InterTemporalPayload, moves: Sequence[int], chars_per_s: int) -> InterTemporalPayload:
    """A curve that falls, stays or rises in each segment as told, drawn as the payload says it was."""
    step = min(2 * SAME, 0.5 / max(1, len(moves)))
    heights = [START]
    for move in moves:
        heights.append(round(min(1.0, max(0.0, heights[-1] + move * step)), 6))
    starts, length = [0, *given.segments[:-1]], given.segments[-1]
    points: list[Any]
    if given.drawn == "live":
        times = [-(-1000 * end // chars_per_s) for end in given.segments]  # when each segment has come out
        moments = sorted({0, *times, *(ms + LAG_MS for ms in times)})
        points = []
        for ms in moments:
            height = heights[sum(time + LAG_MS <= ms for time in times)]
            points.append((min(length, ms * chars_per_s // 1000), ms, height))
    else:
        clock = [None if given.drawn == "typed" else 1000 * n for n in range(len(starts) + 1)]
        points = [*zip(starts, clock, heights[1:], strict=False), (length, clock[-1], heights[-1])]
    return rebuilt(given, curve=tuple(cast(list[Point], points)))


def rebuilt(given: InterTemporalPayload, **changed: Any) -> InterTemporalPayload:
    """A checked copy with other values."""
    kept = {name: getattr(given, name) for name in InterTemporalPayload.model_fields}
    return InterTemporalPayload(**(kept | changed))


def answers(event: Event) -> list[InterTemporalPayload]:
    """Every answer of the choice set, the given one in its own words."""
    given: InterTemporalPayload = event.payload
    if given.reading == "labels":
        on_offer = values(event)
        if is_stopping(event):
            sequences: list[list[int | None]] = list(
                _stopping([v for v in on_offer if v >= 0], len(given.labels))
            )
        else:
            options = [[None] if label is None else on_offer for label in given.labels]
            sequences = [list(row) for row in product(*options)]
        return [labelled(given, sequence, is_stopping(event)) for sequence in sequences]
    if given.reading == "curve":
        own, speed = changes(given), event.settings.chars_per_s
        patterns = product((-1, 0, 1), repeat=len(given.segments))
        return [given if list(p) == own else drawn_by(given, p, speed) for p in patterns]
    return [
        rebuilt(
            given,
            pairs=tuple(
                Pair(first=p.first, second=p.second, better=b) for p, b in zip(given.pairs, row, strict=True)
            ),
        )
        for row in product(BETTER, repeat=len(given.pairs))
    ]


def _stopping(good: Sequence[int], n: int) -> Iterator[list[int | None]]:
    """Every sequence of n labels that ends at its first -1."""
    for k in range(n + 1):
        for row in product(good, repeat=k):
            if k == n:
                yield list(row)
            else:
                yield [*row, -1, *[None] * (n - k - 1)]
