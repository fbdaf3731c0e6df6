"""People come in by a link, hold roles, carry tokens; what admins do is written down.

A secret (invitation, token, sign-in link) is returned once and kept only as its SHA-256.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from annotation.assignment import queue
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, Gone, Invalid, NotFound
from annotation.inputs import is_text
from annotation.people.models import ApiToken, AuditEvent, Invitation, Membership, Role, SignInLink, User
from annotation.transactions import in_transaction

TOKEN_PREFIX = "wst_"
MAX_INVITATION_USES = 10_000
MAX_DAYS = 366
MAX_TOKENS = 50
MAX_LANGUAGES = 20
MAX_NOTE = 120
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # BCP 47, as far as it is needed here


def record_audit(
    *,
    actor: User | None,
    action: str,
    campaign: Campaign | None = None,
    target: str = "",
    before: Any = None,
    after: Any = None,
) -> AuditEvent:
    """Writes who did what, in the transaction that does it. `before` and `after` are JSON without secrets."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an audit row belongs in the transaction of the act")
    return AuditEvent.objects.create(
        actor=actor, campaign=campaign, action=action, target=target[:120], before=before, after=after
    )


# --- Invitations -----------------------------------------------------------------------------------------------------


@in_transaction
def invite(
    *, actor: User, campaign: Campaign, role: str = Role.LABELER, max_uses: int = 1, days: int = 14
) -> tuple[Invitation, str]:
    """An invitation and its token, which is shown this once. Raises Invalid for an unknown role or odd limits."""
    _check_role(role)
    check_range("max_uses", max_uses, 1, MAX_INVITATION_USES)
    check_range("days", days, 1, MAX_DAYS)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        campaign=campaign,
        role=role,
        token_sha256=sha256_of(token),
        max_uses=max_uses,
        expires_at=Now() + dt.timedelta(days=days),
        created_by=actor,
    )
    invitation.refresh_from_db()
    record_audit(
        actor=actor,
        campaign=campaign,
        action="invitation.create",
        target=f"invitation:{invitation.pk}",
        after={"role": role, "max_uses": max_uses, "days": days},
    )
    return invitation, token


@in_transaction
def revoke_invitation(*, actor: User, invitation: Invitation) -> Invitation:
    """The link opens nothing from now on; members it made stay."""
    if Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=Now()):
        record_audit(
            actor=actor,
            campaign=invitation.campaign,
            action="invitation.revoke",
            target=f"invitation:{invitation.pk}",
        )
    invitation.refresh_from_db()
    return invitation


def find_invitation(*, token: str) -> Invitation:
    """The invitation behind a link, to show before it is accepted. Raises NotFound; Gone when it is of no use."""
    invitation = Invitation.objects.select_related("campaign").filter(token_sha256=sha256_of(token)).first()
    if invitation is None:
        raise NotFound(_("There is no such invitation; check that the link is complete."))
    if not _usable_invitations().filter(pk=invitation.pk).exists():
        raise _invitation_gone()
    return invitation


@in_transaction
def accept_invitation(*, user: User, token: str) -> Membership:
    """Makes the person a member; whoever is one already uses nothing up. Raises as `find_invitation` does."""
    invitation = Invitation.objects.select_related("campaign").filter(token_sha256=sha256_of(token)).first()
    if invitation is None:
        raise NotFound(_("There is no such invitation; check that the link is complete."))
    existing = Membership.objects.filter(
        user=user, campaign=invitation.campaign, role=invitation.role
    ).first()
    if existing is not None and existing.suspended_at is None:
        return existing
    # One conditional update: the last place is given to one person, however many click at once.
    if existing is not None or not _usable_invitations().filter(pk=invitation.pk).update(uses=F("uses") + 1):
        raise _invitation_gone()
    routing = {
        "languages": invitation.languages,
        "skills": [skill for skill in invitation.skills if skill in invitation.campaign.skills],
    }
    membership, _created = Membership.objects.get_or_create(
        user=user, campaign=invitation.campaign, role=invitation.role, defaults=routing
    )
    record_audit(
        actor=user,
        campaign=invitation.campaign,
        action="invitation.accept",
        target=f"invitation:{invitation.pk}",
        after={"user": user.pk, "role": invitation.role},
    )
    return membership


