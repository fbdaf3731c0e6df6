"""Figures about the worth of answers that others compute and keep; a page reads them and computes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Avg, Count

from annotation.campaigns.models import Campaign
from annotation.gold.models import GoldScore
from annotation.quality.models import QualityReport


@dataclass(frozen=True)
class Worth:
    """`agreement`: (question, alpha, low, high) of each question as last computed. `gold`: mean score of what was said about
    gold items (1 as expected, 0 the opposite), None before there is any; `gold_answers`: of how many answers."""

    agreement: list[tuple[str, float | None, float | None, float | None]]
    gold: float | None
    gold_answers: int


def worth(campaign: Campaign) -> Worth:
    titles = {q.key: q.heading for q in (campaign.protocol.questions if campaign.protocol else ())}
    report = QualityReport.objects.filter(campaign=campaign, statistic="agreement").first()
    questions = (report.data or {}).get("questions", []) if report else []
    gold = GoldScore.objects.filter(campaign=campaign).aggregate(mean=Avg("score"), n=Count("pk"))
    return Worth(
        [(titles.get(q["question"], q["question"]), q["alpha"], q["low"], q["high"]) for q in questions],
        gold["mean"],
        gold["n"],
    )
