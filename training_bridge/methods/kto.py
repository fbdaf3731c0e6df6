"""Kahneman-Tversky optimisation from answers judged good or bad: policy/kto.py."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from training_bridge.methods.attributes import Attributes, feedback_of
from training_bridge.methods.base import Inputs, Method
from training_bridge.methods.needs import enough_judged
from training_bridge.methods.presets import GENTLE, LIGHT, USUAL
from training_bridge.policy.config import KTOParameters


def attributes(parameters: KTOParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    return replace(usual, feedback=feedback_of(inputs.snapshot))


method = Method(
    name="kto",
    order=32,
    label=gettext_lazy("KTO"),
    purpose=gettext_lazy(
        "Learns from answers that were judged by themselves, good or bad: ratings, stops, reactions. Needs no pairs."
    ),
    program="training_bridge.policy.kto",
    parameters=KTOParameters,
    needs=("snapshot", "parent"),
    makes="policy",
    presets=(USUAL, GENTLE, LIGHT),
    attributes=Attributes(
        reward="implicit",
        signal="binary",
        level="response",
        examples="both",
        feedback="human",
        reference="parent",
        sampling="off",
        schedule="offline",
    ),
    derive=attributes,
    check=enough_judged,
)
