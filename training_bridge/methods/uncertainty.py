"""Scores the open items of a campaign for the strategy `uncertainty`: reward_model/uncertainty.py."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from django.db.models import F
from django.utils.translation import gettext_lazy

from annotation.assignment.services import save_scores
from annotation.items.models import Purpose
from annotation.items.selectors import items_of
from training_bridge.methods.base import Method
from training_bridge.models import Run
from training_bridge.reward_model.config import UncertaintyParameters

FILE = "items.jsonl"
BATCH = 1000


def write_items(run: Run, directory: Path) -> dict[str, Any]:
    """items.jsonl: what somebody may still be asked about."""
    open_items = items_of(run.campaign).filter(
        purpose=Purpose.WORK, withdrawn_at=None, held_at=None, counted__lt=F("overlap")
    )
    after = 0
    with open(directory / FILE, "w", encoding="utf-8") as file:
        while some := list(open_items.filter(pk__gt=after).order_by("pk")[:BATCH]):
            for item in some:
                texts = [link.response.text for link in item.links]  # type: ignore[attr-defined]
                row = {"id": item.pk, "messages": item.prompt.messages, "texts": texts}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            after = some[-1].pk
    return {"input": FILE}


def keep_scores(run: Run, directory: Path) -> dict[str, Any]:
    """Gives the items their scores; a queue in the order of uncertainty is put in order anew."""
    saved = 0
    with open(directory / "result" / "scores.jsonl", encoding="utf-8") as file:
        rows = (json.loads(line) for line in file)
        while some := list(islice(rows, BATCH)):
            scores = {row["id"]: row["score"] for row in some}
            saved += save_scores(campaign=run.campaign, scores=scores, source=f"run {run.pk}")
    return {"scored": saved}


method = Method(
    name="uncertainty",
    order=70,
    label=gettext_lazy("Uncertainty about open items"),
    purpose=gettext_lazy(
        "What is a reward model least sure about? Scores the open items, for the strategy that asks about those first."
    ),
    program="training_bridge.reward_model.uncertainty",
    parameters=UncertaintyParameters,
    needs=("reward_model",),
    write_inputs=write_items,
    collect=keep_scores,
)
