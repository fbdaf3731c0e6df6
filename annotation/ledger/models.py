"""Who earned what and who was paid: an account book, never edited (a trigger refuses UPDATE and DELETE).

    LedgerEntry(campaign 3, labeler 17, kind "answer", +120000 micros EUR, submission 0197…)
    LedgerEntry(campaign 3, labeler 17, kind "payout", -4800000 micros EUR, payout 2)

The sum of a labeler's entries is what they are owed. A mistake is mended by an entry that says the opposite.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Payout(models.Model):
    """One round of payments: what was owed for days up to and with `until`. Its lines are entries of the ledger."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="payouts")
    key = models.UUIDField()  # the same request again is the same payout
    since = models.DateField(null=True)  # first day that no payout before it covers
    until = models.DateField()
    currency = models.CharField(max_length=3)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "key"], name="payout_once_per_key")]


class LedgerEntry(models.Model):
    class Kind(models.TextChoices):
        ANSWER = "answer", _("answer")
        HOUR = "hour", _("time of an answer")
        BONUS = "bonus", _("bonus")
        ADJUSTMENT = "adjustment", _("adjustment")
        PAYOUT = "payout", _("payout")
        UNDO = "undo", _("payout taken back")

    # Without constraints in the database: entries are written by the thousand, and outlive what they are about.
    campaign = models.ForeignKey(
        "annotation.Campaign",
        on_delete=models.PROTECT,
        related_name="ledger",
        db_constraint=False,
        db_index=False,  # the index below begins with it
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="ledger", db_constraint=False
    )
    submission_id = models.UUIDField(null=True)  # may be erased while the entry stays
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, null=True, related_name="lines")
    kind = models.CharField(max_length=10, choices=Kind)
    micros = (
        models.BigIntegerField()
    )  # millionths of the currency; above 0 is owed to the labeler, below was paid
    currency = models.CharField(max_length=3)
    answers = models.PositiveIntegerField(default=0, db_default=0)  # what a payout's line stands for
    active_ms = models.BigIntegerField(default=0, db_default=0)
    at = models.DateTimeField(db_default=Now())  # when it was earned or paid
    note = models.CharField(max_length=200, blank=True, default="", db_default="")
    key = models.UUIDField(
        null=True
    )  # of the request for a bonus or adjustment: the same again is the same entry
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission_id"], name="ledger_once_per_submission"),
            models.UniqueConstraint(
                fields=["campaign", "key"], name="ledger_once_per_key", condition=models.Q(key__isnull=False)
            ),
            models.UniqueConstraint(fields=["payout", "labeler", "kind"], name="ledger_once_per_payout"),
            models.CheckConstraint(
                condition=models.Q(kind__in=("answer", "hour"), submission_id__isnull=False, payout=None)
                | models.Q(kind__in=("payout", "undo"), submission_id=None, payout__isnull=False)
                | models.Q(kind__in=("bonus", "adjustment"), submission_id=None, payout=None),
                name="ledger_entry_says_what_for",
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "-id"], name="ledger_by_campaign"),
            models.Index(
                fields=["campaign", "labeler"],
                name="ledger_paid",
                condition=models.Q(kind__in=("payout", "undo")),
                include=["micros"],
            ),
        ]
