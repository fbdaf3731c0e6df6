"""Similarity query: of three responses, which two are most alike. It trains an embedding, never the reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback_types.base import Attributes, Event, FeedbackType, Key, Screen, SyntheticLabeler, Target
from feedback_types.judgements import Label
from feedback_types.similarity_query import agreement, export, form, offer
from feedback_types.similarity_query.examples import INVALID, VALID
from feedback_types.similarity_query.schema import SimilarityPayload, SimilaritySettings
from feedback_types.similarity_query.simulate import simulate


class SimilarityQuery(FeedbackType):
    slug = "similarity_query"
    label = gettext_lazy("Similarity query")
    description = gettext_lazy(
        "Labelers look at three responses and press the number of the odd one out. "
        "Choose it to learn which differences people notice at all; it does not say which response is better."
    )
    version = 1
    category = "representation"
    attributes = Attributes("-", "Observed", "Ternary", "-", "Descriptive", "Explicit")
    reference = "Bobu et al. 2023, SIRL: Similarity-based Implicit Representation Learning, arXiv 2301.00810"
    target = Target.SET
    arity = (3, 3)

    payload_class = SimilarityPayload
    settings_class = SimilaritySettings
    form_class = form.SimilarityForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: SimilaritySettings) -> Sequence[Key]:
        if settings.mode == "reference":
            return [Key("1–3", _("the one that is more like the reference"))]
        return [Key("1–3", _("the odd one out"))]

    def seconds(self, screen: Screen, settings: SimilaritySettings) -> float:
        return 8.0

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: SimilaritySettings,
        target: int | None,
    ) -> SimilarityPayload | None:
        return form.parse(cleaned_data, screen, settings)

    def to_form(
        self, payload: SimilarityPayload, screen: Screen, settings: SimilaritySettings
    ) -> dict[str, Any]:
        return form.to_form(payload)

    def validate(
        self, payload: SimilarityPayload, screen: Screen, settings: SimilaritySettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings)

    def renumbered(self, payload: SimilarityPayload, ids: Mapping[int, int]) -> SimilarityPayload:
        return payload.model_copy(
            update={
                "items": tuple(ids[i] for i in payload.items),
                "pair": tuple(sorted(ids[i] for i in payload.pair)),
                "reference": None if payload.reference is None else ids[payload.reference],
            }
        )

    def summary(self, payload: SimilarityPayload, screen: Screen, settings: SimilaritySettings) -> str:
        one, other = sorted(screen.letter(item) for item in payload.pair)
        words = _("%(one)s and %(other)s are alike; %(odd)s is the odd one out")
        return words % {"one": one, "other": other, "odd": screen.letter(payload.odd)}

    def choice_set(
        self, screen: Screen, settings: SimilaritySettings, payload: SimilarityPayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: SimilarityPayload, b: SimilarityPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[SimilarityPayload]) -> SimilarityPayload:
        return agreement.consensus(payloads)

    def labels(self, payload: SimilarityPayload, settings: SimilaritySettings) -> Mapping[str, Label]:
        return {"odd": Label(agreement.place(payload))}

    def label_name(self, label: str) -> str:
        return _("the odd one out")

    def simulate(
        self,
        screen: Screen,
        settings: SimilaritySettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, SimilarityPayload]]:
        return [(None, simulate(screen, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = SimilarityQuery()
