"""What a policy wrote while somebody was answering, or for a whole campaign: one row for each time it was asked."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Live(models.Model):
    """Which policy answers the pages of a campaign, and how it is sampled; no row means that none does."""

    class Source(models.TextChoices):
        OFF = "off", _("None")
        POLICY = "policy", _("The campaign's own policy")
        ENDPOINT = "endpoint", _("An endpoint")

    campaign = models.OneToOneField(
        "annotation.Campaign", on_delete=models.CASCADE, primary_key=True, related_name="live"
    )
    source = models.CharField(max_length=8, choices=Source, default=Source.OFF)
    endpoint = models.ForeignKey(
        "annotation.Endpoint", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sampling = models.JSONField(default=dict)  # sampling.py

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(source="endpoint", endpoint__isnull=False)
                | Q(source__in=("off", "policy"), endpoint=None),
                name="live_endpoint_is_named",
            )
        ]


class Generation(models.Model):
    """One stream. The row is written when it begins and once more when it ends; after that the database refuses changes.

    The whole text is `prefix` + `text`. `spans` says who wrote which part of it, in code points:
    [{"by": "policy", "start": 0, "end": 40}, {"by": "person", "start": 40, "end": 52}, …].
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="generations")
    prompt = models.ForeignKey("annotation.Prompt", on_delete=models.PROTECT, related_name="generations")
    assignment = models.ForeignKey(
        "annotation.Assignment", on_delete=models.PROTECT, null=True, related_name="generations"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    question = models.CharField(max_length=60, blank=True)
    response = models.ForeignKey(
        "annotation.Response", on_delete=models.PROTECT, null=True, related_name="+"
    )  # what it is about
    continues = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="continued_by")
    messages = models.JSONField()  # as the policy was asked
    prefix = models.TextField(blank=True)
    text = models.TextField(blank=True)
    spans = models.JSONField(default=list)
    tokens = models.JSONField(default=list)  # [[id, log-probability], …]; endpoints do not tell
    policy = models.JSONField(null=True)  # {"id", "name", "sha256"} of a checkpoint; {"model"} of an endpoint
    endpoint = models.ForeignKey("annotation.Endpoint", on_delete=models.PROTECT, null=True, related_name="+")
    sampling = models.JSONField(default=dict)  # with the seed that was drawn
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    finish = models.CharField(max_length=10, blank=True)  # "stop", "length"; "asked" or "left" when stopped
    error = models.JSONField(null=True)  # {"code", "message"}
    served_chars = models.PositiveIntegerField(default=0)
    served_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    first_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="generation_running", condition=Q(state="running")),
            models.Index(fields=["assignment"], name="generation_by_assignment"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running") | Q(ended_at__isnull=False), name="generation_ended_has_time"
            )
        ]


class Candidates(models.Model):
    """n responses of the live policy to every prompt of a campaign, written by a worker (candidates.py)."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="candidates")
    n = models.PositiveSmallIntegerField()
    sampling = models.JSONField(default=dict)
    prompts = models.PositiveIntegerField()
    last_prompt = models.BigIntegerField()  # prompts that come later are not of this batch
    reached = models.BigIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # not generated
    error = models.TextField(blank=True)  # why, of the last one
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(ended_at=None), name="candidates_one_at_a_time"
            )
        ]
