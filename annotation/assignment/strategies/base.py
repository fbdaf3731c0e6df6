"""What a strategy is: an order of the open places of a campaign, written in SQL. A lease itself knows nothing of it.

    strategy = Strategy(slug="oldest", label=_("Oldest first"), purpose=_("…"), order="item")

`order` is what stands behind ORDER BY. It may name, of each place:

    item       id of the item; ids rise in the order in which items came in
    priority   the item's priority, higher is more urgent, 0 if nothing was said
    covered    how many answers and leases the item has before this place is taken, from 0
    score      what a reward model says that a comparison is worth (`ItemScore`), or NULL
    shuffle    a number drawn at random for each item

Because the order is laid down in the queue (`assignment/order.py`), the next item costs the same under every strategy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Strategy:
    slug: str
    label: Any
    purpose: Any  # a sentence for the admin who chooses
    order: str
    position: int = 100  # among the strategies that are offered
    breadth: bool = False  # the places of one item stand apart in the queue, instead of side by side
    is_random: bool = False  # needs no random control: all of it is one
    merges: bool = True  # what comes in later, or is known later, changes the order of what is there
