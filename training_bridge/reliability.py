"""What a campaign's reward model has learned of its labelers, for the pages of quality (annotation/quality/estimates.py)."""

from __future__ import annotations

import math
from typing import Any

from django.urls import reverse

from annotation.campaigns.models import Campaign
from annotation.quality.estimates import Estimates
from annotation.quality.intervals import Z
from training_bridge.models import Checkpoint


def of_reward_model(campaign: Campaign) -> Estimates | None:
    """Rationality and lapse by the joint likelihood of the newest reward model; None where there is none that tells."""
    model = (
        Checkpoint.objects.filter(campaign=campaign, kind=Checkpoint.Kind.REWARD_MODEL)
        .select_related("run")
        .order_by("-pk")
        .first()
    )
    metrics = (model.run.metrics if model and model.run else None) or {}
    labelers = (metrics.get("evaluation") or {}).get("labelers") or {}
    if model is None or not labelers:
        return None
    rows = [_row(name, entry) for name, entry in labelers.items()]
    return Estimates(
        source=model.name,
        url=reverse("model", args=[model.pk]),
        rows=sorted(rows, key=lambda row: -(row["beta"] or 0.0)),
    )


def _row(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    log_beta, error = entry.get("log_beta"), entry.get("log_beta_se")
    low = high = None
    if log_beta is not None and error is not None:
        low, high = math.exp(log_beta - Z * error), math.exp(log_beta + Z * error)
    return {
        "pseudonym": name,
        "events": entry.get("events"),
        "beta": entry.get("beta"),
        "low": low,
        "high": high,
        "lapse": entry.get("lapse"),
    }
