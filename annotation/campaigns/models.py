"""A campaign: what is asked about which items, how often, under which guidelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from feedback_types.base import Question
from feedback_types.protocol import load_protocol


class DataLicense(models.TextChoices):
    """Under which a campaign's data may be published; the values are the Hugging Face hub's identifiers."""

    CC0 = "cc0-1.0", _("CC0 1.0: public domain")
    CC_BY = "cc-by-4.0", _("CC BY 4.0: name the source")
    CC_BY_SA = "cc-by-sa-4.0", _("CC BY-SA 4.0: name the source, share alike")
    CC_BY_NC = "cc-by-nc-4.0", _("CC BY-NC 4.0: name the source, no commercial use")
    ODC_BY = "odc-by", _("ODC-By 1.0: name the source of the database")
    OTHER = "other", _("another one, agreed outside")


class LegalBasis(models.TextChoices):
    """Why the answers of people may be processed at all (GDPR, article 6)."""

    CONSENT = "consent", _("the labelers' consent")
    CONTRACT = "contract", _("a contract with the labelers")
    PUBLIC_INTEREST = "public_interest", _("a task in the public interest, such as research")
    LEGITIMATE_INTERESTS = "legitimate_interests", _("legitimate interests")


class PayPer(models.TextChoices):
    """What labelers are paid for."""

    ANSWER = "answer", _("each answer")
    HOUR = "hour", _("each active hour")


class Campaign(models.Model):
    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    overlap = models.PositiveSmallIntegerField(default=1)
    lease_s = models.PositiveIntegerField(default=1800)
    language = models.CharField(max_length=10, default="en")
    # How the next item is chosen: a module of assignment/strategies, and the share of places drawn at random instead.
    strategy = models.CharField(max_length=20, default="random", db_default="random")
    control_share = models.FloatField(default=0.1, db_default=0.1)
    skills = ArrayField(
        models.CharField(max_length=40), default=list, blank=True, db_default=[]
    )  # that items may ask for
    # The current versions; each assignment keeps the ones it was given under.
    guidelines = models.ForeignKey(
        "annotation.Guidelines", on_delete=models.PROTECT, null=True, related_name="+"
    )
    protocol = models.ForeignKey("annotation.Protocol", on_delete=models.PROTECT, null=True, related_name="+")
    # Quality control (docs/quality-control.md). Floors are mean scores from 0 to 1; 0 never applies.
    gold_share = models.FloatField(default=0.0, db_default=0.0)  # of a labeler's new items
    gold_warn = models.FloatField(default=0.0, db_default=0.0)
    gold_pause = models.FloatField(default=0.0, db_default=0.0)
    gold_window = models.PositiveSmallIntegerField(default=20, db_default=20)  # latest gold answers judged
    practice_first = models.BooleanField(
        default=False, db_default=False
    )  # newcomers qualify on practice items
    practice_pass = models.FloatField(default=0.7, db_default=0.7)  # mean closeness that qualifies
    practice_retries = models.PositiveSmallIntegerField(default=1, db_default=1)
    data_license = models.CharField(max_length=20, choices=DataLicense, blank=True, default="", db_default="")
    legal_basis = models.CharField(max_length=20, choices=LegalBasis, blank=True, default="", db_default="")
    # So many labelers report harmful or private content and the item is held back until an admin has looked; 0: never.
    hold_after = models.PositiveSmallIntegerField(default=1, db_default=1)
    shows_scores = models.BooleanField(default=False, db_default=False)  # to each labeler their own
    # What labelers are paid, in millionths of the currency (`ledger/`); nothing while `pay_per` is empty.
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    pay_per = models.CharField(max_length=6, choices=PayPer, blank=True, default="", db_default="")
    rate_micros = models.BigIntegerField(default=0, db_default=0)
    budget_micros = models.BigIntegerField(null=True)  # null: no limit
    pays_late = models.BooleanField(default=True, db_default=True)
    paused_for = models.CharField(
        max_length=10, blank=True, default="", db_default=""
    )  # "budget", or a person did it
    # An item that is complete and on which labelers agree less than this gets another place, up to so many (null: never).
    extra_below = models.FloatField(null=True, blank=True)
    extra_up_to = models.PositiveSmallIntegerField(null=True, blank=True)
    error_categories = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField())
    )  # []: the usual ones
    shows_errors = models.BooleanField(default=False, db_default=False)  # to the labelers, their own
    round_number = models.PositiveIntegerField(default=1)
    version = models.PositiveIntegerField(default=1)  # optimistic locking
    # Events that some webhook wants (webhooks/events.py): who has the campaign in hand need not ask.
    hooked = ArrayField(models.CharField(max_length=40), default=list, db_default=[], blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(overlap__gte=1, overlap__lte=100), name="campaign_overlap_1_to_100"
            ),
            models.CheckConstraint(
                condition=models.Q(lease_s__gte=30, lease_s__lte=604800), name="campaign_lease_30s_to_7d"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    gold_share__gte=0,
                    gold_share__lte=0.5,
                    gold_warn__gte=0,
                    gold_warn__lte=1,
                    gold_pause__gte=0,
                    gold_pause__lte=1,
                    gold_window__gte=1,
                    gold_window__lte=200,
                ),
                name="campaign_gold_within_limits",
            ),
            models.CheckConstraint(
                condition=models.Q(practice_pass__gte=0, practice_pass__lte=1, practice_retries__lte=20),
                name="campaign_practice_within_limits",
            ),
            models.CheckConstraint(
                condition=models.Q(control_share__gte=0, control_share__lte=1)
                & (models.Q(strategy="random") | models.Q(control_share__gt=0)),
                name="campaign_strategy_has_a_control",
            ),
            models.CheckConstraint(
                condition=models.Q(state="draft")
                | models.Q(protocol__isnull=False, guidelines__isnull=False),
                name="campaign_runs_with_protocol_and_guidelines",
            ),
            models.CheckConstraint(
                condition=models.Q(pay_per="", rate_micros=0)
                | models.Q(pay_per__in=("answer", "hour"), rate_micros__gt=0, currency__regex="^[A-Z]{3}$"),
                name="campaign_pays_a_rate_in_a_currency",
            ),
            models.CheckConstraint(
                condition=models.Q(extra_below=None, extra_up_to=None)
                | models.Q(extra_below__gt=0, extra_below__lte=1, extra_up_to__gte=2, extra_up_to__lte=100),
                name="campaign_extra_places_within_limits",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN


class Guidelines(models.Model):
    """One version of what labelers are told, in markdown."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="guidelines_versions")
    number = models.PositiveIntegerField()
    markdown = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="guidelines_number_once")]


class GuidelinesAcknowledged(models.Model):
    """A labeler has read a version that came while they were at work."""

    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="acknowledgements"
    )
    guidelines = models.ForeignKey(Guidelines, on_delete=models.CASCADE, related_name="acknowledgements")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["labeler", "guidelines"], name="guidelines_acknowledged_once")
        ]


class Protocol(models.Model):
    """One version of what is asked on a screen: JSON as in `feedback_types/protocol.py`."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="protocol_versions")
    number = models.PositiveIntegerField()
    questions_json = models.JSONField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="protocol_number_once")]

    retired: Sequence[Any] = ()  # what publishing it took away though it was answered (`retired.py`)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        return load_protocol(self.questions_json, is_stored=True)
