"""Comparison: which of the responses is better, by how much, or in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback_types.base import Attributes, Event, FeedbackType, Key, Screen, SyntheticLabeler, Target
from feedback_types.comparison import agreement, export, form, offer
from feedback_types.comparison.examples import INVALID, VALID
from feedback_types.comparison.schema import MOST, ComparisonPayload, ComparisonSettings
from feedback_types.comparison.simulate import simulate
from feedback_types.judgements import Label, Preference


class Comparison(FeedbackType):
    slug = "comparison"
    label = gettext_lazy("Comparison")
    description = gettext_lazy(
        "Labelers say which response is better and by how much, pick the best of several, or put all in order. "
        "Choose it first: comparisons fix the scale to which every other type is tied."
    )
    version = 1
    category = "primary"
    attributes = Attributes("-", "Observed", "Multiple", "-", "Evaluative", "Explicit")
    reference = "Akrour et al. (2011); Christiano et al. (2017), arXiv 1706.03741"
    target = Target.SET
    arity = (2, MOST)

    payload_class = ComparisonPayload
    settings_class = ComparisonSettings
    form_class = form.ComparisonForm

    views = {
        "preference": gettext_lazy(
            "Ties, “none is good” and comparisons of one aspect are left out; the rows of one ranking count as if "
            "they were independent; who answered, and how reliably, is not told."
        ),
        "unpaired": gettext_lazy(
            "Only responses of which none was good (all False); every other comparison is left out."
        ),
    }

    valid = VALID
    invalid = INVALID

    def keys(self, settings: ComparisonSettings) -> Sequence[Key]:
        none = [Key("b", _("none is good"))] if settings.both_bad else []
        if settings.mode == "best":
            return [Key("1–9", _("the best response")), *none]
        tie = [Key("=", _("the next one ties with the last"))] if settings.ties else []
        ranking = [
            Key("1–9", _("the next best response")),
            *tie,
            Key("Backspace", _("take the last place back")),
        ]
        if settings.mode == "ranking":
            return [*ranking, *none]
        again = _(" (again: by more)") if settings.strengths > 1 else ""
        pair = [Key("←", _("the left is better") + again), Key("→", _("the right is better") + again)]
        if settings.ties:
            pair.append(Key("↓", _("equally good")))
        return [*pair, *none, *ranking]

    def seconds(self, screen: Screen, settings: ComparisonSettings) -> float:
        return 2.5 * len(screen.responses)

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: ComparisonSettings,
        target: int | None,
    ) -> ComparisonPayload | None:
        return form.parse(cleaned_data, screen, settings)

    def to_form(
        self, payload: ComparisonPayload, screen: Screen, settings: ComparisonSettings
    ) -> dict[str, Any]:
        return form.to_form(payload, screen, settings)

    def validate(
        self, payload: ComparisonPayload, screen: Screen, settings: ComparisonSettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings)

    def renumbered(self, payload: ComparisonPayload, ids: Mapping[int, int]) -> ComparisonPayload:
        return payload.model_copy(update={"items": tuple(ids[i] for i in payload.items)})

    def summary(self, payload: ComparisonPayload, screen: Screen, settings: ComparisonSettings) -> str:
        if payload.both_bad:
            return offer.none_label(len(payload.items))
        strength = payload.strength_from(screen.responses[0].id)
        if strength is not None:
            return offer.strength_label(strength, settings.strengths)
        if payload.kind == "best":
            best = screen.letter(payload.items[payload.ranks.index(1)])
            return _("%(best)s is the best of %(n)d") % {"best": best, "n": len(payload.items)}
        groups: dict[int, list[str]] = {}
        for item, rank in zip(payload.items, payload.ranks, strict=True):
            groups.setdefault(rank or 0, []).append(screen.letter(item))
        order = " > ".join(" = ".join(sorted(groups[rank])) for rank in sorted(groups))
        return _("Best first: %(order)s") % {"order": order}

    def choice_set(
        self, screen: Screen, settings: ComparisonSettings, payload: ComparisonPayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: ComparisonPayload, b: ComparisonPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[ComparisonPayload]) -> ComparisonPayload:
        return agreement.consensus(payloads)

    def labels(self, payload: ComparisonPayload, settings: ComparisonSettings) -> Mapping[str, Label]:
        return agreement.labels(payload)

    def label_name(self, label: str) -> str:
        return _("which is better") if label == agreement.PREFERRED else label

    def preferences(
        self, answers: Sequence[tuple[int | None, ComparisonPayload]], shown: Sequence[int]
    ) -> Iterator[Preference]:
        for _target, payload in answers:
            yield from agreement.preferences(payload)

    def simulate(
        self,
        screen: Screen,
        settings: ComparisonSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, ComparisonPayload]]:
        return [(None, simulate(screen, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = Comparison()
