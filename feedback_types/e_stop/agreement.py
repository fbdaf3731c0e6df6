"""How far apart two stops are, and what the group thinks."""

from __future__ import annotations

from collections.abc import Sequence

from feedback_types import distances
from feedback_types.e_stop.schema import EStopPayload


def distance(a: EStopPayload, b: EStopPayload) -> float:
    """Half of it nominal: was only one stopped; half of it Krippendorff's interval metric on the fraction that came out.

    Live responses are other texts for everybody, and a stopped one has no whole: there it is the nominal half alone.
    """
    outcome = distances.nominal(a.outcome == "stopped", b.outcome == "stopped")
    if a.live or b.live:
        return outcome
    return (outcome + distances.interval(a.fraction, b.fraction)) / 2


def consensus(payloads: Sequence[EStopPayload]) -> EStopPayload:
    """The answer nearest to all others."""
    return distances.medoid(payloads, distance)
