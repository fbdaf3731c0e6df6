"""How well labelers agree in a cut: what each type calls distance, over answers to one question about one thing.

Two measures, for two purposes. Krippendorff's alpha corrects for chance and says how good the data of a question are; it
is told of each question, with an interval. Whether one item stays in is decided by that item alone: 1 minus the mean
distance of two answers about it. An alpha of one item would change with every other item, so that the same item would
come and go between two snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, groupby
from typing import Any

import orjson

from feedback_types import registry
from feedback_types.distances import krippendorff_alpha

Row = tuple[int, str, str, int, int | None, str]  # item, question, type, version, target, payload as JSON
DIGITS = 4  # beyond them the last bit of a sum would differ between machines, and with it the snapshot's name
RESAMPLES = 200
PAIRS = 10_000  # drawn for what chance would give, where answers are too many to compare all; their error is then about 1 %
MOST_PAIRS = 1_000  # of answers to one question about one target; beyond, the first ones are compared


def agreed(rows: Iterable[Row], least: float) -> Iterator[tuple[int, str]]:
    """(item, question) whose answers agree at least so well.

    Args:
        rows: ordered by item, question, target.
        least: 0 to 1; the agreement of an item is 1 - the mean distance of two answers to the question about the same
            target of it, over all its targets; 1 is unanimity.
    Yields nothing for a question that fewer than two people answered about an item, or whose type is gone.
    """
    for (item, question), said in groupby(rows, key=lambda row: row[:2]):
        gaps: list[float] = []
        for _, answers in groupby(said, key=lambda row: (row[2], row[4])):
            payloads, distance = _loaded(list(answers))
            pairs = (distance(a, b) for a, b in combinations(payloads, 2))
            gaps += [gap for _, gap in zip(range(MOST_PAIRS), pairs, strict=False)]
        if gaps and 1 - sum(gaps) / len(gaps) >= least - 1e-9:
            yield item, question


def told(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Question -> {"type", "alpha", "low", "high", "units", "answers"}: Krippendorff's alpha with its 95 % interval.

    Args:
        rows: ordered by question, item, target. Numbers are rounded to four digits; None where nothing can be said.
    """
    found: dict[str, dict[str, Any]] = {}
    for question, said in groupby(rows, key=lambda row: row[1]):
        units: dict[str, list[list[Any]]] = {}
        distances: dict[str, Any] = {}
        for (_, _, slug), answers in groupby(said, key=lambda row: (row[0], row[4], row[2])):
            payloads, distances[slug] = _loaded(list(answers))
            units.setdefault(slug, []).append(payloads)
        for slug, of_type in sorted(units.items()):
            result = krippendorff_alpha(of_type, distances[slug], resamples=RESAMPLES, budget=PAIRS)
            name = question if len(units) == 1 else f"{question} ({slug})"
            found[name] = {
                "type": slug,
                **{key: _rounded(getattr(result, key)) for key in ("alpha", "low", "high")},
                "units": result.units,
                "answers": result.answers,
            }
    return found


def _loaded(rows: list[Row]) -> tuple[list[Any], Any]:
    """The payloads as their type reads them, and its distance; nothing of a type that is not installed."""
    slug = rows[0][2]
    if slug not in registry.folders():
        return [], None
    kind = registry.get(slug)
    return [kind.load(orjson.loads(payload), version) for _, _, _, version, _, payload in rows], kind.distance


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS) + 0.0  # never -0.0
