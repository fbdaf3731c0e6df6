"""Answers, never edited: a correction is a new row (a trigger refuses UPDATE and DELETE)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Submission(models.Model):
    """The answer to one screen. Exactly one original (revision 0) for each assignment; readers use the latest revision."""

    class Status(models.TextChoices):
        COUNTED = "counted", _("counted")
        LATE = "late", _("late: kept, but the place had been given to somebody else")

    id = models.UUIDField(primary_key=True)
    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.PROTECT, related_name="submissions", db_constraint=False
    )
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="submissions")
    assignment = models.ForeignKey(
        "annotation.Assignment", on_delete=models.PROTECT, related_name="submissions"
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="submissions"
    )
    labeler_kind = models.CharField(max_length=10)  # human, simulated, ai or proxy, at the time of the answer
    revision = models.PositiveSmallIntegerField(default=0)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="superseded_by"
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.COUNTED)
    idempotency_key = models.UUIDField()
    request_sha256 = models.CharField(max_length=64)  # the same key with another answer is refused
    protocol_version = models.PositiveIntegerField()
    guidelines_version = models.PositiveIntegerField()
    active_ms = models.PositiveIntegerField(
        null=True
    )  # page visible and input less than 30 s ago, as the browser says
    total_ms = models.PositiveIntegerField(null=True)  # from first render to arrival, by the database's clock
    device_class = models.CharField(max_length=10, blank=True)
    ui_version = models.CharField(max_length=20, blank=True)
    submitted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment", "revision"], name="submission_once_per_assignment_and_revision"
            ),
            models.UniqueConstraint(fields=["labeler", "idempotency_key"], name="submission_once_per_key"),
            models.CheckConstraint(
                condition=models.Q(revision=0, supersedes__isnull=True)
                | models.Q(revision__gt=0, supersedes__isnull=False),
                name="submission_revision_supersedes",
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "-submitted_at"], name="submission_by_campaign"),
            models.Index(fields=["labeler", "campaign", "-submitted_at"], name="submission_by_labeler"),
        ]


class Feedback(models.Model):
    """One question's answer about one target: payload and choice set as the type wrote them."""

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="feedback")
    question = models.CharField(max_length=32)
    type = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    target = models.ForeignKey(
        "annotation.Response", on_delete=models.PROTECT, null=True, related_name="feedback"
    )
    payload = models.JSONField()
    choice_set = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "question", "target"],
                nulls_distinct=False,
                name="feedback_once_per_question_and_target",
            )
        ]
