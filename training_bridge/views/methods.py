"""What the pages say about methods: in groups, side by side by the survey's attributes, with presets and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from training_bridge.methods import Inputs, Method, Preset, estimates
from training_bridge.methods.attributes import LABELS, NOT_ASKED
from training_bridge.models import Checkpoint


def groups(listed: Iterable[Method]) -> list[dict[str, Any]]:
    """The methods by what they make and from what; a group without methods is left out."""
    reward, people, scored, rest = [], [], [], []
    for method in listed:
        if method.makes == Checkpoint.Kind.REWARD_MODEL:
            reward.append(method)
        elif method.makes != Checkpoint.Kind.POLICY:
            rest.append(method)
        elif method.attributes.sampling == "on":  # the policy answers, and what it said is scored
            scored.append(method)
        else:
            people.append(method)
    found = [
        (_("Reward models"), _("Learn what people value, as a number for every text."), reward),
        (_("Policies from what people said"), _("No reward model between them and the policy."), people),
        (_("Policies from a reward"), _("The policy answers, a reward scores it, and it learns."), scored),
        (_("Evaluations"), _("Nothing is trained."), rest),
    ]
    return [{"title": title, "what": what, "methods": some} for title, what, some in found if some]


def table(listed: Iterable[Method]) -> dict[str, Any]:
    """One row a method that learns, one column an attribute."""
    rows = []
    for method in listed:
        if any(value != NOT_ASKED for value in method.attributes.codes().values()):
            rows.append({"method": method, "cells": [value for _name, value in method.attributes.rows()]})
    return {"columns": list(LABELS.values()), "rows": rows}


def offered(method: Method, chosen: Preset | None, inputs: Inputs) -> list[dict[str, Any]]:
    """The presets with what each is expected to take from these inputs."""
    have = estimates.worker_memory_mb()
    rows = []
    for preset in method.presets:
        parameters = method.parameters.model_validate(dict(preset.values))
        needed = estimates.memory(parameters, inputs)
        seconds = estimates.seconds(method.name, parameters, inputs)
        rows.append(
            {
                "preset": preset,
                "is_chosen": preset is chosen,
                "gb": needed.total_mb / 1024 if needed else None,
                "parts": sorted(needed.parts.items(), key=lambda part: -part[1]) if needed else [],
                "too_much": needed is not None and have is not None and needed.total_mb > have,
                "minutes": seconds / 60 if seconds is not None else None,
            }
        )
    return rows


def worker_gb() -> float | None:
    have = estimates.worker_memory_mb()
    return have / 1024 if have is not None else None
