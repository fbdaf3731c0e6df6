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
