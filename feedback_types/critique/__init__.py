"""Critique: a judgement of one response by itself: a verdict, grades, tags, marked words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from feedback_types.base import (
    Attributes,
    Event,
    FeedbackType,
    Key,
    Question,
    Screen,
    SyntheticLabeler,
    Target,
)
from feedback_types.critique import agreement, export, form, offer
from feedback_types.critique.examples import INVALID, VALID
from feedback_types.critique.schema import OVERALL, CritiquePayload, CritiqueSettings
from feedback_types.critique.simulate import simulate
from feedback_types.judgements import Label, Preference, preferred


class Critique(FeedbackType):
    slug = "critique"
    label = gettext_lazy("Critique")
    description = gettext_lazy(
        "Labelers judge each response by itself: one key for a grade, and if you ask for it a verdict, tags and "
        "marked words. "
        "Choose it beside a comparison: the text is read anyway, and a grade adds how good it is, not only which is better."
    )
    version = 1
    category = "primary"
    attributes = Attributes("-", "Observed", "Single", "-", "Evaluative", "Explicit")
    reference = (
        "Kreutzer, Uyheng & Riezler 2018, arXiv 1805.10627; Wu et al. 2023, Fine-Grained Human Feedback, arXiv "
        "2306.01693"
    )
    target = Target.EACH
    arity = (1, 9)

    payload_class = CritiquePayload
    settings_class = CritiqueSettings
    form_class = form.CritiqueForm

    views = {
        "unpaired": gettext_lazy(
            "True from the labeler's own median upwards (or by the verdict; neutral is left out): the scale, the "
            "other criteria, tags and marks are lost."
        ),
        "preference": gettext_lazy(
            "Only responses of one screen that are at least two grades apart, margin the gap: smaller gaps, the "
            "scale and everything but the overall grade are lost."
        ),
    }

    valid = VALID
    invalid = INVALID

    def keys(self, settings: CritiqueSettings) -> Sequence[Key]:
        found = [Key(key, label) for _value, label, key in offer.verdicts(settings)]
        if settings.criteria:
            grades = offer.grade_keys(settings)
            found.append(Key(f"{grades[0]}–{grades[-1]}", _("grade, and on to the next")))
        letters = offer.letters(settings)
        found += [Key(letters["tag", name], name) for name in settings.tags]
        found += [
            Key(letters["category", name], _("mark the selected words: %(name)s") % {"name": name})
            for name in settings.categories
        ]
        if settings.only_marks:
            found.append(Key("0", _("nothing more to mark")))
        return [*found, Key("↑", _("back to the scale before"))]

    def needs_raw_text(self, settings: CritiqueSettings) -> bool:
        return bool(settings.categories)

    def conflict(
        self, settings: CritiqueSettings, before: Sequence[Question], after: Sequence[Question]
    ) -> str:
        marks = [q for q in before if q.type is self and q.settings.categories]
        if settings.categories and marks:
            return _("Words are marked in “%(other)s” already; ask for all categories there.") % {
                "other": marks[0].heading
            }
        return super().conflict(settings, before, after)

    def seconds(self, screen: Screen, settings: CritiqueSettings) -> float:
        scales = len(settings.criteria) + (settings.verdict != "off")
        return len(screen.responses) * (
            2.0 * scales + 2.0 * bool(settings.tags) + 15.0 * bool(settings.categories)
        )

    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: CritiqueSettings, target: int | None
    ) -> CritiquePayload | None:
        return form.parse(cleaned_data, screen, settings, target)

    def to_form(self, payload: CritiquePayload, screen: Screen, settings: CritiqueSettings) -> dict[str, Any]:
        return form.to_form(payload, settings)

    def validate(
        self, payload: CritiquePayload, screen: Screen, settings: CritiqueSettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings, target)

    def summary(self, payload: CritiquePayload, screen: Screen, settings: CritiqueSettings) -> str:
        said: list[str] = []
        if payload.verdict is not None:
            said += [label for value, label, _key in offer.verdicts(settings) if value == payload.verdict]
        for name, grade in payload.ratings.items():
            criterion = _("Overall") if name.casefold() == OVERALL else name
            said.append(
                _("%(criterion)s %(grade)d of %(most)d")
                % {"criterion": criterion, "grade": grade, "most": payload.grades}
            )
        said += payload.tags
        if settings.categories:
            n = len(payload.spans)
            said.append(ngettext("%(n)d mark", "%(n)d marks", n) % {"n": n} if n else _("nothing marked"))
        return " · ".join(said) or _("Nothing to mark")

    def choice_set(
        self, screen: Screen, settings: CritiqueSettings, payload: CritiquePayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: CritiquePayload, b: CritiquePayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[CritiquePayload]) -> CritiquePayload:
        return agreement.consensus(payloads)

    def labels(self, payload: CritiquePayload, settings: CritiqueSettings) -> Mapping[str, Label]:
        return agreement.labels(payload, settings)

    def label_name(self, label: str) -> str:
        return agreement.label_name(label)

    def preferences(
        self, answers: Sequence[tuple[int | None, CritiquePayload]], shown: Sequence[int]
    ) -> Iterator[Preference]:
        yield from preferred(agreement.goodness(answers), shown)

    def simulate(
        self, screen: Screen, settings: CritiqueSettings, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, CritiquePayload]]:
        return simulate(screen, settings, labeler, rng)

    def statistics(self, events: Iterable[Event]) -> export.Medians:
        return export.statistics(events)

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events, export.statistics(events) if statistics is None else statistics)


feedback_type = Critique()
