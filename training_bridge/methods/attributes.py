"""What kind of preference learning a run is: the survey's table 2, derived from its settings and from what it was given.

    >>> Attributes(reward="implicit", signal="preference").rows()[0]
    ('Reward model', 'implicit')

Values are codes with a word for each, so that runs can be found by them in every language. Nothing is typed in by hand: a
run's settings, snapshot and reward model never change, and so neither do its attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from training_bridge.models import Checkpoint, Snapshot

NOT_ASKED = "-"  # the question does not arise

LABELS: Mapping[str, Any] = {
    "reward": gettext_lazy("Reward model"),
    "signal": gettext_lazy("Signal"),
    "level": gettext_lazy("Level"),
    "examples": gettext_lazy("Examples"),
    "feedback": gettext_lazy("Feedback"),
    "reference": gettext_lazy("Reference model"),
    "sampling": gettext_lazy("Sampling"),
    "schedule": gettext_lazy("Schedule"),
}

WORDS: Mapping[str, Any] = {
    "explicit": gettext_lazy("explicit"),
    "implicit": gettext_lazy("implicit"),
    "stated": gettext_lazy("stated by a person"),
    "verifiable": gettext_lazy("a verifiable function"),
    "none": gettext_lazy("none"),
    "pointwise": gettext_lazy("pointwise reward"),
    "binary": gettext_lazy("good or bad"),
    "preference": gettext_lazy("preference probability"),
    "imitation": gettext_lazy("text to imitate"),
    "response": gettext_lazy("response"),
    "token": gettext_lazy("token"),
    "response and token": gettext_lazy("response and token"),
    "positive": gettext_lazy("good ones only"),
    "both": gettext_lazy("good and bad ones"),
    "human": gettext_lazy("human"),
    "ai": gettext_lazy("AI"),
    "human and ai": gettext_lazy("human and AI"),
    "simulated": gettext_lazy("simulated"),
    "parent": gettext_lazy("the policy it starts from"),
    "moving": gettext_lazy("moves along with the policy"),
    "free": gettext_lazy("reference-free"),
    "on": gettext_lazy("on-policy"),
    "off": gettext_lazy("off-policy"),
    "offline": gettext_lazy("offline, once a round"),
    "online": gettext_lazy("online within a round"),
    "iterated": gettext_lazy("online, in iterations"),
}


@dataclass(frozen=True)
class Attributes:
    """One value for each question of the table; NOT_ASKED where it does not arise."""

    reward: Any = NOT_ASKED  # explicit, implicit, stated, verifiable, none
    signal: Any = NOT_ASKED  # pointwise, binary, preference, imitation
    level: Any = NOT_ASKED  # response, token, response and token
    examples: Any = NOT_ASKED  # positive, both
    feedback: Any = NOT_ASKED  # human, ai, human and ai, simulated, none
    reference: Any = NOT_ASKED  # parent, moving, free, none
    sampling: Any = NOT_ASKED  # on, off
    schedule: Any = NOT_ASKED  # offline, online, iterated

    def rows(self) -> list[tuple[Any, Any]]:
        """(question, answer) in words of the language that is on."""
        return [(LABELS[name], WORDS.get(value, value)) for name, value in self.codes().items()]

    def codes(self) -> dict[str, Any]:
        return asdict(self)


def feedback_of(snapshot: Snapshot | None) -> str:
    """Who gave the feedback of a snapshot: people, judges or both; "human" while it is being built.

    Simulated labelers count as what they stand for, people, unless nobody else answered.
    """
    kinds = ((snapshot.manifest or {}).get("counts") or {}).get("labeler_kinds") or {} if snapshot else {}
    has = {name for name, count in kinds.items() if count}
    if "ai" in has:
        return "human and ai" if has & {"human", "simulated", "proxy"} else "ai"
    return "simulated" if has == {"simulated"} else "human"


def feedback_behind(reward_model: Checkpoint | None, snapshot: Snapshot | None) -> str:
    """Who gave the feedback that a reward model learned from; that of the snapshot when nobody knows."""
    run = reward_model.run if reward_model is not None else None
    return feedback_of(run.snapshot if run is not None and run.snapshot is not None else snapshot)
