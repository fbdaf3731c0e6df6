"""Where a campaign's events are sent to, and every message: waiting, delivered or given up."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Webhook(models.Model):
    """An address that hears of some kinds of events of one campaign. One that was removed stays, without its secrets,
    for the log of what was sent."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=300)
    kinds = ArrayField(models.CharField(max_length=40))  # names of catalogue.KINDS
    sealed_secret = models.TextField(blank=True)  # encrypted (endpoints/keys.py)
    # The one before a rotation signs too until it ends, so that receivers can change over.
    sealed_old_secret = models.TextField(blank=True, default="")
    old_secret_until = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    switched_off = models.CharField(max_length=20, blank=True, default="")  # why we did it: a code of REASONS
    failing_since = models.DateTimeField(null=True, blank=True)  # first failure since the last success
    rests_until = models.DateTimeField(null=True, blank=True)  # after a failure it is left alone for a moment
    removed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    REASONS = {
        "failing": _("Nothing could be delivered for a day."),
        "gone": _("It answered 410: nobody is there any more."),
    }

    class Meta:
        indexes = [models.Index(fields=["campaign"], condition=Q(removed_at=None), name="webhook_there")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "url"], condition=Q(removed_at=None), name="webhook_url_once"
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None) | Q(sealed_secret="", sealed_old_secret="", is_active=False),
                name="webhook_removed_without_secrets",
            ),
            models.CheckConstraint(condition=Q(kinds__len__gt=0), name="webhook_hears_of_something"),
        ]

    @property
    def why_off(self) -> str:
        return str(self.REASONS.get(self.switched_off, ""))


class Delivery(models.Model):
    """One message to one webhook: written in the transaction of what happened, sent by a worker afterwards."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        GIVEN_UP = "given_up", _("given up")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.UUIDField(default=uuid.uuid4)  # the same for every webhook, and however often it is sent
    kind = models.CharField(max_length=40)
    data = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_default=State.WAITING)
    due_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)  # counted before each is made
    attempted_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)  # HTTP; none if there was no answer
    failure = models.CharField(max_length=24, blank=True, default="", db_default="")  # as EndpointFailed
    excerpt = models.CharField(max_length=200, blank=True, default="", db_default="")
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["webhook", "-id"], name="delivery_newest"),
            models.Index(
                fields=["webhook", "due_at", "id"], condition=Q(state="waiting"), name="delivery_due"
            ),
            models.Index(fields=["created_at"], condition=~Q(state="waiting"), name="delivery_over"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["event", "webhook"], name="delivery_once"),
            models.CheckConstraint(
                condition=Q(state__in=("waiting", "delivered", "given_up")), name="delivery_state_known"
            ),
        ]

    @property
    def message_id(self) -> str:
        """The header webhook-id: what a receiver remembers to take each event once."""
        return f"evt_{self.event.hex}"
