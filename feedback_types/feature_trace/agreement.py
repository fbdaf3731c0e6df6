"""How far apart two traces are, what the group thinks, and how often a learned feature contradicts a trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from feedback_types import distances
from feedback_types.feature_trace.schema import Rewrite, TracePayload


def places(payload: TracePayload) -> list[int]:
    """The place of each response, in the order of response ids: the same whatever order was shown."""
    return [payload.ordered_ids.index(i) for i in sorted(payload.ordered_ids)]


def distance(a: TracePayload, b: TracePayload) -> float:
    """Orders: Kendall's distance, the share of pairs that are the other way round. Levels do not count.

    Two rewrites of one response are different answers even when both are right: half of the distance is whether one has more
    and the other less, half how many words they do not share. An order and a rewrite are 1 apart.
    """
    if a.rewrite is not None and b.rewrite is not None:
        return (distances.nominal(a.rewrite.has, b.rewrite.has) + _unlike(a.rewrite, b.rewrite)) / 2
    if a.rewrite is not None or b.rewrite is not None or len(a.ordered_ids) != len(b.ordered_ids):
        return 1.0
    return distances.ranking(places(a), places(b))


def _unlike(a: Rewrite, b: Rewrite) -> float:
    return distances.nominal(a.text, b.text) and distances.sets(a.text.split(), b.text.split())


def kendall_tau(a: TracePayload, b: TracePayload) -> float:
    """Kendall's tau of two orders of the same responses: 1 the same, 0 no relation, -1 reversed.

    Raises: ValueError when the orders are not about the same responses.
    """
    if sorted(a.ordered_ids) != sorted(b.ordered_ids) or not a.ordered_ids:
        raise ValueError("Kendall's tau is for two orders of the same responses.")
    return 1 - 2 * distances.ranking(places(a), places(b))


def consensus(payloads: Sequence[TracePayload]) -> TracePayload:
    """The trace nearest to all others (of orders: Kemeny's among those given)."""
    return distances.medoid(payloads, distance)


def violation_rate(traces: Iterable[Sequence[float]]) -> float | None:
    """How often a learned feature says the opposite of what labelers said.

    Args:
        traces: for each trace the scores of its texts by the learned head, from the least to the most as labelers put them.
    Returns: share of the pairs of all traces whose scores do not rise (equal ones count), 0 to 1; None without a pair.
    """
    wrong = [low >= high for scores in traces for low, high in combinations(scores, 2)]
    return sum(wrong) / len(wrong) if wrong else None
