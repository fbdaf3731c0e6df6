"""Best-of-n against a gold reward: evaluation/overoptimisation.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.evaluation.config import OveroptimisationParameters
from training_bridge.methods.base import Inputs, Method
from training_bridge.methods.rewarded import stated_row, write_stated_reward


def one_gold(parameters: Any, inputs: Inputs) -> Iterator[str]:
    have = [inputs.compared_with is not None, bool(parameters.gold), bool(parameters.stated_reward)]
    if sum(have) != 1:
        yield _("There must be one gold reward: a second reward model, a taste, or a stated reward.")
    if parameters.stated_reward and stated_row(parameters.stated_reward, inputs.snapshot) is None:
        yield _("Feedback %(n)d states no reward in this campaign.") % {"n": parameters.stated_reward}


method = Method(
    name="overoptimisation",
    order=66,
    label=gettext_lazy("Over-optimisation"),
    purpose=gettext_lazy(
        "Takes the best of n answers by a reward model: up to which n do they get better by a reward it has not seen?"
    ),
    program="training_bridge.evaluation.overoptimisation",
    parameters=OveroptimisationParameters,
    needs=("parent", "reward_model"),
    may_take=("compared_with", "snapshot", "endpoint"),
    check=one_gold,
    write_inputs=write_stated_reward,
)
