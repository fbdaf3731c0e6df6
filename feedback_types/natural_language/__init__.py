"""Natural language: a comment in words, with a verdict, the aspects it is about, and revisions made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from feedback_types.base import (
    Attributes,
    Composed,
    Event,
    FeedbackType,
    InvalidPayload,
    Key,
    Screen,
    SyntheticLabeler,
    Target,
    chat,
    completion,
)
from feedback_types.judgements import Label, Preference, preferred
from feedback_types.natural_language import agreement, export, form, offer
from feedback_types.natural_language.aspects import language_of
from feedback_types.natural_language.examples import INVALID, VALID
from feedback_types.natural_language.schema import (
    LONGEST_COMMENT,
    NaturalLanguagePayload,
    NaturalLanguageSettings,
)
from feedback_types.natural_language.simulate import simulate


class NaturalLanguage(FeedbackType):
    slug = "natural_language"
    label = gettext_lazy("Natural language")
    description = gettext_lazy(
        "Labelers say in words what is good or bad, confirm which aspects that is about, and judge revisions made from it. "
        "Choose it when you need the reason and not only the verdict; writing takes longer than a grade."
    )
    version = 1
    category = "primary"
    attributes = Attributes("-", "Observed", "Single", "-", "Descriptive", "Explicit")
    reference = (
        "Ma et al. 2023, Eureka, arXiv 2310.12931; Scheurer et al. 2023, Training Language Models with Language Feedback at "
        "Scale, arXiv 2303.16755"
    )
    target = Target.EACH
    arity = (1, 9)

    payload_class = NaturalLanguagePayload
    settings_class = NaturalLanguageSettings
    form_class = form.NaturalLanguageForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: NaturalLanguageSettings) -> Sequence[Key]:
        found = [Key(key, label) for _value, label, key in offer.verdicts(settings)]
        if settings.about == "span":
            found.append(Key("j k", _("the next sentence, the one before; or select words")))
        if settings.about == "turn":
            found.append(Key("j k", _("the next turn, the one before")))
        found += [Key("c", _("write the comment")), Key("Ctrl+Enter", _("done writing"))]
        if settings.aspects:
            found.append(
                Key(f"1–{len(settings.aspects)}", _("an aspect: as suggested, the other way, not said"))
            )
        if settings.refinements != "off":
            found += [Key("a", _("the revision is better")), Key("o", _("the original is as good or better"))]
        if settings.refinements == "policy":
            found.append(Key("w", _("have it revised once more")))
        return found

    def needs_raw_text(self, settings: NaturalLanguageSettings) -> bool:
        return settings.about == "span"

    def seconds(self, screen: Screen, settings: NaturalLanguageSettings) -> float:
        each = 25.0 + 2.0 * bool(settings.aspects) + 6.0 * (settings.refinements != "off")
        return each * len(self.targets(screen, settings))

    def arity_under(self, settings: NaturalLanguageSettings) -> tuple[int, int]:
        return (2, 9) if settings.refinements == "responses" else self.arity

    def targets(self, screen: Screen, settings: NaturalLanguageSettings) -> Sequence[int | None]:
        if settings.refinements == "responses":
            return [offer.original(screen).id]
        return [response.id for response in screen.responses]

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: NaturalLanguageSettings,
        target: int | None,
    ) -> NaturalLanguagePayload | None:
        return form.parse(cleaned_data, screen, settings, target)

    def to_form(
        self, payload: NaturalLanguagePayload, screen: Screen, settings: NaturalLanguageSettings
    ) -> dict[str, Any]:
        return form.to_form(payload, screen, settings)

    def validate(
        self,
        payload: NaturalLanguagePayload,
        screen: Screen,
        settings: NaturalLanguageSettings,
        target: int | None,
    ) -> None:
        form.validate(payload, screen, settings, target)

    def preview(
        self, asked: Mapping[str, str], screen: Screen, settings: NaturalLanguageSettings
    ) -> dict[str, Any]:
        """{"text", "verdict"} of a comment in the making -> the aspects it seems to be about, and its language."""
        text, verdict = asked.get("text", ""), asked.get("verdict", "")
        if not text.strip() or len(text) > LONGEST_COMMENT:
            raise InvalidPayload({"text": [_("Write what is good or bad, in a word at least.")]})
        said = int(verdict) if verdict in ("-1", "0", "1") else None
        return {
            "suggested": [aspect.dump() for aspect in offer.suggest(text, said, settings)],
            "language": language_of(text, settings.languages),
        }

    def generates(self, settings: NaturalLanguageSettings) -> bool:
        return settings.refinements == "policy"

    def compose(
        self, asked: Mapping[str, str], screen: Screen, settings: NaturalLanguageSettings
    ) -> Composed:
        """The response once more, by the comment, as the next turn of the same dialogue."""
        if not self.generates(settings):
            return super().compose(asked, screen, settings)
        target, note = asked.get("target", ""), asked.get("note", "").strip()
        response = screen.response(int(target) if target.isascii() and target.isdigit() else None)
        if not note or len(note) > LONGEST_COMMENT:
            raise InvalidPayload({"note": [_("Write what is good or bad, in a word at least.")]})
        instruction = _("Write your last answer again, improved by this comment on it: %(comment)s") % {
            "comment": note
        }
        messages = [
            *chat(screen.prompt),
            *completion(response.text),
            {"role": "user", "content": instruction},
        ]
        return Composed(messages, target=response.id)

    def generations(self, payload: NaturalLanguagePayload) -> Mapping[str, str]:
        return {r.generation: r.text for r in payload.refinements_shown if r.generation}

    def summary(
        self, payload: NaturalLanguagePayload, screen: Screen, settings: NaturalLanguageSettings
    ) -> str:
        said = [label for value, label, _key in offer.verdicts(settings) if value == payload.verdict]
        said.append(_("“%(words)s”") % {"words": _short(payload.text)})
        if payload.turn is not None:
            said.append(
                _("on turn %(n)d") % {"n": [n for n, _t in offer.turns(screen)].index(payload.turn) + 1}
            )
        said += [f"{'+' if aspect.polarity > 0 else '−'}{aspect.name}" for aspect in payload.aspects]
        if n := len(payload.refinements_shown):
            better = sum(shown.accepted for shown in payload.refinements_shown)
            said.append(
                ngettext("%(better)d of %(n)d revision better", "%(better)d of %(n)d revisions better", n)
                % {"better": better, "n": n}
            )
        return " · ".join(said)

    def choice_set(
        self,
        screen: Screen,
        settings: NaturalLanguageSettings,
        payload: NaturalLanguagePayload | None = None,
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings, payload)

    def distance(self, a: NaturalLanguagePayload, b: NaturalLanguagePayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[NaturalLanguagePayload]) -> NaturalLanguagePayload:
        return agreement.consensus(payloads)

    def labels(
        self, payload: NaturalLanguagePayload, settings: NaturalLanguageSettings
    ) -> Mapping[str, Label]:
        return agreement.labels(payload, settings.aspects)

    def label_name(self, label: str) -> str:
        return _("verdict") if label == "verdict" else label.partition(":")[2]

    def preferences(
        self, answers: Sequence[tuple[int | None, NaturalLanguagePayload]], shown: Sequence[int]
    ) -> Iterator[Preference]:
        yield from preferred(agreement.goodness(answers), shown)

    def simulate(
        self,
        screen: Screen,
        settings: NaturalLanguageSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, NaturalLanguagePayload]]:
        return simulate(screen, settings, labeler, rng)

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


feedback_type = NaturalLanguage()
