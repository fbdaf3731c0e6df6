"""People, what they may do in a campaign, how they come in, and what admins did."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


def new_pseudonym_key() -> str:
    return secrets.token_hex(16)


class Role(models.TextChoices):
    LABELER = "labeler", _("labeler")
    REVIEWER = "reviewer", _("reviewer")
    ADMIN = "admin", _("admin")
    RESEARCHER = "researcher", _("researcher")


class User(AbstractUser):
    class Kind(models.TextChoices):
        """Where this account's answers come from; never counted as one another."""

        HUMAN = "human", _("person")
        SIMULATED = "simulated", _("simulated labeler")
        AI = "ai", _("AI judge")
        PROXY = "proxy", _("stated reward")  # a reward that somebody stated, answering by itself

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.HUMAN)
    pseudonym_key = models.CharField(max_length=32, default=new_pseudonym_key, editable=False, blank=True)
    language = models.CharField(max_length=10, blank=True)

    def pseudonym(self, campaign_id: int) -> str:
        """Name of this person in exports of one campaign; destroying the key makes it untraceable."""
        mac = hmac.new(self.pseudonym_key.encode(), f"campaign:{campaign_id}".encode(), hashlib.sha256)
        return f"l-{mac.hexdigest()[:12]}"


PEOPLE = (User.Kind.HUMAN.value, User.Kind.SIMULATED.value)  # whose answers statistics about people read


class PausedBy(models.TextChoices):
    """What suspended a membership by itself; empty when an admin did, or when it is not suspended."""

    GOLD = "gold", _("gold items")


class Membership(models.Model):
    """user × campaign × role; one person may hold several."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role)
    # Of a labeler: languages they read (none stated: every one), in small letters, and skills of the campaign's list.
    languages = ArrayField(models.CharField(max_length=10), default=list, blank=True, db_default=[])
    skills = ArrayField(models.CharField(max_length=40), default=list, blank=True, db_default=[])
    suspended_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(
        max_length=8, choices=PausedBy, blank=True, default="", db_default=""
    )  # if not by an admin
    gold_warned_at = models.DateTimeField(null=True, blank=True)  # below the campaign's warn floor since then
    gold_since = models.DateTimeField(
        null=True, blank=True
    )  # gold answers before a lifted pause are forgiven
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "user", "role"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role} · {self.campaign}"


class Invitation(models.Model):
    """A link that makes whoever opens it a member. The token itself is shown once; its hash is kept."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=12, choices=Role, default=Role.LABELER)
    note = models.CharField(
        max_length=120, blank=True, default="", db_default=""
    )  # whom an admin meant it for
    # Of a labeler, as in their membership, which gets them from here.
    languages = ArrayField(models.CharField(max_length=10), default=list, blank=True, db_default=[])
    skills = ArrayField(models.CharField(max_length=40), default=list, blank=True, db_default=[])
    token_sha256 = models.CharField(max_length=64, unique=True)
    max_uses = models.PositiveIntegerField(default=1)
    uses = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(uses__lte=models.F("max_uses")), name="invitation_uses_within_limit"
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_known"),
        ]


class SignInLink(models.Model):
    """A link that signs one person in once: for the first minute of an installation, and where no mail server is."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_in_links")
    token_sha256 = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())


class ApiToken(models.Model):
    """A token for the API: prefix for people, SHA-256 for the machine; the token is shown once."""

    class Scope(models.TextChoices):
        LABEL = "label", _("lease items and send answers")
        READ = "read", _("read campaigns, items and progress")
        MANAGE = "manage", _("change campaigns and import items")
        RESEARCH = "research", _("take snapshots and start runs")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())


class PersonErasure(models.Model):
    """What stands in the place of a person: how much of theirs is gone, and since when. Append-only."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="person_erasures"
    )
    submissions = models.PositiveIntegerField()
    answers = models.PositiveIntegerField()  # feedback rows
    drafts = models.PositiveIntegerField()
    texts = models.PositiveIntegerField()  # candidates that the person wrote, now tombstones
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())


class AuditEvent(models.Model):
    """One act of an admin or researcher; append-only (a trigger refuses UPDATE and DELETE)."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.PROTECT, null=True, related_name="audit_events"
    )
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["campaign", "-id"], name="audit_by_campaign"),
            models.Index(fields=["campaign", "action", "-id"], name="audit_by_campaign_and_action"),
            models.Index(fields=["campaign", "actor", "-id"], name="audit_by_campaign_and_actor"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
        ]
