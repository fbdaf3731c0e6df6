"""What statistics ask of an answer: which of few things it says (labels), and which of two responses it prefers.

Label(2, partial(interval, width=6))     a grade of 3 on a scale of seven
Preference(17, 12, 1.0)                  17 stood before 12 on the screen and was preferred
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from feedback_types.distances import Distance, nominal


class Label(NamedTuple):
    """One part of an answer that can be compared by itself, whatever else the answer says.

    value: a bool, a whole number or a text is one of few classes, of which one can be the true one; anything else (a set of
        marks, a position) can only be near or far.
    distance: of two values, as Krippendorff's δ².
    """

    value: Hashable
    distance: Distance = nominal

    @property
    def is_class(self) -> bool:
        return isinstance(self.value, (bool, int, str))


class Preference(NamedTuple):
    """Response `first` stood before `second` on the screen. outcome: 1 the first is preferred, 0 the second, 0.5 neither."""

    first: int
    second: int
    outcome: float


def preferred(goodness: Mapping[int, float], shown: Sequence[int]) -> Iterator[Preference]:
    """A preference for each two responses that have a goodness, by the order in which they were shown; more is better."""
    for first, second in combinations([response for response in shown if response in goodness], 2):
        a, b = goodness[first], goodness[second]
        yield Preference(first, second, 0.5 if a == b else float(a > b))
