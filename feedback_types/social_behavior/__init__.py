"""Social behaviour: what people do while they read, without being asked; recorded only with their consent.

Reactions under a response, how long it was in view, reading again, copying, selecting. Every exposure is stored, also when
nothing happened, because the choice is between an event and none (`likelihood.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from feedback_types.base import (
    Attributes,
    Event,
    FeedbackType,
    InvalidPayload,
    Key,
    Screen,
    SyntheticLabeler,
    Target,
)
from feedback_types.segments import VERSION, segment_ends
from feedback_types.social_behavior import agreement, export, simulate
from feedback_types.social_behavior.consent import CONSENT
from feedback_types.social_behavior.examples import INVALID, VALID
from feedback_types.social_behavior.form import SocialForm
from feedback_types.social_behavior.schema import PACE_EDGES, REACTIONS, SocialPayload, SocialSettings


class SocialBehavior(FeedbackType):
    slug = "social_behavior"
    label = gettext_lazy("Reactions and reading")
    description = gettext_lazy(
        "Small reactions stand under each response, and with the labeler's consent the page counts reading, copying and "
        "selecting. Choose it beside another question, for signals that cost no time."
    )
    version = 1
    category = "primary"
    attributes = Attributes("Segment", "Observed", "Single", "Instance", "Literal", "Implicit")
    reference = (
        "Cui, Zhang, Knox, Allievi, Stone & Niekum 2020, The EMPATHIC Framework for Task Learning from Implicit Human "
        "Feedback, arXiv 2009.13649"
    )
    target = Target.EACH
    arity = (1, 9)
    payload_class = SocialPayload
    settings_class = SocialSettings
    form_class = SocialForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID
    needs_consent = CONSENT.slug
    consents = (CONSENT,)
    keeps_days = 30
    fewest_people = export.FEWEST_PEOPLE

    def keys(self, settings: SocialSettings) -> Sequence[Key]:
        reactions = [Key(REACTIONS[name][1], str(REACTIONS[name][2])) for name in settings.reactions]
        return [*reactions, Key(".", _("Another response to react to"))]

    def reads(self, settings: SocialSettings) -> bool:
        return False  # nothing is asked: whatever is there to be read is read

    def seconds(self, screen: Screen, settings: SocialSettings) -> float:
        return 0.0

    def legal_basis(self, settings: SocialSettings) -> str:
        if settings.legal_basis == "agreement":
            return _(
                "It relies on an agreement with those who work here or their council; it is off until you switch it on."
            )
        return _(
            "It relies on your free consent; if you are employed for this work, refusing has no consequence."
        )

    # Form -> payload -> words

    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: SocialSettings, target: int | None
    ) -> SocialPayload | None:
        reaction = cleaned_data["reaction"] or None
        recorder = cleaned_data["recorder"] or ("plain" if reaction else "")
        if not recorder:
            return None
        try:
            return SocialPayload.model_validate(
                {
                    "recorder": recorder,
                    "reaction": reaction,
                    "reaction_ms": cleaned_data["reaction_ms"] if reaction else None,
                    "exposed_ms": cleaned_data["exposed_ms"] or 0,
                    "segments": segment_ends(screen.response(target).text),
                    "visible_ms": cleaned_data["visible_ms"],
                    "revisits": cleaned_data["revisits"],
                    "events": cleaned_data["events"],
                }
            )
        except ValidationError as error:
            raise InvalidPayload.from_pydantic(error) from error

    def to_form(self, payload: SocialPayload, screen: Screen, settings: SocialSettings) -> dict[str, Any]:
        return {
            "recorder": payload.recorder,
            "reaction": payload.reaction or "",
            "reaction_ms": "" if payload.reaction_ms is None else str(payload.reaction_ms),
            "exposed_ms": str(payload.exposed_ms),
            "visible_ms": ",".join(map(str, payload.visible_ms)),
            "revisits": ",".join(map(str, payload.revisits)),
            "events": ",".join(f"{e.event}:{e.count}:{e.t_ms or 0}" for e in payload.events),
        }

    def validate(
        self, payload: SocialPayload, screen: Screen, settings: SocialSettings, target: int | None
    ) -> None:
        errors: dict[str, list[str]] = {}
        if list(payload.segments) != segment_ends(screen.response(target).text):
            errors["segments"] = [
                _("These are not the sentence ends of the response; read them from the choice set.")
            ]
        if payload.reaction is not None and payload.reaction not in settings.reactions:
            errors["reaction"] = [
                _("Choose one of the reactions of this campaign: %(names)s.")
                % {"names": ", ".join(settings.reactions)}
            ]
        is_timed = payload.recorder != "plain" and "visible_time" in settings.signals
        if not is_timed and payload.exposed_ms:
            errors["exposed_ms"] = [_("This campaign does not observe times; leave them out.")]
        for name in ("visible_ms", "revisits"):
            if len(getattr(payload, name)) != (len(payload.segments) if is_timed else 0):
                errors[name] = [
                    _("Give one number for each sentence.")
                    if is_timed
                    else _("This campaign does not observe times; leave them out.")
                ]
        counted = settings.counted if payload.recorder != "plain" else ()
        if unknown := [e.event for e in payload.events if e.event not in counted]:
            errors["events"] = [_("This is not observed here: %(names)s.") % {"names": ", ".join(unknown)}]
        elif any(e.t_ms is None for e in payload.events):
            errors["events"] = [_("Say when each kind of event first happened.")]
        if payload.condensed:
            errors["condensed"] = [_("Only old answers are condensed.")]
        if errors:
            raise InvalidPayload(errors)

    def preview(self, asked: Mapping[str, str], screen: Screen, settings: SocialSettings) -> dict[str, Any]:
        """Whether recording may go on: the question is only there for people who have agreed, so it may."""
        return {"recording": True}

    def summary(self, payload: SocialPayload, screen: Screen, settings: SocialSettings) -> str:
        words = {
            "copy": _("copied"),
            "select": _("selected"),
            "regenerate": _("asked for another response"),
        }
        parts = []
        if payload.reaction:
            parts.append(f"{REACTIONS[payload.reaction][0]} {REACTIONS[payload.reaction][2]}")
        parts += [f"{words[e.event]} × {e.count}" for e in payload.events]
        if payload.reread:
            parts.append(_("read again × %(n)d") % {"n": sum(payload.revisits)})
        if payload.exposed_ms:
            parts.append(_("in view for %(s)d s") % {"s": round(payload.exposed_ms / 1000)})
        if payload.recorder == "paused":
            parts.append(_("paused"))
        return " · ".join(parts) or _("Nothing happened")

    # Choice set, agreement

    def choice_set(
        self, screen: Screen, settings: SocialSettings, payload: SocialPayload | None = None
    ) -> dict[str, Any]:
        offer: dict[str, Any] = {
            "one_of": [
                {"id": None, "label": _("No reaction")},
                *({"id": name, "label": str(REACTIONS[name][2])} for name in settings.reactions),
            ],
            "recorder": payload.recorder if payload else "page",
            "segmentation": VERSION,
        }
        if payload is None or payload.recorder == "page":
            offer["each_or_not"] = list(settings.counted)
            if "visible_time" in settings.signals:
                offer["each_or_not"].append("reread")
                offer["pace_edges_ms"] = list(PACE_EDGES)
        return offer

    def distance(self, a: SocialPayload, b: SocialPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[SocialPayload]) -> SocialPayload:
        return agreement.consensus(payloads)

    def condense(self, payload: SocialPayload) -> SocialPayload:
        """The totals: one time and one count of returns for the whole text, events without their moment."""
        has_times = bool(payload.visible_ms)
        return payload.model_copy(
            update={
                "reaction_ms": None,
                "segments": (payload.length,) if payload.segments else (),
                "visible_ms": (payload.exposed_ms,) if has_times else (),
                "revisits": (sum(payload.revisits),) if has_times else (),
                "events": tuple(e.model_copy(update={"t_ms": None}) for e in payload.events),
                "condensed": True,
            }
        )

    # Learning and export

    def simulate(
        self, screen: Screen, settings: SocialSettings, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, SocialPayload]]:
        return [
            (response.id, simulate.exposure(screen, position, settings, labeler, rng))
            for position, response in enumerate(screen.responses)
        ]

    def statistics(self, events: Iterable[Event]) -> export.Calibration | None:
        return export.calibrate(events)

    def records(
        self, events: Sequence[Event], statistics: export.Calibration | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events, statistics)


feedback_type = SocialBehavior()
