"""The reward model: reward_model/train.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Attributes, Method
from training_bridge.methods.needs import enough_events
from training_bridge.reward_model.config import TrainParameters

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
    attributes=Attributes(
        reward=gettext_lazy("explicit"),
        signal=gettext_lazy("pointwise reward"),
        level=gettext_lazy("response and token"),
        feedback=gettext_lazy("human"),
        reference=gettext_lazy("none"),
        sampling=gettext_lazy("off-policy"),
        schedule=gettext_lazy("offline, once a round"),
    ),
    check=enough_events,
)
