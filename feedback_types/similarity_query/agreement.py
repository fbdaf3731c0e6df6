"""How far apart two answers to one triple are, what the group thinks, and how well an embedding tells held-out answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from feedback_types import distances
from feedback_types.similarity_query.schema import SimilarityPayload


def place(payload: SimilarityPayload) -> int:
    """The odd one out as 0, 1 or 2 in the order of response ids: the same whatever order was shown."""
    return sorted(payload.items).index(payload.odd)


def distance(a: SimilarityPayload, b: SimilarityPayload) -> float:
    """Nominal: 0 for the same odd one out, else 1. Places, not ids, so that chance is what it is among three."""
    return distances.nominal(place(a), place(b))


def consensus(payloads: Sequence[SimilarityPayload]) -> SimilarityPayload:
    """What most said."""
    return distances.medoid(payloads, distance)


def triple_accuracy(
    vectors: Mapping[int, Sequence[float]], payloads: Iterable[SimilarityPayload]
) -> float | None:
    """Share of answers whose pair is the nearest of those on offer: the measure for answers that were held out.

    Args:
        vectors: response id -> its vector; all of one length.
        payloads: answers about these responses. A random embedding is right in 1/3 (1/2 with a reference).
    Returns: 0 to 1, of equally near pairs each a share; None without answers.
    Raises: KeyError for a response without a vector.
    Source: SIRL, arXiv 2301.00810, section V.
    """
    shares = []
    for payload in payloads:
        fixed = payload.reference
        pairs = [
            (a, b)
            for i, a in enumerate(payload.items)
            for b in payload.items[i + 1 :]
            if fixed is None or fixed in (a, b)
        ]
        gaps = {
            tuple(sorted(pair)): float(
                np.sum((np.asarray(vectors[pair[0]]) - np.asarray(vectors[pair[1]])) ** 2)
            )
            for pair in pairs
        }
        nearest = [pair for pair, gap in gaps.items() if gap == min(gaps.values())]
        shares.append((tuple(payload.pair) in nearest) / len(nearest))
    return sum(shares) / len(shares) if shares else None
