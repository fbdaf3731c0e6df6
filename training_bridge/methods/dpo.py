"""Direct preference optimisation: policy/dpo.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Attributes, Method
from training_bridge.methods.needs import enough_pairs
from training_bridge.policy.config import DPOParameters

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
    attributes=Attributes(
        reward=gettext_lazy("implicit"),
        signal=gettext_lazy("preference probability"),
        level=gettext_lazy("response"),
        feedback=gettext_lazy("human"),
        reference=gettext_lazy("the policy it starts from"),
        sampling=gettext_lazy("off-policy"),
        schedule=gettext_lazy("offline, once a round"),
    ),
    check=enough_pairs,
)
