"""What a reward model makes of every token of a text: reward_model/score.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict, Field

from training_bridge.methods.base import Method
from training_bridge.models import Run


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


method = Method(
    name="score",
    label=gettext_lazy("Token rewards"),
    purpose=gettext_lazy("Shows what a reward model makes of every word of a text."),
    program="training_bridge.reward_model.score",
    parameters=ScoreRequest,
    needs=("reward_model",),
    is_listed=False,
    write_inputs=write_texts,
    collect=read_scores,
)
