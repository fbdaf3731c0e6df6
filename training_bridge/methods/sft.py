"""Supervised fine-tuning on what people wrote: policy/sft.py."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from training_bridge.methods.attributes import Attributes, feedback_of
from training_bridge.methods.base import Inputs, Method, Preset
from training_bridge.methods.needs import enough_to_imitate
from training_bridge.methods.presets import LIGHT, USUAL
from training_bridge.policy.config import SFTParameters


def attributes(parameters: SFTParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    return replace(usual, feedback=feedback_of(inputs.snapshot))


method = Method(
    name="sft",
    order=20,
    label=gettext_lazy("SFT"),
    purpose=gettext_lazy(
        "Learns to write what people wrote, edited or preferred. The first step before anything else, and what the others "
        "have to beat."
    ),
    program="training_bridge.policy.sft",
    parameters=SFTParameters,
    needs=("snapshot", "parent"),
    makes="policy",
    presets=(
        USUAL,
        Preset(
            "quick",
            gettext_lazy("One pass"),
            gettext_lazy("Sees each answer once: a third of the time, and it cannot learn them by heart."),
            {"epochs": 1.0},
        ),
        LIGHT,
    ),
    attributes=Attributes(
        reward="none",
        signal="imitation",
        level="token",
        examples="positive",
        feedback="human",
        reference="free",
        sampling="off",
        schedule="offline",
    ),
    derive=attributes,
    check=enough_to_imitate,
)
