"""What other parts of the project have learned about the reliability of a campaign's labelers.

The parts above this one know more than the answers (a reward model learns how sharply each labeler follows the reward). They
add themselves here when they start; this app asks whoever is there, and nobody has to be.

    estimates.add(of_the_reward_model)      a function of a campaign that returns Estimates, or None
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotation.campaigns.models import Campaign


@dataclass(frozen=True)
class Estimates:
    """A table of labelers. rows: {"pseudonym", "events", "beta", "low", "high", "lapse"}; None where nothing is known."""

    source: str  # what people read for where they come from
    url: str
    rows: list[dict[str, Any]]


Source = Callable[[Campaign], Estimates | None]
_sources: list[Source] = []


def add(source: Source) -> None:
    if source not in _sources:
        _sources.append(source)


def of(campaign: Campaign) -> list[Estimates]:
    return [found for source in _sources if (found := source(campaign)) is not None]
