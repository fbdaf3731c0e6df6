"""Feature trace: responses in order of one named feature, or a response rewritten to have more or less of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback_types.base import Attributes, Event, FeedbackType, Key, Screen, SyntheticLabeler, Target
from feedback_types.feature_trace import agreement, export, form, offer
from feedback_types.feature_trace.examples import INVALID, VALID
from feedback_types.feature_trace.schema import MOST, TracePayload, TraceSettings
from feedback_types.feature_trace.simulate import simulate


class FeatureTrace(FeedbackType):
    slug = "feature_trace"
    label = gettext_lazy("Feature trace")
    description = gettext_lazy(
        "Labelers put responses in order of one named feature, from the most to the least, or rewrite one to have more or "
        "less of it. Choose it to measure a quality that has a name; it does not say whether more of it is better."
    )
    version = 1
    category = "representation"
    attributes = Attributes("Segment", "Active", "Single", "Instance", "Descriptive", "Explicit")
    reference = "Bobu et al. 2022, Inducing Structure in Reward Learning by Learning Features (FERL), arXiv 2201.07082"
    target = Target.SET
    arity = (1, MOST)

    payload_class = TracePayload
    settings_class = TraceSettings
    form_class = form.TraceForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def arity_under(self, settings: TraceSettings) -> tuple[int, int]:
        return (3, MOST) if settings.mode == "order" else (1, 1)

    def keys(self, settings: TraceSettings) -> Sequence[Key]:
        if settings.mode == "order":
            found = [
                Key("1–5", _("the one that has the most of those left")),
                Key("Backspace", _("take the last place back")),
            ]
        else:
            found = [Key("e", _("Edit")), Key("Ctrl+Enter", _("Done editing"))]
            found += [Key(key, words) for _value, words, key in offer.verdicts(settings)]
        if settings.levels:
            found += [
                Key("↑ ↓", _("level of the one with the most")),
                Key("← →", _("level of the one with the least")),
                Key("=", _("These levels are right")),
            ]
        return found

    def seconds(self, screen: Screen, settings: TraceSettings) -> float:
        return (2.5 * len(screen.responses) if settings.mode == "order" else 60.0) + 3.0 * settings.levels

    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: TraceSettings, target: int | None
    ) -> TracePayload | None:
        return form.parse(cleaned_data, screen, settings)

    def to_form(self, payload: TracePayload, screen: Screen, settings: TraceSettings) -> dict[str, Any]:
        return form.to_form(payload, settings)

    def validate(
        self, payload: TracePayload, screen: Screen, settings: TraceSettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings)

    def renumbered(self, payload: TracePayload, ids: Mapping[int, int]) -> TracePayload:
        rewrite = payload.rewrite and payload.rewrite.model_copy(
            update={"source": ids[payload.rewrite.source]}
        )
        return payload.model_copy(
            update={"ordered_ids": tuple(ids[i] for i in payload.ordered_ids), "rewrite": rewrite}
        )

    def summary(self, payload: TracePayload, screen: Screen, settings: TraceSettings) -> str:
        if payload.rewrite is None:
            order = " > ".join(screen.letter(i) for i in reversed(payload.ordered_ids))
            said = _("From more %(feature)s to less: %(order)s") % {
                "feature": payload.feature,
                "order": order,
            }
        else:
            words = {
                "more": _("Rewritten with more %(feature)s"),
                "less": _("Rewritten with less %(feature)s"),
            }
            said = words[payload.rewrite.has] % {"feature": payload.feature}
        if not settings.levels:
            return said
        start, end = (f"{level:.0%}" for level in (payload.start_level, payload.end_level))
        return _("%(said)s (levels %(start)s to %(end)s)") % {"said": said, "start": start, "end": end}

    def choice_set(
        self, screen: Screen, settings: TraceSettings, payload: TracePayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: TracePayload, b: TracePayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[TracePayload]) -> TracePayload:
        return agreement.consensus(payloads)

    def simulate(
        self, screen: Screen, settings: TraceSettings, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, TracePayload]]:
        return [(None, simulate(screen, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = FeatureTrace()
