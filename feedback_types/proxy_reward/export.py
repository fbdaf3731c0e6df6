"""Stated rewards in TRL's columns: the prompt with the reward beside it, and pairs from the order it makes of the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from django.utils.translation import gettext_lazy

from feedback_types.base import Event, chat, completion
from feedback_types.proxy_reward import offer
from feedback_types.proxy_reward.features import FEATURE_SETS
from feedback_types.proxy_reward.program import ProgramError
from feedback_types.proxy_reward.schema import ProxyPayload

VIEWS = {
    "prompt_only": gettext_lazy(
        "The prompt with what was stated (weights and features, or the program) in further columns, for a trainer that "
        "brings a reward function; lost are the responses, the settings that were passed over, and a rubric's judgements."
    ),
    "preference": gettext_lazy(
        "Every pair that the proxy ranks apart, with source “proxy” and margin the gap in its own units. Nobody compared "
        "these two; the pairs of one answer follow from each other; ties and the settings that were passed over are lost."
    ),
}


def records(events: Sequence[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        payload: ProxyPayload = event.payload
        stated: dict[str, Any] = {"source": "proxy", "mode": payload.mode, "feature_set": payload.feature_set}
        if payload.program is not None:
            stated |= {"program": payload.program, "program_sha": payload.program_sha}
        else:
            stated |= {"weights": payload.weights}
            if payload.mode == "sliders":
                known = FEATURE_SETS[payload.feature_set]
                stated |= {"units": {name: known[name].unit for name in payload.weights}}
        yield "prompt_only", {"prompt": chat(event.screen.prompt), **stated}
        try:
            scored = offer.scores(event.screen, event.settings, payload)
        except ProgramError:
            continue  # what a later version of Python makes of it; its ranks were stored, its scores were not
        unit = 1000 if payload.mode == "sliders" else 1
        for better, worse in permutations(range(len(payload.pool)), 2):
            if payload.ranks[better] < payload.ranks[worse]:
                yield (
                    "preference",
                    {
                        "prompt": chat(event.screen.prompt),
                        "chosen": completion(event.screen.response(payload.pool[better]).text),
                        "rejected": completion(event.screen.response(payload.pool[worse]).text),
                        "margin": float(scored[better] - scored[worse]) / unit,
                        "source": "proxy",
                    },
                )
