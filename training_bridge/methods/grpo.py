"""GRPO against a reward model, a taste, or a reward that somebody stated: policy/grpo.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Method, Preset
from training_bridge.methods.presets import LIGHT, USUAL
from training_bridge.methods.rewarded import USUALLY, attributes, step_by_step, write_stated_reward
from training_bridge.policy.config import GRPOParameters

method = Method(
    name="grpo",
    order=36,
    label=gettext_lazy("GRPO"),
    purpose=gettext_lazy(
        "As RLOO, with each answer's reward measured by the spread of its prompt's answers, and clipped steps that allow "
        "several updates on the same answers."
    ),
    program="training_bridge.policy.grpo",
    parameters=GRPOParameters,
    needs=("snapshot", "parent"),
    may_take=("reward_model",),
    makes="policy",
    presets=(
        USUAL,
        Preset(
            "even",
            gettext_lazy("Even weights"),
            gettext_lazy("Rewards are not divided by their spread, so prompts with near ties do not shout."),
            {"scale": "none"},
        ),
        LIGHT,
    ),
    attributes=USUALLY,
    derive=attributes,
    check=step_by_step,
    write_inputs=write_stated_reward,
)
