"""Whether a reward model judges what a text says: evaluation/consistency.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.evaluation.config import ConsistencyParameters
from training_bridge.methods.base import Method

method = Method(
    name="consistency",
    order=68,
    label=gettext_lazy("Consistency of a reward model"),
    purpose=gettext_lazy(
        "Rewrites held-out answers: does a reward model change its mind where the meaning stays, and see where it changes?"
    ),
    program="training_bridge.evaluation.consistency",
    parameters=ConsistencyParameters,
    needs=("reward_model", "snapshot"),
)
