"""Who is in a campaign, and what was done there."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from annotation.campaigns.models import Campaign
from annotation.people.models import ApiToken, AuditEvent, Invitation, Membership, PausedBy, Role, User


def members(
    campaign: Campaign, role: str, *, prefix: str = "", after: str = "", size: int = 50
) -> tuple[list[Membership], str]:
    """A page of those who hold a role, suspended ones too, by name; and the name that continues it ("": that is all).

    Args: prefix: only names that begin with it. after: only names behind it.
    """
    found = Membership.objects.filter(campaign=campaign, role=role).select_related("user")
    if prefix:
        found = found.filter(user__username__startswith=prefix)
    if after:
        found = found.filter(user__username__gt=after)
    rows = list(found.order_by("user__username")[: size + 1])
    return rows[:size], rows[size - 1].user.username if len(rows) > size else ""


def members_by_role(campaign: Campaign) -> dict[str, int]:
    """How many hold each role, suspended ones too."""
    counts = Membership.objects.filter(campaign=campaign).values_list("role").annotate(n=Count("pk"))
    return dict(counts.order_by())


def is_labeler(user: User, campaign: Campaign) -> bool:
    """Whether the person labels here now: a suspended membership is none."""
    return Membership.objects.filter(
        campaign=campaign, user=user, role=Role.LABELER, suspended_at=None
    ).exists()


def needs_a_word(user: User, campaign: Campaign) -> bool:
    """Whether the labeler's latest gold answers are below the campaign's warn floor; no question where there is none."""
    return (
        campaign.gold_warn > 0
        and Membership.objects.filter(
            campaign=campaign, user=user, role=Role.LABELER, gold_warned_at__isnull=False
        ).exists()
    )


def words_for(user: User) -> QuerySet[Membership]:
    """Where the person labels and should hear something: below a warn floor, or paused by gold items."""
    return (
        Membership.objects.filter(user=user, role=Role.LABELER)
        .filter(
            Q(suspended_at__isnull=False, paused_by=PausedBy.GOLD)
            | Q(suspended_at=None, gold_warned_at__isnull=False)
        )
        .exclude(campaign__state=Campaign.State.CLOSED)
        .select_related("campaign")
        .order_by("campaign__name")
    )


def open_invitations(campaign: Campaign) -> QuerySet[Invitation]:
    """Invitations that can still be accepted."""
    return Invitation.objects.filter(
        campaign=campaign, uses__lt=F("max_uses"), expires_at__gt=Now(), revoked_at=None
    ).order_by("-id")


def invitations(campaign: Campaign, *, note: str = "", before: int | None = None) -> QuerySet[Invitation]:
    """Every invitation with its `state` in a word: open, revoked, used_up or expired; newest first.

    Args: note: only those with it in their note. before: only those that are older than this one, by its id.
    """
    state = Case(
        When(revoked_at__isnull=False, then=Value("revoked")),
        When(uses__gte=F("max_uses"), then=Value("used_up")),
        When(expires_at__lte=Now(), then=Value("expired")),
        default=Value("open"),
    )
    found = Invitation.objects.filter(campaign=campaign)
    if note:
        found = found.filter(note__icontains=note)
    if before is not None:
        found = found.filter(pk__lt=before)
    return found.annotate(state=state).select_related("created_by").order_by("-id")


def accepted_by(user: User) -> QuerySet[Invitation]:
    """The invitations by which this person came in."""
    targets = AuditEvent.objects.filter(actor=user, action="invitation.accept").values_list(
        "target", flat=True
    )
    numbers = [int(target.removeprefix("invitation:")) for target in targets]
    return Invitation.objects.filter(pk__in=numbers).select_related("campaign").order_by("id")


def audit_trail(campaign: Campaign) -> QuerySet[AuditEvent]:
    """Acts of admins and researchers, latest first."""
    return AuditEvent.objects.filter(campaign=campaign).select_related("actor").order_by("-id")


def audited_with(
    campaign: Campaign | None, *, who: str = "", what: str = "", before: int | None = None
) -> QuerySet[AuditEvent]:
    """Acts in a campaign (None: on the whole site), latest first: of one person, of one kind, older than one act."""
    rows = AuditEvent.objects.select_related("actor", "campaign").order_by("-id")
    if campaign is not None:
        rows = rows.filter(campaign=campaign)
    if who:
        rows = rows.filter(actor__username=who) if "\x00" not in who else rows.none()
    if what:
        rows = rows.filter(action=what) if "\x00" not in what else rows.none()
    return rows if before is None else rows.filter(pk__lt=before)


def audited_actions(campaign: Campaign | None) -> list[str]:
    """The kinds of acts that there are, in order: one step in the index for each, however many acts there were."""
    return _each("action", campaign)


def audited_people(campaign: Campaign | None) -> list[str]:
    """Names of those who did something, in order."""
    ids = _each("actor_id", campaign)
    return sorted(User.objects.filter(pk__in=ids).values_list("username", flat=True))


def _each(column: str, campaign: Campaign | None) -> list[Any]:
    """Distinct values of an indexed column, each found by a step from the one before."""
    where = "" if campaign is None else "campaign_id = %(campaign)s AND"
    smallest = f"SELECT {column} FROM annotation_auditevent WHERE {where} {column}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE each(value) AS (
              ({smallest} IS NOT NULL ORDER BY {column} LIMIT 1)
              UNION ALL
              SELECT ({smallest} > each.value ORDER BY {column} LIMIT 1) FROM each WHERE each.value IS NOT NULL
            ) SELECT value FROM each WHERE value IS NOT NULL
            """,
            {"campaign": campaign.pk if campaign else None},
        )
        return [row[0] for row in cursor.fetchall()]


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """A person's own tokens that are not revoked."""
    return ApiToken.objects.filter(user=user, revoked_at=None).order_by("-id")
