"""A newcomer practises before the first item of work: attempts, and what was said on the way.

What is said in practice is no submission: it is counted nowhere and never learned from.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Qualification(models.Model):
    """One attempt of one labeler at the practice items of a campaign; the last one is where they stand."""

    class State(models.TextChoices):
        QUALIFYING = "qualifying", _("practising")
        QUALIFIED = "qualified", _("qualified")
        FAILED = "failed", _("not qualified")

    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.CASCADE, related_name="qualifications"
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="qualifications"
    )
    attempt = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State, default=State.QUALIFYING)
    mean = models.FloatField(null=True)  # closeness over the items of the attempt, once it has ended
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "labeler", "attempt"], name="qualification_attempt_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="qualifying", ended_at__isnull=True, mean__isnull=True)
                | models.Q(
                    state__in=("qualified", "failed"), ended_at__isnull=False, mean__gte=0, mean__lte=1
                ),
                name="qualification_ends_with_a_mean",
            ),
        ]


class PracticeAnswer(models.Model):
    """What was said about one practice item in one attempt, and how close it came."""

    qualification = models.ForeignKey(Qualification, on_delete=models.CASCADE, related_name="answers")
    assignment = models.ForeignKey("annotation.Assignment", on_delete=models.CASCADE, related_name="+")
    idempotency_key = models.UUIDField()
    answers = models.JSONField()  # question, type, version, target_id and payload, as Feedback has them
    scores = models.JSONField()  # question -> closeness
    score = models.FloatField()  # the mean of them
    seen_at = models.DateTimeField(null=True)  # when the labeler went on from the comparison
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["qualification", "assignment"], name="practice_answer_once"),
            models.CheckConstraint(
                condition=models.Q(score__gte=0, score__lte=1), name="practice_score_between_0_and_1"
            ),
        ]
