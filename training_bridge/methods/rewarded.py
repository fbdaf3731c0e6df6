"""What the methods share in which a policy answers and a reward scores: the rewards there are, and what learning it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from annotation.errors import Invalid
from annotation.submissions.models import Feedback
from annotation.submissions.stated import reward_of
from training_bridge.methods.attributes import Attributes, feedback_behind
from training_bridge.methods.base import Inputs
from training_bridge.methods.needs import enough_prompts
from training_bridge.models import Run, Snapshot
from training_bridge.policy.config import RewardedParameters

USUALLY = Attributes(
    reward="explicit",
    signal="pointwise",
    level="response",
    examples="both",
    feedback="human",
    reference="parent",
    sampling="on",
    schedule="online",
)


def a_reward(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if inputs.reward_model is None and not parameters.reward and not parameters.stated_reward:
        yield _("A reward is needed: choose a reward model, or name a reward function in the settings.")
    if parameters.stated_reward and stated_row(parameters.stated_reward, inputs.snapshot) is None:
        yield _("Feedback %(n)d states no reward in this campaign.") % {"n": parameters.stated_reward}


def step_by_step(parameters: Any, inputs: Inputs) -> Iterator[str]:
    """A reward, and as many prompts as each step answers."""
    yield from a_reward(parameters, inputs)
    yield from enough_prompts(inputs, parameters.prompts)


def in_turns(parameters: Any, inputs: Inputs) -> Iterator[str]:
    """A reward, and something to answer; with fewer prompts than a round asks for it answers those there are."""
    yield from a_reward(parameters, inputs)
    yield from enough_prompts(inputs, 1)


def stated_row(number: int, snapshot: Snapshot | None) -> Feedback | None:
    """The row, if it is of the snapshot's campaign and states a reward."""
    rows = Feedback.objects.filter(pk=number, submission__campaign=snapshot.campaign_id if snapshot else None)
    row = rows.first()
    if row is None:
        return None
    try:
        reward_of(row)
    except Invalid:
        return None
    return row


def write_stated_reward(run: Run, directory: Path) -> dict[str, Any]:
    """stated_reward.json, the row that states the reward, for a program that has no database."""
    row = stated_row(run.config.get("stated_reward") or 0, run.snapshot)
    if row is None:
        return {}
    stated = {"id": row.pk, "type": row.type, "version": row.version, "payload": row.payload}
    (directory / "stated_reward.json").write_text(json.dumps(stated, ensure_ascii=False), encoding="utf-8")
    return {"stated_reward": "stated_reward.json"}


def attributes(parameters: RewardedParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    if parameters.stated_reward:
        return replace(usual, reward="stated")
    if parameters.reward:
        return replace(usual, reward="verifiable", feedback="none")
    return replace(usual, feedback=feedback_behind(inputs.reward_model, inputs.snapshot))
