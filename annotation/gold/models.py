"""How close labelers came to what is expected of gold items; labelers are never told which items those are."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class GoldScore(models.Model):
    """One question of one answer to a gold item: 1 is the expected answer, 0 its opposite (1 - the type's distance)."""

    submission = models.ForeignKey(
        "annotation.Submission", on_delete=models.CASCADE, related_name="gold_scores"
    )
    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="gold_scores"
    )
    question = models.CharField(max_length=32)
    type = models.CharField(max_length=40)
    score = models.FloatField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "question"], name="gold_score_once"),
            models.CheckConstraint(
                condition=models.Q(score__gte=0, score__lte=1), name="gold_score_between_0_and_1"
            ),
        ]
        indexes = [models.Index(fields=["campaign", "labeler", "-id"], name="gold_score_by_labeler")]


class GoldTally(models.Model):
    """How one labeler does on the gold items of a campaign: all their answers in the latest revision, and the latest of
    these that the floors look at (`Campaign.gold_window`). `tallies.py` keeps it."""

    pk = models.CompositePrimaryKey("campaign_id", "labeler_id")
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()
    answers = models.IntegerField()
    mean = models.FloatField()
    latest_answers = models.IntegerField()
    latest_mean = models.FloatField()

    class Meta:
        indexes = [
            models.Index(fields=["campaign_id", "latest_mean", "labeler_id"], name="gold_tally_lowest")
        ]
