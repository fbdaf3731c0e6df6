"""PPO against a reward model, a taste, or a reward that somebody stated: policy/ppo/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.methods import rewarded
from training_bridge.methods.attributes import Attributes
from training_bridge.methods.base import Inputs, Method, Preset
from training_bridge.methods.presets import USUAL
from training_bridge.methods.rewarded import USUALLY
from training_bridge.policy.ppo.config import PPOParameters


def check(parameters: Any, inputs: Inputs) -> Iterator[str]:
    yield from rewarded.in_turns(parameters, inputs)
    if parameters.token_rewards and (
        parameters.reward or parameters.stated_reward or not inputs.reward_model
    ):
        yield _("Only a reward model rewards every token: choose one, and name no other reward.")


def attributes(parameters: Any, inputs: Inputs, usual: Attributes) -> Attributes:
    found = rewarded.attributes(parameters, inputs, usual)
    return replace(found, level="token") if parameters.token_rewards else found


method = Method(
    name="ppo",
    order=38,
    label=gettext_lazy("PPO"),
    purpose=gettext_lazy(
        "Lets the policy answer, and learns with a value network what each word was worth. The classic of RLHF; it can "
        "reward every word, and takes the most memory."
    ),
    program="training_bridge.policy.ppo",
    parameters=PPOParameters,
    needs=("snapshot", "parent"),
    may_take=("reward_model",),
    makes="policy",
    presets=(
        USUAL,
        Preset(
            "controlled",
            gettext_lazy("Held at a distance"),
            gettext_lazy(
                "Beta moves so that the policy ends some nats away from where it started, and no further."
            ),
            {"control": "adaptive", "target": 6.0},
        ),
        Preset(
            "words",
            gettext_lazy("Word by word"),
            gettext_lazy(
                "Every word gets what it changes in the reward: for a model that learned from marks and steps."
            ),
            {"token_rewards": True},
        ),
    ),
    attributes=USUALLY,
    derive=attributes,
    check=check,
    write_inputs=rewarded.write_stated_reward,
)
