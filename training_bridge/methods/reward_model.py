"""The reward model: reward_model/train.py."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from training_bridge.methods.attributes import Attributes, feedback_of
from training_bridge.methods.base import Inputs, Method, Preset
from training_bridge.methods.needs import enough_events
from training_bridge.methods.presets import LIGHT, USUAL
from training_bridge.reward_model.config import TrainParameters


def attributes(parameters: TrainParameters, inputs: Inputs, usual: Attributes) -> Attributes:
    found = replace(usual, feedback=feedback_of(inputs.snapshot))
    if parameters.objective == "bradley_terry":  # pairs of whole answers and nothing else
        return replace(found, signal="preference", level="response")
    return found


method = Method(
    name="reward_model",
    order=10,
    label=gettext_lazy("Reward model"),
    purpose=gettext_lazy(
        "Learns one reward from every type of feedback together, and how reliable each labeler and type is."
    ),
    program="training_bridge.reward_model.train",
    parameters=TrainParameters,
    needs=("snapshot", "parent"),
    makes="reward_model",
    presets=(
        USUAL,
        Preset(
            "pairs",
            gettext_lazy("Pairs alone"),
            gettext_lazy("The usual reward model, plain Bradley-Terry: the baseline to beat."),
            {"objective": "bradley_terry"},
        ),
        LIGHT,
    ),
    attributes=Attributes(
        reward="explicit",
        signal="pointwise",
        level="response and token",
        examples="both",
        feedback="human",
        reference="none",
        sampling="off",
        schedule="offline",
    ),
    derive=attributes,
    check=enough_events,
)
