"""Preferences between two texts, as each type's own "preference" view states them: for the baseline and for accuracy.

No type is named here: whoever answered a question on one screen is asked, through the type, which text he or she preferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from feedback_types import registry
from feedback_types.base import Event, Message
from feedback_types.likelihoods import Likelihood, Point

VIEW = "preference"


@dataclass(frozen=True)
class Preference:
    """`chosen` was preferred to `rejected` after `prompt`; `events` are the answers that say so."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    margin: float
    events: tuple[Event, ...]

    @property
    def type(self) -> str:
        return self.events[0].type

    @property
    def labeler(self) -> str:
        return self.events[0].labeler

    @property
    def pair(self) -> tuple[tuple[Message, ...], str, str]:
        """The question behind it, whichever way it was answered."""
        return (self.prompt, *sorted((self.chosen, self.rejected)))  # type: ignore[return-value]


def by_question(events: Iterable[Event]) -> Iterator[tuple[Event, ...]]:
    """Events of one question in one submission, together; those of a submission must follow each other."""
    for _, members in groupby(events, lambda e: e.submission or e.id):
        questions: dict[str, list[Event]] = {}
        for event in members:
            questions.setdefault(event.question, []).append(event)
        yield from map(tuple, questions.values())


def statistics(events: Sequence[Event]) -> dict[str, Any]:
    """What each type wants to know about all of its events before it states preferences."""
    slugs = sorted({e.type for e in events})
    return {slug: registry.get(slug).statistics(e for e in events if e.type == slug) for slug in slugs}


def preferences(events: Iterable[Event], known: Mapping[str, Any] | None = None) -> Iterator[Preference]:
    """Every preference the events state, in their order; `known` are `statistics`."""
    for group in by_question(events):
        feedback_type = registry.get(group[0].type)
        if VIEW in feedback_type.views:
            yield from stated(group, (known or {}).get(group[0].type))


def stated(group: tuple[Event, ...], known: Any = None) -> Iterator[Preference]:
    """The preferences of one question in one submission."""
    for view, row in registry.get(group[0].type).records(group, known):
        if view == VIEW:
            yield Preference(
                prompt=tuple(Message(m["role"], m["content"]) for m in row["prompt"]),
                chosen=row["chosen"][-1]["content"],
                rejected=row["rejected"][-1]["content"],
                margin=float(row.get("margin") or 0.0),
                events=group,
            )


class BradleyTerry(Likelihood):
    """P(chosen) = s(R_chosen - R_rejected - margin): the usual reward model, everybody equally reliable.

    Source: Bradley & Terry (1952); with a margin, Touvron et al. (2023), which is no likelihood any more.
    """

    def __init__(self, use_margin: bool = False):
        self.use_margin = use_margin

    def points(self, event: Event) -> Sequence[Point]:
        return [Point(event.payload.chosen), Point(event.payload.rejected)]

    def collate(self, events: Sequence[Event]) -> dict[str, Tensor]:
        return {"margin": torch.tensor([e.payload.margin * self.use_margin for e in events])}

    def log_likelihood(
        self, values: Tensor, batch: Mapping[str, Tensor], beta: Tensor, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        return F.logsigmoid(beta * (values[:, 0] - values[:, 1]) - batch["margin"])

    def log_uniform(self, batch: Mapping[str, Tensor]) -> Tensor:
        return torch.full_like(batch["margin"], 0.5).log()

    def alternatives(self, event: Event) -> Sequence[Event]:
        """Both ways round (without a margin, which is part of the answer and not of the offer)."""
        p = event.payload
        return [event, replace(event, payload=replace(p, chosen=p.rejected, rejected=p.chosen))]


def as_events(found: Iterable[Preference]) -> Iterator[Event]:
    """Preferences as events of their own, for `BradleyTerry` to read."""
    for preference in found:
        first = preference.events[0]
        yield replace(
            first, type=VIEW, payload=preference, screen=replace(first.screen, prompt=preference.prompt)
        )
