"""Comparison of two policies: policy/evaluate.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Method
from training_bridge.policy.config import ComparisonParameters

method = Method(
    name="evaluate_policy",
    order=60,
    label=gettext_lazy("Comparison of two policies"),
    purpose=gettext_lazy(
        "Lets two policies answer held-out prompts: how often is which one better, and how far apart are they?"
    ),
    program="training_bridge.policy.evaluate",
    parameters=ComparisonParameters,
    needs=("parent", "baseline"),
    may_take=("snapshot", "reward_model", "endpoint"),
)
