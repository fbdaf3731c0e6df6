"""Importance: the sentences or words that decided a judgement, whether they helped or hurt, and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from feedback_types.base import Attributes, FeedbackType, Key, Question, Screen, SyntheticLabeler, Target
from feedback_types.importance import agreement, export, form, offer
from feedback_types.importance.examples import INVALID, VALID
from feedback_types.importance.schema import ImportancePayload, ImportanceSettings
from feedback_types.importance.simulate import simulate


class Importance(FeedbackType):
    slug = "importance"
    label = gettext_lazy("Importance")
    description = gettext_lazy(
        "Labelers mark the sentences or words that decided a judgement: what helped, what hurt, and how much. "
        "Choose it beside a grade or a comparison, whose answer it explains; alone it is a weak signal."
    )
    version = 1
    category = "supplementary"
    attributes = Attributes("-", "Observed", "-", "-", "Descriptive", "Explicit")
    reference = "Guan, Verma, Guo, Zhang & Kambhampati 2020, EXPAND, arXiv 2006.14804"
    target = Target.EACH
    arity = (1, 9)

    payload_class = ImportancePayload
    settings_class = ImportanceSettings
    form_class = form.ImportanceForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: ImportanceSettings) -> Sequence[Key]:
        if settings.mode == "best_worst":
            words = [_("one of the best"), _("one of the worst")]
        else:
            words = [_("helped"), _("hurt")] if settings.signed else [_("mattered")]
        if offer.asks_weight(settings):
            words = [_("%(what)s; again: more") % {"what": word} for word in words]
        found = [Key("j k", _("the next sentence, the one before; or select words"))]
        found += [Key(str(number), word) for number, word in enumerate(words, start=1)]
        found.append(Key("3", _("clear")))
        if settings.mode == "marks":
            found.append(Key("0", _("nothing more to mark")))
        return found

    def needs_raw_text(self, settings: ImportanceSettings) -> bool:
        return settings.where != "prompt"

    def conflict(
        self, settings: ImportanceSettings, before: Sequence[Question], after: Sequence[Question]
    ) -> str:
        if said := super().conflict(settings, before, after):
            return said
        if settings.explains and settings.explains not in [question.key for question in before]:
            return _(
                "It explains “%(key)s”, which is not asked before it; name an earlier question, or none."
            ) % {"key": settings.explains}
        return ""

    def seconds(self, screen: Screen, settings: ImportanceSettings) -> float:
        return 6.0 * len(screen.responses)

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: ImportanceSettings,
        target: int | None,
    ) -> ImportancePayload | None:
        return form.parse(cleaned_data, screen, settings, target)

    def to_form(
        self, payload: ImportancePayload, screen: Screen, settings: ImportanceSettings
    ) -> dict[str, Any]:
        return form.to_form(payload)

    def validate(
        self, payload: ImportancePayload, screen: Screen, settings: ImportanceSettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings, target)

    def summary(self, payload: ImportancePayload, screen: Screen, settings: ImportanceSettings) -> str:
        if not payload.marks:
            return _("Nothing marked")
        said = []
        for sign, words in ((1, _("helped: %(n)d")), (-1, _("hurt: %(n)d")), (0, _("mattered: %(n)d"))):
            if n := sum(mark.sign == sign for mark in payload.marks):
                said.append(words % {"n": n})
        n = sum(mark.where == "prompt" for mark in payload.marks)
        if n:
            said.append(ngettext("%(n)d in the prompt", "%(n)d in the prompt", n) % {"n": n})
        return " · ".join(said)

    def choice_set(
        self, screen: Screen, settings: ImportanceSettings, payload: ImportancePayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings)

    def distance(self, a: ImportancePayload, b: ImportancePayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[ImportancePayload]) -> ImportancePayload:
        return agreement.consensus(payloads)

    def simulate(
        self,
        screen: Screen,
        settings: ImportanceSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, ImportancePayload]]:
        return simulate(screen, settings, labeler, rng)


feedback_type = Importance()
