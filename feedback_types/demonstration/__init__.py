"""Demonstration: the labeler writes the response. It feeds imitation, and the reward by the policy's own samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from feedback_types.base import (
    Attributes,
    Event,
    FeedbackType,
    InvalidPayload,
    Key,
    Question,
    Screen,
    SyntheticLabeler,
    Target,
    unstorable,
)
from feedback_types.demonstration import agreement, export, form, offer
from feedback_types.demonstration.examples import INVALID, VALID
from feedback_types.demonstration.schema import MAX_CHARACTERS, DemonstrationPayload, DemonstrationSettings
from feedback_types.demonstration.simulate import simulate


class Demonstration(FeedbackType):
    slug = "demonstration"
    label = gettext_lazy("Demonstration")
    description = gettext_lazy(
        "Labelers write the response themselves: from scratch, from a draft, or going on from a beginning. "
        "Choose it for texts to imitate, above all where the policy has none that is good; it takes minutes, not seconds."
    )
    version = 1
    category = "sft"
    attributes = Attributes("Episode", "Active", "Single", "Instance", "Instructive", "Explicit")
    reference = "Ziebart et al. 2008, Maximum Entropy IRL; Ouyang et al. 2022, InstructGPT, arXiv 2203.02155"
    target = Target.SET
    arity = (1, 9)

    payload_class = DemonstrationPayload
    settings_class = DemonstrationSettings
    form_class = form.DemonstrationForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: DemonstrationSettings) -> Sequence[Key]:
        choose = [Key("1–9", _("start from this response"))] if settings.start == "choose" else []
        return [*choose, Key("e", _("Write")), Key("Ctrl+Enter", _("Done writing"))]

    def shows_responses(self, settings: DemonstrationSettings) -> bool:
        return offer.shows_responses(settings)

    def reads(self, settings: DemonstrationSettings) -> bool:
        return offer.shows_responses(settings)

    def conflict(
        self, settings: DemonstrationSettings, before: Sequence[Question], after: Sequence[Question]
    ) -> str:
        if said := super().conflict(settings, before, after):
            return said
        if settings.hide_responses:
            for other in (*before, *after):
                if other.type.shows_responses(other.settings):
                    return _(
                        "It is written without seeing the responses, and “%(other)s” shows them; ask it in a campaign of "
                        "its own, or let it show them."
                    ) % {"other": other.heading}
        return ""

    def seconds(self, screen: Screen, settings: DemonstrationSettings) -> float:
        return 150.0

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: DemonstrationSettings,
        target: int | None,
    ) -> DemonstrationPayload | None:
        return form.parse(cleaned_data, screen, settings)

    def to_form(
        self, payload: DemonstrationPayload, screen: Screen, settings: DemonstrationSettings
    ) -> dict[str, Any]:
        return form.to_form(payload, settings)

    def validate(
        self,
        payload: DemonstrationPayload,
        screen: Screen,
        settings: DemonstrationSettings,
        target: int | None,
    ) -> None:
        form.validate(payload, screen, settings)

    def renumbered(self, payload: DemonstrationPayload, ids: Mapping[int, int]) -> DemonstrationPayload:
        return payload.model_copy(update={"source": None if payload.source is None else ids[payload.source]})

    def preview(
        self, asked: Mapping[str, str], screen: Screen, settings: DemonstrationSettings
    ) -> dict[str, Any]:
        """The text as others will read it."""
        text = asked.get("text", "")
        if problem := unstorable(text):
            raise InvalidPayload({"text": [problem]})
        prefix = offer.given_prefix(screen, settings) if settings.start == "prefix" else ""
        return {"markdown": prefix + text[:MAX_CHARACTERS]}

    def summary(self, payload: DemonstrationPayload, screen: Screen, settings: DemonstrationSettings) -> str:
        n = len(agreement.words(payload.written))
        said = ngettext("%(n)d word written", "%(n)d words written", n) % {"n": n}
        beginning = " ".join(payload.written.split())
        return f"{said}: {beginning[:80]}{'…' if len(beginning) > 80 else ''}"

    def choice_set(
        self, screen: Screen, settings: DemonstrationSettings, payload: DemonstrationPayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: DemonstrationPayload, b: DemonstrationPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[DemonstrationPayload]) -> DemonstrationPayload:
        return agreement.consensus(payloads)

    def simulate(
        self,
        screen: Screen,
        settings: DemonstrationSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, DemonstrationPayload]]:
        return [(None, simulate(screen, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = Demonstration()
