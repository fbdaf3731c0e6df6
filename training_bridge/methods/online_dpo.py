"""Iterated DPO on the policy's own answers, ranked by a reward: policy/online_dpo.py."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from training_bridge.methods.attributes import Attributes
from training_bridge.methods.base import Inputs, Method, Preset
from training_bridge.methods.presets import USUAL
from training_bridge.methods.rewarded import attributes as of_reward
from training_bridge.methods.rewarded import in_turns, write_stated_reward
from training_bridge.policy.config import OnlineDPOParameters


def attributes(parameters: OnlineDPOParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    reference = "parent" if parameters.reference == "parent" else "moving"
    return replace(of_reward(parameters, inputs, usual), reference=reference)


method = Method(
    name="online_dpo",
    order=33,
    label=gettext_lazy("Online DPO"),
    purpose=gettext_lazy(
        "The policy answers, the reward ranks its answers, and DPO learns from the pairs; again and again. The steadiness "
        "of DPO with fresh answers."
    ),
    program="training_bridge.policy.online_dpo",
    parameters=OnlineDPOParameters,
    needs=("snapshot", "parent"),
    may_take=("reward_model",),
    makes="policy",
    presets=(
        USUAL,
        Preset(
            "noisy",
            gettext_lazy("Close calls stay close"),
            gettext_lazy(
                "Pairs are drawn with the probability that the reward gives: for a reward that errs."
            ),
            {"pairing": "bradley_terry"},
        ),
        Preset(
            "held",
            gettext_lazy("Held to the start"),
            gettext_lazy("The policy it starts from stays the reference in every iteration: moves less."),
            {"reference": "parent"},
        ),
    ),
    attributes=Attributes(
        reward="explicit",
        signal="preference",
        level="response",
        examples="both",
        feedback="human",
        reference="moving",
        sampling="on",
        schedule="iterated",
    ),
    derive=attributes,
    check=in_turns,
    write_inputs=write_stated_reward,
)