@in_transaction
def sign_up_by_invitation(
    *, token: str, username: str, password: str, email: str = ""
) -> tuple[User, Membership]:
    """A new account and its first membership, or neither. Raises Invalid naming the field; NotFound and Gone as above."""
    find_invitation(token=token)
    user = User(username=username, email=email)
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        fields = error.message_dict if hasattr(error, "error_dict") else {"password": error.messages}
        raise Invalid(_("The account could not be made; mend the marked fields."), fields=fields) from error
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Invalid(
            _("The account could not be made; mend the marked fields."),
            fields={"username": [_("This name is taken; choose another.")]},
        ) from error
    return user, accept_invitation(user=user, token=token)


def _usable_invitations() -> Any:
    return Invitation.objects.filter(uses__lt=F("max_uses"), expires_at__gt=Now(), revoked_at=None)


def _invitation_gone() -> Gone:
    return Gone(
        _("This invitation was used, has expired or was revoked. Ask for a new one."), code="invitation_gone"
    )


# --- Roles -----------------------------------------------------------------------------------------------------------


@in_transaction
def grant_role(*, actor: User | None, user: User, campaign: Campaign, role: str) -> Membership:
    """Gives a role, or lifts its suspension; giving it twice is giving it once."""
    _check_role(role)
    membership, created = Membership.objects.get_or_create(user=user, campaign=campaign, role=role)
    # Whoever is let in again after a pause by gold items begins anew: the answers before it are not held against them.
    forgiven = {"paused_by": "", "gold_warned_at": None, "gold_since": Now()} if membership.paused_by else {}
    lifted = not created and bool(
        Membership.objects.filter(pk=membership.pk, suspended_at__isnull=False).update(
            suspended_at=None, **forgiven
        )
    )
    if created or lifted:
        record_audit(
            actor=actor,
            campaign=campaign,
            action="role.grant",
            target=f"user:{user.pk}",
            before={"suspended": True, "paused_by": membership.paused_by} if lifted else None,
            after={"role": role},
        )
        membership.refresh_from_db()
    return membership


@in_transaction
def revoke_role(*, actor: User, user: User, campaign: Campaign, role: str) -> None:
    """Suspends a membership: the person sees the campaign no more, their answers stay, a labeler's items go back into the
    queue at once. The last admin cannot go."""
    _check_role(role)
    held = (
        Membership.objects.select_for_update()
        .filter(campaign=campaign, role=role, suspended_at=None)
        .order_by("pk")
    )
    holders = list(held)
    mine = [m for m in holders if m.user_id == user.pk]
    if not mine:
        raise NotFound(_("This person does not hold that role here."))
    if role == Role.ADMIN and len(holders) == 1:
        raise Conflict(
            _("A campaign keeps at least one admin; make somebody else one first."), code="last_admin"
        )
    Membership.objects.filter(pk=mine[0].pk).update(suspended_at=Now())
    returned = queue.give_back(campaign.pk, user.pk) if role == Role.LABELER else 0
    record_audit(
        actor=actor,
        campaign=campaign,
        action="role.revoke",
        target=f"user:{user.pk}",
        before={"role": role},
        after={"leases_given_back": returned},
    )


@in_transaction
def change_routing(
    *, actor: User, membership: Membership, languages: Sequence[str], skills: Sequence[str]
) -> Membership:
    """What a labeler reads and can, which decides on the items they are given from the next one on.

    Args:
        languages: codes such as en or zh-Hant; none: items in every language.
        skills: of the campaign's list.
    Raises Invalid naming the field, also for a member who is no labeler.
    """
    if membership.role != Role.LABELER:
        message = _("Only labelers are given items.")
        raise Invalid(message, fields={"role": [message]})
    if rule := language_rule(languages):
        raise Invalid(_("The languages were not saved."), fields={"languages": [rule]})
    known = Campaign.objects.values_list("skills", flat=True).get(pk=membership.campaign_id)
    if rule := skill_rule(skills, known):
        raise Invalid(_("The skills were not saved."), fields={"skills": [rule]})
    membership = (
        Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=membership.pk)
    )
    before = {"languages": membership.languages, "skills": membership.skills}
    after = {"languages": sorted({code.lower() for code in languages}), "skills": sorted(set(skills))}
    if after != before:
        membership.languages, membership.skills = after["languages"], after["skills"]
        membership.save(update_fields=["languages", "skills"])
        record_audit(
            actor=actor,
            campaign=membership.campaign,
            action="labeler.route",
            target=f"user:{membership.user_id}",
            before=before,
            after=after,
        )
    return membership


def language_rule(codes: Sequence[Any]) -> str:
    """What languages must be like, for codes that are not; empty for good ones."""
    bad = [c for c in codes if not isinstance(c, str) or len(c) > 10 or not LANGUAGE.fullmatch(c)]
    if not bad and len(codes) <= MAX_LANGUAGES:
        return ""
    return _("Codes such as en, zh-Hant or pt-BR, at most %(n)d.") % {"n": MAX_LANGUAGES}


