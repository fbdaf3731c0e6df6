"""Inter-temporal feedback: a judgement of different times of one response: labels for its steps, a curve, an order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback_types.base import Attributes, Event, FeedbackType, Key, Screen, SyntheticLabeler, Target
from feedback_types.inter_temporal import agreement, export, form, offer
from feedback_types.inter_temporal.examples import INVALID, VALID
from feedback_types.inter_temporal.schema import InterTemporalPayload, InterTemporalSettings
from feedback_types.inter_temporal.simulate import simulate
from feedback_types.judgements import Label


class InterTemporal(FeedbackType):
    slug = "inter_temporal"
    label = gettext_lazy("Inter-temporal")
    description = gettext_lazy(
        "Labelers judge the times of one response: each step, sentence or turn, a curve of satisfaction, or which of two "
        "moments is better. Choose it for reasoning and dialogues, where it matters at which point a response goes wrong."
    )
    version = 1
    category = "primary"
    attributes = Attributes("Segment", "Observed", "Single", "-", "Evaluative", "Explicit")
    reference = (
        "Lightman et al. 2023, Let's Verify Step by Step, arXiv 2305.20050; Cabi et al. 2019, Scaling data-driven "
        "robotics with reward sketching and batch reinforcement learning, arXiv 1909.12200"
    )
    target = Target.EACH
    arity = (1, 9)

    payload_class = InterTemporalPayload
    settings_class = InterTemporalSettings
    form_class = form.InterTemporalForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: InterTemporalSettings) -> Sequence[Key]:
        move = [Key("j", _("the next one")), Key("k", _("the one before"))]
        if settings.reading == "order":
            sides = [
                ("←", _("the earlier moment is better")),
                ("↓", _("equal")),
                ("→", _("the later moment is better")),
            ]
            return [*(Key(key, label) for key, label in sides), *move]
        if settings.reading == "curve":
            own = [
                Key("↑", _("more satisfied")),
                Key("↓", _("less satisfied")),
                Key("Backspace", _("draw again")),
            ]
            return [Key("Space", _("Start")), *own] if settings.draw == "live" else [*own, *move]
        found = [Key(key, label) for _value, label, key in offer.labels(settings)]
        if settings.unsure:
            found.append(Key("4", _("Cannot tell")))
        if settings.stop_at_error:
            found.append(Key("e", _("first error here: stop")))
        if not settings.neutral:
            found.append(Key("0", _("the rest is right")))
        return [*found, *move, Key("Backspace", _("take the label back"))]

    def needs_raw_text(self, settings: InterTemporalSettings) -> bool:
        return settings.unit != "turn"

    def reveals(self, settings: InterTemporalSettings) -> bool:
        return settings.reading == "curve" and settings.draw == "live"

    def seconds(self, screen: Screen, settings: InterTemporalSettings) -> float:
        total = 0.0
        for response in screen.responses:
            if settings.reading == "order":
                total += 4.0 * settings.pairs
            elif settings.reading == "curve" and settings.draw == "live":
                total += len(response.text) / settings.chars_per_s
            else:
                total += 2.0 * len(offer.cut(screen, response.id, settings.unit))
        return min(total, 500.0)

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: InterTemporalSettings,
        target: int | None,
    ) -> InterTemporalPayload | None:
        return form.parse(cleaned_data, screen, settings, target)

    def to_form(
        self, payload: InterTemporalPayload, screen: Screen, settings: InterTemporalSettings
    ) -> dict[str, Any]:
        return form.to_form(payload, settings)

    def validate(
        self,
        payload: InterTemporalPayload,
        screen: Screen,
        settings: InterTemporalSettings,
        target: int | None,
    ) -> None:
        form.validate(payload, screen, settings, target)

    def summary(self, payload: InterTemporalPayload, screen: Screen, settings: InterTemporalSettings) -> str:
        n = len(payload.segments)
        if not (payload.pairs if payload.reading == "order" else n):
            return _("Nothing to judge")
        if payload.reading == "order":
            words = {
                "first": _("%(a)d better than %(b)d"),
                "equal": _("%(a)d as good as %(b)d"),
                "second": _("%(b)d better than %(a)d"),
            }
            return " · ".join(words[p.better] % {"a": p.first + 1, "b": p.second + 1} for p in payload.pairs)
        if payload.reading == "curve":
            heights = payload.heights
            found = {
                "low": round(100 * min(heights)),
                "high": round(100 * max(heights)),
                "end": round(100 * heights[-1]),
            }
            return _("Satisfied from %(low)d to %(high)d of 100, %(end)d at the end") % found
        if payload.first_error_index is not None:
            return _("First error in %(k)d of %(n)d") % {"k": payload.first_error_index + 1, "n": n}
        counts = {
            "bad": payload.labels.count(-1),
            "okay": payload.labels.count(0),
            "good": payload.labels.count(1),
        }
        if not settings.neutral:
            return _("%(good)d right, %(bad)d wrong") % counts
        return _("%(good)d good, %(okay)d okay, %(bad)d bad") % counts

    def choice_set(
        self, screen: Screen, settings: InterTemporalSettings, payload: InterTemporalPayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: InterTemporalPayload, b: InterTemporalPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[InterTemporalPayload]) -> InterTemporalPayload:
        return agreement.consensus(payloads)

    def labels(self, payload: InterTemporalPayload, settings: InterTemporalSettings) -> Mapping[str, Label]:
        return agreement.labels(payload)

    def label_name(self, label: str) -> str:
        return (
            _("whether something is bad") if label == agreement.BAD else _("place of the first bad segment")
        )

    def simulate(
        self,
        screen: Screen,
        settings: InterTemporalSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, InterTemporalPayload]]:
        return simulate(screen, settings, labeler, rng)

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = InterTemporal()
