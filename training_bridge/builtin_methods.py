"""The methods that come with the project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict, Field

from annotation.errors import Invalid
from annotation.submissions.models import Feedback
from annotation.submissions.stated import reward_of
from training_bridge.methods import Attributes, Inputs, Method
from training_bridge.models import Run, Snapshot
from training_bridge.policy.config import (
    ComparisonParameters,
    DPOParameters,
    PretrainParameters,
    RLOOParameters,
    SampleParameters,
)
from training_bridge.reward_model.config import TrainParameters
from training_bridge.services.rounds import write_prompts


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


def enough_pairs(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if inputs.snapshot is None or inputs.snapshot.manifest is None:
        return
    view = inputs.snapshot.manifest["views"].get("preference")
    have = view["rows"]["train"] if view else 0
    if have < parameters.min_pairs:
        yield _("Not enough data: need %(need)d preferences for training, have %(have)d.") % {
            "need": parameters.min_pairs,
            "have": have,
        }


def a_reward(parameters: Any, inputs: Inputs) -> Iterator[str]:
    if inputs.reward_model is None and not parameters.reward and not parameters.stated_reward:
        yield _("RLOO needs a reward: choose a reward model, or name a reward function in the settings.")
    if parameters.stated_reward and _stated(parameters.stated_reward, inputs.snapshot) is None:
        yield _("Feedback %(n)d states no reward in this campaign.") % {"n": parameters.stated_reward}


def _stated(number: int, snapshot: Snapshot | None) -> Feedback | None:
    """The row, if it is of the snapshot's campaign and states a reward."""
    rows = Feedback.objects.filter(pk=number, submission__campaign=snapshot.campaign_id if snapshot else None)
    row = rows.first()
    if row is None:
        return None
    try:
        reward_of(row)
    except Invalid:
        return None
    return row


def write_stated_reward(run: Run, directory: Path) -> dict[str, Any]:
    """stated_reward.json, the row that states the reward, for a program that has no database."""
    row = _stated(run.config.get("stated_reward") or 0, run.snapshot)
    if row is None:
        return {}
    stated = {"id": row.pk, "type": row.type, "version": row.version, "payload": row.payload}
    (directory / "stated_reward.json").write_text(json.dumps(stated, ensure_ascii=False), encoding="utf-8")
    return {"stated_reward": "stated_reward.json"}


class Text(BaseModel):
    """A text to score: the conversation it answers, and the text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: list[dict[str, str]] = Field(min_length=1, max_length=50)
    text: str = Field(max_length=20_000)


class ScoreRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: list[Text] = Field(
        min_length=1, max_length=20, title="Texts", description="What is scored, token by token."
    )


def write_texts(run: Run, directory: Path) -> dict[str, Any]:
    """texts.jsonl for the scoring program, which gets its own parameters instead of the request's."""
    with open(directory / "texts.jsonl", "w", encoding="utf-8") as file:
        for number, text in enumerate(run.config["texts"]):
            file.write(json.dumps({"id": number, **text}, ensure_ascii=False) + "\n")
    return {"input": "texts.jsonl", "parameters": {"tokens": True}}


def read_scores(run: Run, directory: Path) -> dict[str, Any]:
    """The scores of the few texts of a request, kept with the run so that a page needs no files."""
    with open(directory / "result" / "scores.jsonl", encoding="utf-8") as file:
        return {"scores": [json.loads(line) for line in file]}


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
    Method(
        name="dpo",
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
    ),
    Method(
        name="rloo",
        label=gettext_lazy("RLOO"),
        purpose=gettext_lazy(
            "Lets the policy answer and learn from how the reward model scores it. Uses every type of feedback; slower."
        ),
        program="training_bridge.policy.rloo",
        parameters=RLOOParameters,
        needs=("snapshot", "parent"),
        may_take=("reward_model",),
        makes="policy",
        attributes=Attributes(
            reward=gettext_lazy("explicit"),
            signal=gettext_lazy("pointwise reward"),
            level=gettext_lazy("response"),
            feedback=gettext_lazy("human, through a reward model"),
            reference=gettext_lazy("the policy it starts from"),
            sampling=gettext_lazy("on-policy"),
            schedule=gettext_lazy("online within a round"),
        ),
        check=a_reward,
        write_inputs=write_stated_reward,
    ),
    Method(
        name="score",
        label=gettext_lazy("Token rewards"),
        purpose=gettext_lazy("Shows what a reward model makes of every word of a text."),
        program="training_bridge.reward_model.score",
        parameters=ScoreRequest,
        needs=("reward_model",),
        is_listed=False,
        write_inputs=write_texts,
        collect=read_scores,
    ),
    Method(
        name="pretrain",
        label=gettext_lazy("Default policy"),
        purpose=gettext_lazy("Trains the small embedded policy from scratch, on everyday questions."),
        program="training_bridge.policy.pretrain",
        parameters=PretrainParameters,
        makes="policy",
        is_listed=False,
    ),
    Method(
        name="sample",
        label=gettext_lazy("Answers"),
        purpose=gettext_lazy("Asks a policy for answers to the prompts of a round."),
        program="training_bridge.policy.sample",
        parameters=SampleParameters,
        needs=("parent", "prompts_from"),
        write_inputs=write_prompts,
    ),
    Method(
        name="evaluate_policy",
        label=gettext_lazy("Comparison of two policies"),
        purpose=gettext_lazy(
            "Lets two policies answer held-out prompts: how often is which one better, and how far apart are they?"
        ),
        program="training_bridge.policy.evaluate",
        parameters=ComparisonParameters,
        needs=("parent", "baseline"),
        may_take=("snapshot", "reward_model"),
    ),
]
