"""How far apart two stated rewards are: by the orders they make of the pool, not by their weights or words.

Labelers see the responses in different orders, so ranks are first turned to one: ascending response id.
"""

from __future__ import annotations

from collections.abc import Sequence

from feedback_types import distances
from feedback_types.proxy_reward.order import tau_b
from feedback_types.proxy_reward.schema import ProxyPayload


def turned(payload: ProxyPayload) -> list[int]:
    """Ranks as if the responses had been shown in the order of their ids."""
    return [rank for _response, rank in sorted(zip(payload.pool, payload.ranks, strict=True))]


def distance(a: ProxyPayload, b: ProxyPayload) -> float:
    """(1 - Kendall's tau-b) / 2: 0 for the same order, 1 for the reverse, 1/2 where one says nothing.

    Pools of different sizes have no order in common: 1/2, what unrelated orders have on average.
    """
    first, second = turned(a), turned(b)
    return (1 - tau_b(first, second)) / 2 if len(first) == len(second) else 0.5


def consensus(payloads: Sequence[ProxyPayload]) -> ProxyPayload:
    """The proxy whose order is nearest to all others."""
    return distances.medoid(payloads, distance)
