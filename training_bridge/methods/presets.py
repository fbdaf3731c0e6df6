"""Presets that several methods share."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Preset

USUAL = Preset("usual", gettext_lazy("Usual"), gettext_lazy("The defaults, all weights: good to begin with."))
LIGHT = Preset(
    "light",
    gettext_lazy("Little memory"),
    gettext_lazy("LoRA: for a policy that does not fit with its gradients and optimiser."),
    {"adapter": "lora"},
)
GENTLE = Preset(
    "gentle",
    gettext_lazy("Gentle"),
    gettext_lazy("Stays close to the policy it starts from: for few answers, or when the text suffers."),
    {"beta": 0.3},
)
