"""Answers of a policy to the prompts of a round: policy/sample.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Method
from training_bridge.policy.config import SampleParameters
from training_bridge.services.rounds import write_prompts

method = Method(
    name="sample",
    label=gettext_lazy("Answers"),
    purpose=gettext_lazy("Asks a policy, or an endpoint, for answers to the prompts of a round."),
    program="training_bridge.policy.sample",
    parameters=SampleParameters,
    needs=("parent", "prompts_from"),
    may_take=("endpoint",),
    write_inputs=write_prompts,
)
