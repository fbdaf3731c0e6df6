"""Direct preference optimisation: policy/dpo.py."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from training_bridge.methods.attributes import Attributes, feedback_of
from training_bridge.methods.base import Inputs, Method
from training_bridge.methods.needs import enough_pairs
from training_bridge.methods.presets import GENTLE, LIGHT, USUAL
from training_bridge.policy.config import DPOParameters


def attributes(parameters: DPOParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    return replace(usual, feedback=feedback_of(inputs.snapshot))


method = Method(
    name="dpo",
    order=30,
    label=gettext_lazy("DPO"),
    purpose=gettext_lazy(
        "Learns a policy straight from preferences, without a reward model. Simple and steady."
    ),
    program="training_bridge.policy.dpo",
    parameters=DPOParameters,
    needs=("snapshot", "parent"),
    makes="policy",
    presets=(USUAL, GENTLE, LIGHT),
    attributes=Attributes(
        reward="implicit",
        signal="preference",
        level="response",
        examples="both",
        feedback="human",
        reference="parent",
        sampling="off",
        schedule="offline",
    ),
    derive=attributes,
    check=enough_pairs,
)
