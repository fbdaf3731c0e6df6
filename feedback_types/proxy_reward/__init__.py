"""Proxy reward: the labeler states a reward outright (weights, a rubric, a program) and sees at once what it ranks first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from feedback_types.base import (
    Attributes,
    Event,
    FeedbackType,
    Key,
    Screen,
    SyntheticLabeler,
    Target,
)
from feedback_types.judgements import Preference, preferred
from feedback_types.proxy_reward import agreement, export, features, form, offer, program
from feedback_types.proxy_reward.examples import INVALID, VALID
from feedback_types.proxy_reward.order import ranks
from feedback_types.proxy_reward.schema import FEWEST, MOST, ProxyPayload, ProxySettings
from feedback_types.proxy_reward.simulate import simulate


class ProxyReward(FeedbackType):
    slug = "proxy_reward"
    label = gettext_lazy("Proxy reward")
    description = gettext_lazy(
        "Labelers state what they would reward, by sliders, a rubric or a short program, and see at once what it ranks "
        "first. Choose it when people can say what they look for, or when you want a reward that can be read."
    )
    version = 1
    category = "primary"
    attributes = Attributes("Episode", "Observed", "-", "Feature", "Descriptive", "Explicit")
    reference = (
        "Hadfield-Menell et al. 2017, Inverse Reward Design, arXiv 1711.02827; He & Dragan 2021, Assisted Robust Reward "
        "Design, arXiv 2111.09884"
    )
    target = Target.SET
    arity = (FEWEST, MOST)

    payload_class = ProxyPayload
    settings_class = ProxySettings
    form_class = form.ProxyForm
    views = export.VIEWS
    valid = VALID
    invalid = INVALID

    def keys(self, settings: ProxySettings) -> Sequence[Key]:
        if settings.mode == "program":
            return [
                Key("e", _("write the program")),
                Key(pgettext("key", "Ctrl+Enter"), _("show its ranking")),
            ]
        if settings.mode == "sliders":
            return [Key("← →", _("change the weight")), Key("↑ ↓", _("another feature"))]
        judge = (
            [Key("y", _("yes, and on to the next")), Key("n", _("no, and on to the next"))]
            if settings.levels == 2
            else [Key(f"0–{settings.levels - 1}", _("grade, and on to the next"))]
        )
        weigh = [Key("+ −", _("change the weight of this criterion"))] if settings.weigh else []
        return [*judge, Key("← →", _("another response")), Key("↑ ↓", _("another criterion")), *weigh]

    def seconds(self, screen: Screen, settings: ProxySettings) -> float:
        if settings.mode == "rubric":
            return min(500.0, 3.0 * len(settings.criteria) * len(screen.responses))
        return 40.0 if settings.mode == "sliders" else 120.0

    # Form -> payload -> words

    def parse(
        self, cleaned_data: Mapping[str, Any], screen: Screen, settings: ProxySettings, target: int | None
    ) -> ProxyPayload | None:
        return form.parse(cleaned_data, screen, settings)

    def to_form(self, payload: ProxyPayload, screen: Screen, settings: ProxySettings) -> dict[str, Any]:
        return form.to_form(payload, screen, settings)

    def validate(
        self, payload: ProxyPayload, screen: Screen, settings: ProxySettings, target: int | None
    ) -> None:
        form.validate(payload, screen, settings)

    def renumbered(self, payload: ProxyPayload, ids: Mapping[int, int]) -> ProxyPayload:
        return payload.model_copy(update={"pool": tuple(ids[i] for i in payload.pool)})

    def preview(self, asked: Mapping[str, str], screen: Screen, settings: ProxySettings) -> dict[str, Any]:
        """`program` -> what it gives to each response, and the ranks; or `problem`, what is wrong with it so far.

        A program that is being written is wrong most of the time: that is no refusal.
        """
        if settings.mode != "program":
            return super().preview(asked, screen, settings)
        try:
            source = program.compiled(asked.get("program", "")).source
            scored = offer.program_scores(source, screen)
        except program.ProgramError as error:
            return {"problem": str(error), "ranking": []}
        return {
            "problem": "",
            "ranking": [
                {"id": r.id, "score": score, "rank": rank}
                for r, score, rank in zip(screen.responses, scored, ranks(scored), strict=True)
            ],
        }

    def summary(self, payload: ProxyPayload, screen: Screen, settings: ProxySettings) -> str:
        groups: dict[int, list[str]] = {}
        for response, rank in zip(payload.pool, payload.ranks, strict=True):
            groups.setdefault(rank, []).append(screen.letter(response))
        order = " > ".join(" = ".join(sorted(groups[rank])) for rank in sorted(groups))
        if payload.program is not None:
            stated = payload.program if len(payload.program) <= 80 else f"{payload.program[:79]}…"
        else:
            known = features.FEATURE_SETS[payload.feature_set]
            stated = ", ".join(
                f"{known[name].label if payload.mode == 'sliders' else name} {weight:+d}"
                for name, weight in payload.weights.items()
                if weight
            )
        return _("%(proxy)s: ranks %(order)s") % {"proxy": stated, "order": order}

    # Choice set, agreement

    def choice_set(
        self, screen: Screen, settings: ProxySettings, payload: ProxyPayload | None = None
    ) -> dict[str, Any]:
        return offer.choice_set(screen, settings, payload)

    def distance(self, a: ProxyPayload, b: ProxyPayload) -> float:
        return agreement.distance(a, b)

    def consensus(self, payloads: Sequence[ProxyPayload]) -> ProxyPayload:
        return agreement.consensus(payloads)

    # Learning and export

    def reward(self, payload: ProxyPayload) -> Callable[[str], float] | None:
        """Weights times features in their units, or the program; a rubric needs somebody who judges."""
        version = payload.feature_set
        if payload.program is not None:
            return program.compiled(payload.program, version).score
        if payload.mode == "rubric":
            return None
        names, weights = list(payload.weights), list(payload.weights.values())

        def score(text: str) -> float:
            counted = features.values(text, names, version)
            return sum(w * v for w, v in zip(weights, counted, strict=True)) / 1000

        return score

    def preferences(
        self, answers: Sequence[tuple[int | None, ProxyPayload]], shown: Sequence[int]
    ) -> Iterator[Preference]:
        for _target, payload in answers:
            yield from preferred(
                {r: -float(rank) for r, rank in zip(payload.pool, payload.ranks, strict=True)}, payload.pool
            )

    def simulate(
        self, screen: Screen, settings: ProxySettings, labeler: SyntheticLabeler, rng: np.random.Generator
    ) -> list[tuple[int | None, ProxyPayload]]:
        return [(None, simulate(screen, settings, labeler, rng))]

    def records(
        self, events: Sequence[Event], statistics: Any = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        return export.records(events)


feedback_type = ProxyReward()
