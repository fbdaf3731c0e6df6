"""RLOO against a reward model, a verifiable taste, or a reward that somebody stated: policy/rloo.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Method, Preset
from training_bridge.methods.presets import GENTLE, USUAL
from training_bridge.methods.rewarded import USUALLY, attributes, step_by_step, write_stated_reward
from training_bridge.policy.config import RLOOParameters

method = Method(
    name="rloo",
    order=34,
    label=gettext_lazy("RLOO"),
    purpose=gettext_lazy(
        "Lets the policy answer and learn from how the reward model scores it. Uses every type of feedback; slower."
    ),
    program="training_bridge.policy.rloo",
    parameters=RLOOParameters,
    needs=("snapshot", "parent"),
    may_take=("reward_model",),
    makes="policy",
    presets=(
        USUAL,
        Preset(
            "quick",
            gettext_lazy("Quick look"),
            gettext_lazy("A dozen steps: whether the reward moves at all, and where to."),
            {"steps": 12},
        ),
        GENTLE,
    ),
    attributes=USUALLY,
    derive=attributes,
    check=step_by_step,
    write_inputs=write_stated_reward,
)
