"""The embedded default policy, from scratch: policy/pretrain.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Method
from training_bridge.policy.config import PretrainParameters

method = Method(
    name="pretrain",
    label=gettext_lazy("Default policy"),
    purpose=gettext_lazy("Trains the small embedded policy from scratch, on everyday questions."),
    program="training_bridge.policy.pretrain",
    parameters=PretrainParameters,
    makes="policy",
    is_listed=False,
)
