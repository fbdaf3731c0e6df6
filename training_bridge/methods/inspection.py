"""Where a reward model sees its reward: evaluation/inspection.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.evaluation.config import InspectionParameters
from training_bridge.methods.base import Method

method = Method(
    name="inspection",
    order=70,
    label=gettext_lazy("Inspection of a reward model"),
    purpose=gettext_lazy(
        "Shows the reward of every word in its plainest form, beside what people marked as important."
    ),
    program="training_bridge.evaluation.inspection",
    parameters=InspectionParameters,
    needs=("reward_model", "snapshot"),
)
