"""Figures about the worth of answers that somebody else computes and keeps; a page reads them and computes nothing.

Both tables are optional parts: where one is missing there is nothing to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Avg, Count

from annotation.campaigns.models import Campaign


@dataclass(frozen=True)
class Worth:
    """`agreement`: (question, alpha, low, high) of each question as last computed; `gold`: mean closeness of answers about
    gold items to the right one, 0 to 1, and how many answers that is."""

    agreement: list[tuple[str, float | None, float | None, float | None]]
    gold: float | None
    gold_answers: int


def worth(campaign: Campaign) -> Worth:
    titles = {q.key: q.heading for q in (campaign.protocol.questions if campaign.protocol else ())}
    agreement = []
    if reports := _model("QualityReport"):
        row = reports.objects.filter(campaign=campaign, statistic="agreement").first()
        for question in ((row and row.data) or {}).get("questions", []):
            name = titles.get(question["question"], question["question"])
            agreement.append((name, question.get("alpha"), question.get("low"), question.get("high")))
    gold, answers = None, 0
    if scores := _model("GoldScore"):
        found = scores.objects.filter(campaign=campaign).aggregate(mean=Avg("score"), n=Count("pk"))
        gold, answers = found["mean"], found["n"]
    return Worth(agreement, gold, answers)


def _model(name: str) -> Any:
    try:
        return apps.get_model("annotation", name)
    except LookupError:
        return None
