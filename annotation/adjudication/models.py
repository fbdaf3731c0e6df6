"""What labelers could not settle among themselves: how far they are apart, and what a reviewer said in the end.

`Disagreement` is counted by a worker from the answers and can be counted again at any time. `Adjudication` is what a person
decided, and append-only: another decision is a new row that supersedes the one before it.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

# What may be wrong with an answer, until a campaign names its own. The keys are stored, the words are translated.
DEFAULT_CATEGORIES = {
    "guidelines": _("did not follow the guidelines"),
    "misread": _("misread the prompt or a response"),
    "facts": _("missed a mistake of fact"),
    "style": _("let style or length decide"),
    "careless": _("careless, or a slip of the hand"),
    "unclear": _("the guidelines leave it open"),
}


class Recount(models.Model):
    """An item whose answers have changed since they were last compared. Triggers write it, the worker takes it out."""

    item_id = models.BigIntegerField()


class Disagreement(models.Model):
    """How far labelers are apart on one item; a row for each item that was ever answered.

    `spread` is the largest mean distance of two answers to one question about one target, 0 to 1; `answers` are people's
    that count. `value` orders the queue: see `services.worth`.
    """

    item = models.OneToOneField(
        "annotation.Item", on_delete=models.CASCADE, primary_key=True, related_name="disagreement"
    )
    campaign_id = models.BigIntegerField()
    answers = models.PositiveSmallIntegerField(default=0)
    spread = models.FloatField(default=0.0)
    question = models.CharField(max_length=32, blank=True)
    uncertainty = models.FloatField(null=True)  # of a model about this item, 0 to 1
    value = models.FloatField(default=0.0)
    is_settled = models.BooleanField(default=False)
    counted_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["campaign_id", "-value", "item"],
                name="disagreement_by_value",
                condition=models.Q(is_settled=False, spread__gt=0),
            ),
            models.Index(
                fields=["campaign_id", "-spread", "item"],
                name="disagreement_by_spread",
                condition=models.Q(is_settled=False, spread__gt=0),
            ),
        ]


class Adjudication(models.Model):
    """A reviewer's final word on one item, for the whole screen. `answers` is [] only after an erasure.

    One answer: {"question", "type", "version", "target", "payload", "choice_set"}, as a feedback row has them.
    """

    class Act(models.TextChoices):
        BLIND = "blind", _("answered without seeing the others")
        CHOOSE = "choose", _("chose one of the answers")
        WRITE = "write", _("wrote the answer, knowing the others")

    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.PROTECT, related_name="adjudications"
    )
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="adjudications")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="adjudications"
    )
    act = models.CharField(max_length=8, choices=Act)
    answers = models.JSONField()
    chosen = models.ForeignKey(
        "annotation.Submission", on_delete=models.PROTECT, null=True, related_name="adjudications"
    )
    reason = models.TextField()
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="superseded_by"
    )
    # What was on the reviewer's screen.
    protocol = models.ForeignKey("annotation.Protocol", on_delete=models.PROTECT, related_name="+")
    guidelines = models.ForeignKey("annotation.Guidelines", on_delete=models.PROTECT, related_name="+")
    response_order = ArrayField(models.BigIntegerField())
    idempotency_key = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(act__in=("blind", "choose", "write")), name="adjudication_act_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(reason="") | models.Q(answers=[]), name="adjudication_has_a_reason"
            ),
            models.UniqueConstraint(
                fields=["item"], condition=models.Q(supersedes=None), name="adjudication_first_once_per_item"
            ),
            models.UniqueConstraint(fields=["reviewer", "idempotency_key"], name="adjudication_once_per_key"),
        ]
        indexes = [models.Index(fields=["campaign", "-id"], name="adjudication_by_campaign")]


class AnswerError(models.Model):
    """What was wrong with an answer that a reviewer overruled: a category of the campaign. Append-only."""

    adjudication = models.ForeignKey(Adjudication, on_delete=models.PROTECT, related_name="errors")
    submission = models.ForeignKey(
        "annotation.Submission", on_delete=models.PROTECT, related_name="adjudged_errors"
    )
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()
    category = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adjudication", "submission"], name="answer_error_once")
        ]
        indexes = [
            models.Index(fields=["campaign_id", "labeler_id", "category"], name="answer_error_by_labeler")
        ]


class ErrorTally(models.Model):
    """How many answers of a labeler were overruled for one kind of error, by decisions that hold; "" is all kinds together.
    `tallies.py` keeps it."""

    pk = models.CompositePrimaryKey("campaign_id", "labeler_id", "category")
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()
    category = models.CharField(max_length=60, blank=True)
    n = models.IntegerField()

    class Meta:
        indexes = [
            models.Index(
                fields=["campaign_id", "-n", "labeler_id"],
                name="error_tally_most",
                condition=models.Q(category="", n__gt=0),
            )
        ]
