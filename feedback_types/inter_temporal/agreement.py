"""How far apart two answers about one response are, how well labelers agree, and what the group thinks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from feedback_types import distances
from feedback_types.inter_temporal.offer import BETTER, rebuilt
from feedback_types.inter_temporal.schema import InterTemporalPayload, Pair
from feedback_types.judgements import Label

BAD = "bad"

GRID = 20  # places at which curves over different texts are compared


def distance(a: InterTemporalPayload, b: InterTemporalPayload) -> float:
    """0 (same) to 1 (opposite); 1 for answers to different readings.

    Labels: mean squared difference over the segments that both labelled, in units of the scale; where one of them stopped
    at an error, half of it is the squared difference of first_error_index / N (1 when there is none).
    Curves: mean squared difference of the heights at the segment ends. Order: that of -1, 0, 1, over the pairs.
    """
    if a.reading != b.reading:
        return 1.0
    if a.reading == "curve":
        return _mean([distances.interval(x, y) for x, y in _heights(a, b)])
    if a.reading == "order":
        pairs = zip(a.pairs, b.pairs, strict=False)
        return _mean([distances.interval(x.sign, y.sign, width=2) for x, y in pairs])
    both = [(x, y) for x, y in zip(a.labels, b.labels, strict=False) if x is not None and y is not None]
    apart = _mean([distances.interval(x, y, width=2) for x, y in both])
    if a.first_error_index is None and b.first_error_index is None:
        return apart
    return (apart + distances.interval(a.first_error_fraction, b.first_error_fraction)) / 2


def _heights(a: InterTemporalPayload, b: InterTemporalPayload) -> list[tuple[float, float]]:
    """At the same segments, or at the same shares of two texts."""
    first, second = a.heights, b.heights
    if not first or not second:
        return []
    if a.segments != b.segments:
        first, second = ([row[len(row) * k // GRID] for k in range(GRID)] for row in (first, second))
    return list(zip(first, second, strict=True))


def _mean(gaps: Sequence[float]) -> float:
    return sum(gaps) / len(gaps) if gaps else 0.0


def step_alpha(responses: Iterable[Sequence[InterTemporalPayload]]) -> distances.Agreement:
    """Krippendorff's ordinal alpha of the labels, each segment a unit of its own; what is missing does not count.

    Args:
        responses: for each response the answers about it.
    """
    units = [
        [label for label in column if label is not None]
        for answers in responses
        for column in zip(*(answer.labels for answer in answers), strict=True)
    ]
    judged = [unit for unit in units if len(unit) > 1]
    return distances.krippendorff_alpha(judged, distances.ordinal(label for unit in judged for label in unit))


def first_error_alpha(responses: Iterable[Sequence[InterTemporalPayload]]) -> distances.Agreement:
    """Krippendorff's interval alpha of first_error_index / N, 1 where no error was found."""
    units = [[answer.first_error_fraction for answer in answers] for answers in responses]
    return distances.krippendorff_alpha(units, distances.interval)


def consensus(payloads: Sequence[InterTemporalPayload]) -> InterTemporalPayload:
    """The middle label of each segment and the middle order of each pair (of two middles the lower).

    A sequence that stops at an error, a curve, and answers about different segments have no such middle: there it is the
    answer nearest to all others.
    """
    first = payloads[0]
    if (
        first.reading == "curve"
        or any(p.first_error_index is not None or p.segments != first.segments for p in payloads)
        or any(_asked(p) != _asked(first) for p in payloads)
    ):
        return distances.medoid(payloads, distance)
    labels = [
        [x for x in column if x is not None] for column in zip(*(p.labels for p in payloads), strict=True)
    ]
    signs = [
        distances.lower_median(pair.sign for pair in column)
        for column in zip(*(p.pairs for p in payloads), strict=True)
    ]
    return rebuilt(
        first,
        labels=tuple(distances.lower_median(column) if column else None for column in labels),
        pairs=tuple(
            Pair(first=pair.first, second=pair.second, better=BETTER[sign + 1])
            for pair, sign in zip(first.pairs, signs, strict=True)
        ),
    )


def _asked(payload: InterTemporalPayload) -> tuple[object, ...]:
    return payload.reading, tuple((pair.first, pair.second) for pair in payload.pairs)


def labels(payload: InterTemporalPayload) -> Mapping[str, Label]:
    """Of labelled segments: whether any is bad, and where the first one is (0 at once … 1 nowhere)."""
    if payload.reading != "labels":
        return {}
    bad = [place for place, label in enumerate(payload.labels) if label == -1]
    where = bad[0] / len(payload.labels) if bad else 1.0
    return {BAD: Label(bool(bad)), "first": Label(where, distances.interval)}