def skill_rule(skills: Sequence[Any], known: Sequence[str]) -> str:
    """Which skills there are in the campaign, for a list with another one in it; empty for a good one."""
    if all(skill in known for skill in skills):
        return ""
    if not known:
        return _("Name the campaign's skills in its settings first.")
    return _("Choose from: %(skills)s.") % {"skills": ", ".join(known)}


# --- Tokens and sign-in links ----------------------------------------------------------------------------------------


@in_transaction
def issue_token(
    *, user: User, name: str, scopes: Sequence[str], days: int | None = 90
) -> tuple[ApiToken, str]:
    """A token for the API and its text, which is shown this once. `days=None` never expires."""
    if not is_text(name) or not name.strip() or len(name) > 100:
        raise Invalid(
            _("Give the token a name."),
            fields={"name": [_("1 to 100 characters that tell you what it is for.")]},
        )
    unknown = [s for s in scopes if s not in ApiToken.Scope.values]
    if unknown or not scopes:
        raise Invalid(
            _("Choose what the token may do."),
            fields={"scopes": [_("Choose from: %(scopes)s.") % {"scopes": ", ".join(ApiToken.Scope.values)}]},
        )
    if days is not None:
        check_range("days", days, 1, MAX_DAYS)
    if ApiToken.objects.filter(user=user, revoked_at=None).count() >= MAX_TOKENS:
        raise Conflict(
            _("You have %(n)d tokens; revoke one first.") % {"n": MAX_TOKENS}, code="too_many_tokens"
        )
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        prefix=text[:12],
        sha256=sha256_of(text),
        scopes=sorted(set(scopes)),
        expires_at=None if days is None else Now() + dt.timedelta(days=days),
    )
    token.refresh_from_db()
    record_audit(
        actor=user,
        action="token.issue",
        target=f"token:{token.pk}",
        after={"scopes": token.scopes, "days": days},
    )
    return token, text


@in_transaction
def revoke_token(*, actor: User, token: ApiToken) -> ApiToken:
    """The token opens nothing from now on."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        record_audit(actor=actor, action="token.revoke", target=f"token:{token.pk}")
    token.refresh_from_db()
    return token


def user_for_token(text: str) -> tuple[User, ApiToken] | None:
    """The person behind a token, or None when it is unknown, expired, revoked, or its user is disabled.

    The last use is noted at most once a minute.
    """
    if not text.startswith(TOKEN_PREFIX) or len(text) > 200:
        return None
    token = (
        ApiToken.objects.select_related("user")
        .filter(
            Q(expires_at=None) | Q(expires_at__gt=Now()),
            sha256=sha256_of(text),
            revoked_at=None,
            user__is_active=True,
        )
        .annotate(is_noted=Q(last_used_at__gt=Now() - dt.timedelta(minutes=1)))
        .first()
    )
    if token is None:
        return None
    if not token.is_noted:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    return token.user, token


@in_transaction
def create_sign_in_link(*, user: User, actor: User | None = None, hours: int = 24) -> str:
    """The path of a link that signs this person in, once. Shown this once; `redeem_sign_in_link` takes the token."""
    check_range("hours", hours, 1, 24 * 31)
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, token_sha256=sha256_of(token), expires_at=Now() + dt.timedelta(hours=hours)
    )
    record_audit(actor=actor, action="sign_in_link.create", target=f"user:{user.pk}", after={"hours": hours})
    return f"/sign-in/{token}/"


def redeem_sign_in_link(*, token: str) -> User:
    """Uses a link up and gives its person. Raises Gone when it is unknown, used or expired, or the person is disabled."""
    digest = sha256_of(token)
    used = SignInLink.objects.filter(
        token_sha256=digest, used_at=None, expires_at__gt=Now(), user__is_active=True
    ).update(used_at=Now())
    if not used:
        raise Gone(
            _("This link was used or has expired. Ask for a new one, or sign in with your password."),
            code="link_gone",
        )
    return User.objects.get(sign_in_links__token_sha256=digest)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_role(role: Any) -> None:
    if role not in Role.values:
        raise Invalid(
            _("Unknown role."),
            fields={"role": [_("Choose one of: %(roles)s.") % {"roles": ", ".join(Role.values)}]},
        )


def check_range(field: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Invalid(
            _("A number is out of range."),
            fields={field: [_("A whole number from %(low)d to %(high)d.") % {"low": low, "high": high}]},
        )
