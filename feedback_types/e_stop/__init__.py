"""E-stop: a response is revealed as a stream; the labeler may stop it, and offers no alternative.

A live stop and a stop in hindsight are choices from different sets, so each has its own law (`likelihood.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
)
from feedback_types.e_stop import agreement, export, simulate
from feedback_types.e_stop.examples import INVALID, VALID
from feedback_types.e_stop.form import EStopForm
from feedback_types.e_stop.schema import GRACE_MS, REASONS, EStopPayload, EStopSettings
from feedback_types.judgements import Label
from feedback_types.segments import VERSION, segment_ends


class EStop(FeedbackType):
    slug = "e_stop"
    label = gettext_lazy("E-stop")
    description = gettext_lazy(
        "The response appears as a stream and the labeler stops it with one key when it goes wrong. "
        "Choose it when reading to the end is the cost, or when it matters where a response turns bad."
    )
    version = 1
    category = "supplementary"
    attributes = Attributes("Episode", "Observed", "Single", "Instance", "Literal", "Implicit")
    reference = (
        "Ghosal, Zurek, Brown & Dragan 2022, The Effect of Modeling Human Rationality Level on Learning Rewards from "
        "Multiple Feedback Types, arXiv 2208.10687"
    )
    target = Target.EACH
    arity = (1, 9)
    payload_class = EStopPayload
    settings_class = EStopSettings
    form_class = EStopForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: EStopSettings) -> Sequence[Key]:
        start = [Key("Space", _("Start"))] if settings.start == "key" else []
        reasons = [Key(str(n), str(REASONS[r])) for n, r in enumerate(settings.reasons, start=1)]
        return [*start, Key("Esc", _("Stop")), *reasons]

    def reveals(self, settings: EStopSettings) -> bool:
        return True

    def rewrites(self, settings: EStopSettings) -> bool:
        return settings.response == "live"

    def generates(self, settings: EStopSettings) -> bool:
        return settings.response == "live"

    def compose(self, asked: Mapping[str, str], screen: Screen, settings: EStopSettings) -> Composed:
        """A response to the prompt; after a stream that broke off, the rest of it."""
        if not self.generates(settings):
            return super().compose(asked, screen, settings)
        target = asked.get("target", "")
        response = screen.response(int(target) if target.isascii() and target.isdigit() else None)
        return Composed(chat(screen.prompt), asked.get("prefix", ""), response.id)

    def generations(self, payload: EStopPayload) -> Mapping[str, str]:
        if payload.live is None:
            return {}
        return dict.fromkeys(payload.live.generations, "") | {payload.live.generations[-1]: payload.live.text}

    def seconds(self, screen: Screen, settings: EStopSettings) -> float:
        return 2.0 * len(screen.responses)

    # Form -> payload -> words

    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: EStopSettings, target: int | None
    ) -> EStopPayload | None:
        live = cleaned_data["live"]
        text = live.text if live else screen.response(target).text
        ends = segment_ends(text)
        reason = cleaned_data["reason"] or None
        if cleaned_data["mode"] == "stream":
            if not cleaned_data["outcome"]:
                return None
            return EStopPayload(
                mode="stream",
                outcome=cleaned_data["outcome"],
                reason=reason,
                stop_char=cleaned_data["stop_char"],
                rendered_char=cleaned_data["rendered_char"] or 0,
                stream_cps=cleaned_data["stream_cps"],
                t_ms=cleaned_data["t_ms"],
                stepped=cleaned_data["stepped"],
                full_text_available=False,
                segments=tuple(ends),
                live=live,
            )
        after = cleaned_data["stop_after"]
        if after is None:
            if reason:
                raise InvalidPayload({"stop_after": [_("Say also where it should have stopped.")]})
            return None
        stopped = after < len(ends)
        return EStopPayload(
            mode="hindsight",
            outcome="stopped" if stopped else "finished",
            reason=reason,
            stop_char=ends[after - 1] if stopped else None,
            rendered_char=len(text),
            full_text_available=True,
            segments=tuple(ends),
        )

    def to_form(self, payload: EStopPayload, screen: Screen, settings: EStopSettings) -> dict[str, Any]:
        data: dict[str, Any] = {"mode": payload.mode, "reason": payload.reason or ""}
        if payload.mode == "hindsight":
            data["stop_after"] = str(
                payload.stopped_at if payload.outcome == "stopped" else max(1, len(payload.segments))
            )
            return data
        numbers = {
            name: getattr(payload, name) for name in ("stop_char", "rendered_char", "stream_cps", "t_ms")
        }
        if payload.live:
            data["live"] = payload.live.model_dump_json()
        data |= {name: "" if number is None else str(number) for name, number in numbers.items()}
        return data | {"outcome": payload.outcome, "stepped": "true" if payload.stepped else ""}

    def validate(
        self, payload: EStopPayload, screen: Screen, settings: EStopSettings, target: int | None
    ) -> None:
        text = payload.shown(screen.response(target).text)
        errors: dict[str, list[str]] = {}
        if payload.live and not (payload.mode == "stream" and settings.response == "live"):
            errors["live"] = [_("Here the stored response is shown; leave this out.")]
        if list(payload.segments) != segment_ends(text):
            errors["segments"] = [
                _("These are not the sentence ends of the response; read them from the choice set.")
            ]
        if payload.rendered_char > len(text) or (
            payload.outcome == "finished" and payload.rendered_char < len(text)
        ):
            errors["rendered_char"] = [
                _("The response has %(n)d characters; a finished run shows all of them.") % {"n": len(text)}
            ]
        if payload.outcome == "stopped":
            self._check_stop(payload, settings, len(text), errors)
        else:
            if payload.stop_char is not None:
                errors["stop_char"] = [_("Only a stopped response has a place of the stop.")]
            if payload.reason is not None:
                errors["reason"] = [_("Only a stopped response has a reason; leave it empty.")]
        if payload.mode == "stream":
            if payload.stream_cps is None:
                errors["stream_cps"] = [_("Say how fast the response appeared.")]
            if payload.t_ms is None:
                errors["t_ms"] = [_("Say how long the response ran.")]
        else:
            if payload.outcome == "left":
                errors["outcome"] = [_("Only a stream can be left.")]
            if payload.rendered_char != len(text):
                errors["rendered_char"] = [_("In hindsight the whole text is shown.")]
            if payload.stream_cps is not None or payload.t_ms is not None or payload.stepped:
                errors["mode"] = [_("In hindsight nothing is streamed: leave speed, time and steps out.")]
        if payload.full_text_available != (payload.mode == "hindsight"):
            errors["full_text_available"] = [
                _("The whole text is there in hindsight, and not while it streams.")
            ]
        if errors:
            raise InvalidPayload(errors)

    def _check_stop(
        self, payload: EStopPayload, settings: EStopSettings, length: int, errors: dict[str, list[str]]
    ) -> None:
        if payload.reason is not None and payload.reason not in settings.reasons:
            errors["reason"] = [
                _("Choose one of the reasons of this campaign: %(names)s.")
                % {"names": ", ".join(settings.reasons)}
            ]
        if payload.reason is None and payload.mode == "stream":
            errors["reason"] = [_("Say why you stopped.")]
        if payload.stop_char is None:
            errors["stop_char"] = [_("Say where it was stopped.")]
        elif payload.mode == "stream" and not payload.rendered_char <= payload.stop_char <= length:
            errors["stop_char"] = [
                _("The stop lies between what was on the screen and the end of the response.")
            ]
        elif payload.mode == "hindsight" and payload.stop_char not in payload.segments[:-1]:
            errors["stop_char"] = [_("Choose the end of a sentence before the last one.")]

    def summary(self, payload: EStopPayload, screen: Screen, settings: EStopSettings) -> str:
        place = {"percent": round(100 * payload.fraction), "n": len(payload.segments)}
        if payload.outcome == "finished":
            return (
                _("Read to the end")
                if payload.mode == "stream"
                else _("Should have gone on to the end (in hindsight)")
            )
        if payload.outcome == "left":
            return _("Left at %(percent)d %%, not stopped") % place
        place |= {"sentence": payload.stopped_at}
        where = (
            _("Stopped at %(percent)d %%, after sentence %(sentence)d of %(n)d")
            if payload.mode == "stream"
            else _(
                "Should have stopped at %(percent)d %%, after sentence %(sentence)d of %(n)d (in hindsight)"
            )
        ) % place
        return f"{where}: {REASONS[payload.reason]}" if payload.reason else where

    # Choice set, agreement

    def choice_set(
        self, screen: Screen, settings: EStopSettings, payload: EStopPayload | None = None
    ) -> dict[str, Any]:
        stream = payload is None or payload.mode == "stream"
        responses: list[dict[str, Any]] = [
            {"response": r.id, "segments": segment_ends(r.text)}
            for r in screen.responses
            if payload is None or segment_ends(r.text) == list(payload.segments)
        ]
        if payload and payload.live:
            written = {"generations": list(payload.live.generations), "segments": list(payload.segments)}
            responses = [written]
        offer: dict[str, Any] = {
            "mode": "stream" if stream else "hindsight",
            "stop_after_each_segment_of": responses,
            "or": {
                "id": "finished",
                "label": _("Read to the end") if stream else _("Nowhere: it was right to go on to the end"),
            },
            "reasons": [{"id": r, "label": str(REASONS[r])} for r in settings.reasons],
            "segmentation": VERSION,
        }
        if stream:
            offer |= {
                "chars_per_s": payload.stream_cps if payload else settings.chars_per_s,
                "start": settings.start,
                "grace_ms": GRACE_MS,
            }
        return offer

    def distance(self, a: EStopPayload, b: EStopPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[EStopPayload]) -> EStopPayload:
        return agreement.consensus(payloads)

    # Learning and export

    def labels(self, payload: EStopPayload, settings: EStopSettings) -> Mapping[str, Label]:
        return {"stopped": Label(payload.outcome == "stopped")}

    def label_name(self, label: str) -> str:
        return _("stopped or not")

    def simulate(
        self, screen: Screen, settings: EStopSettings, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, EStopPayload]]:
        return [
            (r.id, simulate.stream(screen.prompt, r.text, settings, labeler, rng)) for r in screen.responses
        ]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = EStop()
