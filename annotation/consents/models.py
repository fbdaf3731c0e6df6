"""Who agreed to what is recorded beside their answers, in which words, and what was erased. Append-only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ConsentText(models.Model):
    """The words of one version in one language, as a person saw them; kept for as long as somebody refers to them."""

    consent = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    language = models.CharField(max_length=10)
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["consent", "version", "language", "sha256"], name="consent_text_once"
            )
        ]


class ConsentAct(models.Model):
    """One act of one person; the latest one for a consent says whether it is given."""

    class Kind(models.TextChoices):
        GRANTED = "granted", _("given")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Source(models.TextChoices):
        PAGE = "page", _("on the privacy page")
        PUBLISHED = "published", _("by publishing the data that is answered again here")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consent_acts")
    consent = models.CharField(max_length=40)  # the slug of a feedback_types.base.Consent
    version = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=9, choices=Kind)
    source = models.CharField(max_length=9, choices=Source, default=Source.PAGE)
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="acts")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=("granted", "withdrawn")), name="consent_act_known"
            )
        ]
        indexes = [models.Index(fields=["user", "consent", "-id"], name="consent_of_person")]


class Erasure(models.Model):
    """What stands in the place of erased answers: whose, under which consent, how many, when."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="erasures")
    consent = models.CharField(max_length=40)
    answers = models.PositiveIntegerField()  # feedback rows that are gone
    drafts = models.PositiveIntegerField()  # assignments whose draft was cleared of it
    created_at = models.DateTimeField(db_default=Now())
