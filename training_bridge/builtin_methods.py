"""The methods that come with the project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_bridge.methods import Attributes, Inputs, Method
from training_bridge.reward_model.config import TrainParameters


def enough_events(parameters: Any, inputs: Inputs) -> Iterator[str]:
    """A complete snapshot says how many answers it has; one still being built is checked by the program."""
    if inputs.snapshot is None or inputs.snapshot.manifest is None:
        return
    counts = inputs.snapshot.manifest["counts"]
    have = sum(row["train"] for row in counts["types"].values())
    if have < parameters.min_events:
        yield _("Not enough data: need %(need)d answers for training, have %(have)d.") % {
            "need": parameters.min_events,
            "have": have,
        }


METHODS = [
    Method(
        name="reward_model",
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
    ),
]
