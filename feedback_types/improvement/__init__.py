"""Improvement: the labeler changes a response in place, sees what changed, and says whether it is better now.

The editor chose the new text, so "edited beats original" is not a fair comparison; `likelihood.py` says what is.
"""

from __future__ import annotations

import json
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
    unstorable,
)
from feedback_types.improvement import agreement, export, simulate
from feedback_types.improvement.diff import apply, word_ops
from feedback_types.improvement.examples import INVALID, VALID
from feedback_types.improvement.form import NEWLINE, TAKEOVERS, ImprovementForm, restore_newlines
from feedback_types.improvement.schema import Draft, ImprovementPayload, ImprovementSettings, cuts
from feedback_types.judgements import Label
from feedback_types.segments import VERSION, segment_ends


class Improvement(FeedbackType):
    slug = "improvement"
    label = gettext_lazy("Improvement")
    description = gettext_lazy(
        "The labeler edits a response in place and says whether it is better now. "
        "Choose it when you need texts to imitate and want to know what was wrong; it takes longer than a judgement."
    )
    version = 1
    category = "primary"
    attributes = Attributes("Episode", "Co-generative", "Single", "Instance", "-", "-")
    reference = (
        "Luo et al. 2023, RLIF: Interactive Imitation Learning as Reinforcement Learning, arXiv 2311.12996"
    )
    target = Target.ONE
    arity = (1, 9)
    payload_class = ImprovementPayload
    settings_class = ImprovementSettings
    form_class = ImprovementForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: ImprovementSettings) -> Sequence[Key]:
        go_on = [
            Key("Alt+Enter", _("The policy goes on from here; Esc stops it")),
            Key("Alt+R", _("Another response of the policy")),
        ]
        return [
            Key("e", _("Edit")),
            *(go_on if settings.take_over else []),
            Key("Ctrl+Enter", _("Done editing")),
            Key("y", _("Yes, better")),
            Key("n", _("No, not better")),
        ]

    def rewrites(self, settings: ImprovementSettings) -> bool:
        return True

    def generates(self, settings: ImprovementSettings) -> bool:
        return settings.take_over

    def compose(self, asked: Mapping[str, str], screen: Screen, settings: ImprovementSettings) -> Composed:
        """The rest of the response after the beginning that the labeler left standing."""
        if not self.generates(settings):
            return super().compose(asked, screen, settings)
        target = asked.get("target", "")
        response = screen.response(int(target) if target.isascii() and target.isdigit() else None)
        prefix = NEWLINE.sub("\n", asked.get("prefix", ""))
        if problem := unstorable(prefix) or _too_long([prefix], response.text, settings):
            raise InvalidPayload({"prefix": [problem]})
        return Composed(chat(screen.prompt), prefix, response.id)

    def generations(self, payload: ImprovementPayload) -> Mapping[str, str]:
        return {t.generation: t.prefix + t.text for t in payload.takeovers}

    def seconds(self, screen: Screen, settings: ImprovementSettings) -> float:
        return 45.0

    # Form -> payload -> words

    def parse(
        self,
        cleaned_data: Mapping[str, Any],
        screen: Screen,
        settings: ImprovementSettings,
        target: int | None,
    ) -> ImprovementPayload | None:
        text = screen.response(target).text
        ends = segment_ends(text)
        shown = cleaned_data["suggestions"]
        if shown is None:
            shown = cuts(text, ends) if settings.suggestions == "cuts" else []
        sent = [cleaned_data["edited_text"], *(cleaned_data["refused"] or [])]
        problem = unstorable([*sent, *shown]) or _too_long(
            [NEWLINE.sub("\n", draft) for draft in sent], text, settings
        )
        if problem:
            raise InvalidPayload({"edited_text": [problem]})
        edited, *refused = (restore_newlines(text, draft) for draft in sent)
        better = cleaned_data["better"]
        if edited in ("", text) and cleaned_data["cut"] is not None and cleaned_data["cut"] < len(shown):
            edited = shown[cleaned_data["cut"]]
        if edited in ("", text):
            if refused:  # taken back after a "no": that draft is the answer
                edited, better = refused.pop(), "no"
            elif better:
                raise InvalidPayload({"edited_text": [_("Change the text first; it is still as it was.")]})
            else:
                return None
        if not better:
            raise InvalidPayload(
                {"better": [_("Say whether your version is better than the original: yes or no.")]}
            )
        drafts = [
            _draft(text, draft, shown) for draft in (*(d for d in refused if d not in (text, edited)), edited)
        ]
        return ImprovementPayload(
            edited_text=edited,
            ops=drafts[-1].ops,
            intervened_at=drafts[-1].ops[0].start,
            segments=tuple(ends),
            suggestions_shown=tuple(shown),
            suggested_for=cleaned_data["suggested_for"],
            picked=drafts[-1].picked,
            refused=tuple(drafts[:-1]),
            confirm_better=better == "yes",
            keystrokes=cleaned_data["keystrokes"],
            edit_ms=cleaned_data["edit_ms"],
            takeovers=cleaned_data["takeovers"],
        )

    def to_form(
        self, payload: ImprovementPayload, screen: Screen, settings: ImprovementSettings
    ) -> dict[str, Any]:
        return {
            "edited_text": payload.edited_text,
            "better": "yes" if payload.confirm_better else "no",
            "refused": json.dumps([draft.edited_text for draft in payload.refused]),
            "suggestions": json.dumps(list(payload.suggestions_shown)),
            "suggested_for": ",".join(map(str, payload.suggested_for)),
            "keystrokes": "" if payload.keystrokes is None else str(payload.keystrokes),
            "edit_ms": "" if payload.edit_ms is None else str(payload.edit_ms),
            "takeovers": TAKEOVERS.dump_json(payload.takeovers).decode() if payload.takeovers else "",
        }

    def validate(
        self, payload: ImprovementPayload, screen: Screen, settings: ImprovementSettings, target: int | None
    ) -> None:
        text = screen.response(target).text
        errors: dict[str, list[str]] = {}
        if list(payload.segments) != segment_ends(text):
            errors["segments"] = [
                _("These are not the sentence ends of the response; read them from the choice set.")
            ]
        shown = payload.suggestions_shown
        if len(set(shown)) < len(shown) or any(s == text or not s.strip() for s in shown):
            errors["suggestions_shown"] = [
                _("Suggestions are texts that differ from the original and from each other.")
            ]
        elif problem := _too_long(shown, text, settings):
            errors["suggestions_shown"] = [problem]
        place = payload.suggested_for
        if (
            list(place) != sorted(set(place))
            or any(not 0 <= n < len(payload.segments) for n in place)
            or (place and not shown)
        ):
            errors["suggested_for"] = [
                _("Name sentences of the response for which suggestions were shown, rising, each once.")
            ]
        for name, draft in _named_drafts(payload):
            errors.update(
                {f"{name}{field}": es for field, es in _faults(draft, text, shown, settings).items()}
            )
        if payload.intervened_at != payload.ops[0].start:
            errors["intervened_at"] = [
                _("This is the start of the first change, %(n)d.") % {"n": payload.ops[0].start}
            ]
        if len({draft.edited_text for draft in payload.drafts}) < len(payload.drafts):
            errors["refused"] = [_("Every draft is told once.")]
        if problem := _wrong_takeovers(payload, settings):
            errors["takeovers"] = [problem]
        if errors:
            raise InvalidPayload(errors)

    def summary(self, payload: ImprovementPayload, screen: Screen, settings: ImprovementSettings) -> str:
        n = len(payload.ops)
        change = ngettext("%(n)d change", "%(n)d changes", n) % {"n": n}
        added = sum(len(op.text) for op in payload.ops)
        removed = sum(op.end - op.start for op in payload.ops)
        verdict = (
            _("better than the original") if payload.confirm_better else _("not better than the original")
        )
        told = f"{change} (+{added} −{removed}): {verdict}"
        if n := len(payload.takeovers):
            told += " · " + ngettext("taken over %(n)d time", "taken over %(n)d times", n) % {"n": n}
        return told

    # Choice set, agreement

    def choice_set(
        self, screen: Screen, settings: ImprovementSettings, payload: ImprovementPayload | None = None
    ) -> dict[str, Any]:
        responses = [(r, segment_ends(r.text)) for r in screen.responses]
        return {
            "verdict": [
                {"id": "edit", "confirm_better": True, "label": _("Yes, better")},
                {"id": "keep", "confirm_better": False, "label": _("No, not better")},
            ],
            "where": [{"response": r.id, "segments": ends} for r, ends in responses],
            "what": {
                "suggestions": list(payload.suggestions_shown) if payload else [],
                "suggested_for": list(payload.suggested_for) if payload else [],
                "cuts": [
                    r.id for r, ends in responses if settings.suggestions == "cuts" and cuts(r.text, ends)
                ],
                "or": _("Own words"),
            },
            "segmentation": VERSION,
        }

    def distance(self, a: ImprovementPayload, b: ImprovementPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[ImprovementPayload]) -> ImprovementPayload:
        return agreement.consensus(payloads)

    # Learning and export

    def labels(self, payload: ImprovementPayload, settings: ImprovementSettings) -> Mapping[str, Label]:
        return {"better": Label(payload.confirm_better)}

    def label_name(self, label: str) -> str:
        return _("whether the edit is better")

    def simulate(
        self,
        screen: Screen,
        settings: ImprovementSettings,
        labeler: SyntheticLabeler,
        rng: np.random.Generator,
    ) -> list[tuple[int | None, ImprovementPayload]]:
        response = screen.responses[rng.integers(len(screen.responses))]
        return [(response.id, simulate.improve(screen.prompt, response.text, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


def _draft(original: str, edited: str, shown: Sequence[str]) -> Draft:
    return Draft(
        edited_text=edited,
        ops=tuple(word_ops(original, edited)),
        picked=shown.index(edited) if edited in shown else None,
    )


def _named_drafts(payload: ImprovementPayload) -> list[tuple[str, Draft]]:
    """Each draft with the prefix of its fields in an error message."""
    *refused, last = payload.drafts
    return [*((f"refused.{n}.", draft) for n, draft in enumerate(refused)), ("", last)]


def _faults(
    draft: Draft, original: str, shown: Sequence[str], settings: ImprovementSettings
) -> dict[str, list[str]]:
    if draft.edited_text == original:
        return {"edited_text": [_("Change the text first; it is still as it was.")]}
    if not draft.edited_text.strip():
        return {"edited_text": [_("Leave some text; to reject the whole response, use another question.")]}
    if problem := _too_long([draft.edited_text], original, settings):
        return {"edited_text": [problem]}
    try:
        fits = apply(original, draft.ops) == draft.edited_text
    except ValueError:
        fits = False
    if not fits:
        return {"ops": [_("The changes do not lead from the original to the edited text.")]}
    if draft.picked != (shown.index(draft.edited_text) if draft.edited_text in shown else None):
        return {"picked": [_("Name the suggestion that is the same as the edited text, or none.")]}
    return {}


def _too_long(texts: Sequence[str], original: str, settings: ImprovementSettings) -> str:
    if any(len(text) > len(original) + settings.max_growth for text in texts):
        return _("The text grew by more than %(n)d characters; shorten it.") % {"n": settings.max_growth}
    return ""


def _wrong_takeovers(payload: ImprovementPayload, settings: ImprovementSettings) -> str:
    if payload.takeovers and not settings.take_over:
        return _("Here the policy does not go on from an edited text; leave this out.")
    if len({t.generation for t in payload.takeovers}) < len(payload.takeovers):
        return _("Every takeover is told once.")
    for takeover in payload.takeovers:
        if takeover.at != first_change(takeover.before, takeover.prefix):
            return _("The place of a takeover is where the text was first changed.")
    return ""


def first_change(before: str, prefix: str) -> int:
    """The first place that differs, in code points; where nothing was changed, the end of the shorter text."""
    pairs = enumerate(zip(before, prefix, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(before), len(prefix)))


feedback_type = Improvement()
