"""Who is in a campaign, and what was done there."""

from __future__ import annotations

from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Now

from annotation.campaigns.models import Campaign
from annotation.people.models import ApiToken, AuditEvent, Invitation, Membership, User


def members(campaign: Campaign) -> QuerySet[Membership]:
    """Everybody with a role, suspended ones too."""
    return (
        Membership.objects.filter(campaign=campaign).select_related("user").order_by("role", "user__username")
    )


def open_invitations(campaign: Campaign) -> QuerySet[Invitation]:
    """Invitations that can still be accepted."""
    return Invitation.objects.filter(
        campaign=campaign, uses__lt=F("max_uses"), expires_at__gt=Now(), revoked_at=None
    ).order_by("-id")


def invitations(campaign: Campaign) -> QuerySet[Invitation]:
    """Every invitation with its `state` in a word: open, revoked, used_up or expired; newest first."""
    state = Case(
        When(revoked_at__isnull=False, then=Value("revoked")),
        When(uses__gte=F("max_uses"), then=Value("used_up")),
        When(expires_at__lte=Now(), then=Value("expired")),
        default=Value("open"),
    )
    return (
        Invitation.objects.filter(campaign=campaign)
        .annotate(state=state)
        .select_related("created_by")
        .order_by("-id")
    )


def audit_trail(campaign: Campaign) -> QuerySet[AuditEvent]:
    """Acts of admins and researchers, latest first."""
    return AuditEvent.objects.filter(campaign=campaign).select_related("actor").order_by("-id")


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """A person's own tokens that are not revoked."""
    return ApiToken.objects.filter(user=user, revoked_at=None).order_by("-id")
