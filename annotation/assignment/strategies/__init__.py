"""Every strategy there is: the modules of this package that declare a `strategy`, in the order in which an admin meets them.

>>> get("oldest").label
'Oldest first'
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from annotation.assignment.strategies.base import Strategy

CONTROL = "control"  # how a place was chosen that no strategy chose
ASSIGNED = "assigned"  # an admin handed it out by name
GOLD = "gold"  # an item with a known answer, drawn aside of the queue
DEFAULT = "random"


@cache
def all_strategies() -> dict[str, Strategy]:
    """Every strategy by its slug. Raises ValueError when two have the same, or one that means something else."""
    found: dict[str, Strategy] = {}
    modules = (import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    declared = [m.strategy for m in modules if isinstance(getattr(m, "strategy", None), Strategy)]
    for strategy in sorted(declared, key=lambda s: (s.position, s.slug)):
        if strategy.slug in found or strategy.slug in (CONTROL, ASSIGNED, GOLD):
            raise ValueError(f"there is a strategy {strategy.slug!r} already")
        found[strategy.slug] = strategy
    return found


def get(slug: str) -> Strategy:
    """The strategy of this slug. Raises KeyError."""
    return all_strategies()[slug]
