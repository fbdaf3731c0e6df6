"""Reinforcement fine-tuning with a verifiable reward: policy/rft.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.methods.base import Inputs, Method, Preset
from training_bridge.methods.needs import enough_prompts
from training_bridge.methods.rewarded import USUALLY
from training_bridge.policy.config import RFTParameters


def a_rule(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if not parameters.rule.strip():
        yield _("There is no rule to check answers by: state one in the settings.")
    yield from enough_prompts(inputs, parameters.prompts)


method = Method(
    name="rft",
    order=40,
    label=gettext_lazy("Verifiable reward"),
    purpose=gettext_lazy(
        "Lets the policy answer, and learns from what a rule says: an expression, a regular expression, or tests that the "
        "answer's code must pass. For what a machine can check; nobody's feedback is needed."
    ),
    program="training_bridge.policy.rft",
    parameters=RFTParameters,
    needs=("snapshot", "parent"),
    makes="policy",
    presets=(
        Preset(
            "regex",
            gettext_lazy("A pattern"),
            gettext_lazy(
                "An answer is good when a regular expression is found in it, such as a question at the end."
            ),
            {"kind": "regex", "rule": r"\?\s*$"},
        ),
        Preset(
            "expression",
            gettext_lazy("An expression"),
            gettext_lazy("A number worked out from features of the text, such as few words with a reason."),
            {"kind": "expression", "rule": "2 * has('because') - words / 50"},
        ),
        Preset(
            "tests",
            gettext_lazy("Tests of code"),
            gettext_lazy("The share of the tests that the code of an answer passes, in a confined process."),
            {"kind": "tests", "rule": "assert double(2) == 4"},
        ),
    ),
    attributes=replace(USUALLY, reward="verifiable", feedback="none"),
    check=a_rule,
)
