"""Distance between rewards: evaluation/distance.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.evaluation.config import DistanceParameters
from training_bridge.methods.base import Inputs, Method
from training_bridge.methods.rewarded import stated_row, write_stated_reward


def two_rewards(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if inputs.compared_with is None and not parameters.tastes and not parameters.stated_reward:
        yield _(
            "A distance is between two rewards: choose a second reward model, or name a taste or a stated reward."
        )
    answering = (inputs.parent, inputs.baseline, inputs.endpoint)
    if not any(answering) and inputs.snapshot is None:
        yield _("There are no answers to compare them on: choose a policy, a snapshot, or both.")
    if inputs.endpoint is not None and inputs.baseline is None and parameters.stepped:
        yield _(
            "An endpoint does not go on from a text that has begun: set the answers in steps to 0, or choose a policy to "
            "compare with, which then does that."
        )
    if parameters.stated_reward and stated_row(parameters.stated_reward, inputs.snapshot) is None:
        yield _("Feedback %(n)d states no reward in this campaign.") % {"n": parameters.stated_reward}


method = Method(
    name="distance",
    order=62,
    label=gettext_lazy("Distance between rewards"),
    purpose=gettext_lazy(
        "How differently do two reward models, or a reward model and a stated reward, judge the same answers?"
    ),
    program="training_bridge.evaluation.distance",
    parameters=DistanceParameters,
    needs=("reward_model",),
    may_take=("compared_with", "parent", "baseline", "snapshot", "endpoint"),
    check=two_rewards,
    write_inputs=write_stated_reward,
)
