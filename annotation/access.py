"""Who may do what to which object: every page and endpoint starts with a call from here and gets the object only if allowed.

    campaign = access.campaign_for_labeler(request.user, slug)

A campaign that the person has no role in looks the same as one that does not exist (404); a role that is not enough is 403.
A superuser is an admin of every campaign. A suspended membership is none; a labeler whom gold items paused is told so (403
`paused`) instead of being left to wonder. A check never writes.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Func, OuterRef, Q, QuerySet, Value
from django.utils.translation import gettext as _

from annotation.assignment.models import Assignment
from annotation.campaigns.models import Campaign
from annotation.endpoints.models import Endpoint
from annotation.errors import Forbidden, NotFound, Refused
from annotation.generation.models import Generation, Live
from annotation.items.models import Item
from annotation.people.models import Membership, PausedBy, Role, User
from annotation.queries import the_one
from annotation.submissions.models import Submission
from annotation.webhooks.models import Webhook

# Which roles open which door; an admin may also look where reviewers and researchers look.
ANY = frozenset(Role.values)
ADMIN = frozenset({Role.ADMIN.value})
REVIEW = frozenset({Role.REVIEWER.value, Role.ADMIN.value})
RESEARCH = frozenset({Role.RESEARCHER.value, Role.ADMIN.value})
OVERSEE = frozenset({Role.REVIEWER.value, Role.ADMIN.value, Role.RESEARCHER.value})
LABEL = frozenset({Role.LABELER.value})


def campaign_for_labeler(user: Any, slug: str) -> Campaign:
    """To answer: lease, draft, submit, skip, flag, undo. Raises Forbidden `paused` too."""
    try:
        return _campaign(user, slug, LABEL)
    except Refused:
        _tell_paused(user, campaign__slug=slug.replace("\x00", ""))
        raise


def campaign_for_reviewer(user: Any, slug: str) -> Campaign:
    """To look at answers and disagreement."""
    return _campaign(user, slug, REVIEW)


def campaign_for_researcher(user: Any, slug: str) -> Campaign:
    """To take data out and start runs."""
    return _campaign(user, slug, RESEARCH)


def campaign_for_admin(user: Any, slug: str) -> Campaign:
    """To change the campaign, its items and its people."""
    return _campaign(user, slug, ADMIN)


def campaign_for_overseer(user: Any, slug: str) -> Campaign:
    """To read progress, items and quality: reviewers, researchers and admins."""
    return _campaign(user, slug, OVERSEE)


def campaign_for_any_role(user: Any, slug: str) -> Campaign:
    """To know that the campaign exists, its name and guidelines."""
    return _campaign(user, slug, ANY)


def campaigns_for(user: Any, *roles: str) -> QuerySet[Campaign]:
    """Campaigns in which the person holds one of the roles (any role if none is named), each with `my_roles`."""
    wanted = frozenset(roles) or ANY
    if not _is_person(user):
        return Campaign.objects.none()
    campaigns = _with_roles(user)
    if user.is_superuser and Role.ADMIN.value in wanted:
        return campaigns
    return campaigns.filter(
        pk__in=Membership.objects.filter(user_id=user.pk, role__in=wanted, suspended_at__isnull=True).values(
            "campaign_id"
        )
    )


def may_create_campaigns(user: Any) -> None:
    """Whoever is an admin somewhere, and superusers. Raises Forbidden."""
    if not _is_admin_somewhere(user):
        raise Forbidden(_("Only admins create campaigns; ask an admin to invite you as one."))


def may_use_endpoints(user: Any) -> None:
    """Whoever is an admin somewhere, and superusers. Raises Forbidden."""
    if not _is_admin_somewhere(user):
        raise Forbidden(_("Only admins see to endpoints; ask an admin to invite you as one."))


def endpoints_for(user: Any) -> QuerySet[Endpoint]:
    """Endpoints that an admin may use: their own and shared ones; all of them for a superuser."""
    if not _is_admin_somewhere(user):
        return Endpoint.objects.none()
    there = Endpoint.objects.filter(removed_at=None)
    return there if user.is_superuser else there.filter(Q(created_by_id=user.pk) | Q(is_shared=True))


def endpoints_for_runs(user: Any, campaign: Campaign) -> QuerySet[Endpoint]:
    """Endpoints that may answer in the runs of a campaign that the person researches in: the one that its admins let answer
    on its pages, and those that the person may use as an admin. Not what is switched off."""
    mine = Q(pk__in=Live.objects.filter(campaign=campaign).values("endpoint"))
    mine |= Q(pk__in=endpoints_for(user).values("pk"))
    return Endpoint.objects.filter(mine, removed_at=None, is_active=True).order_by("name", "pk")


def endpoint_for_admin(user: Any, endpoint_id: int) -> Endpoint:
    """To change or remove it: whoever made it, as long as they are an admin somewhere, and superusers."""
    endpoint = (
        the_one(endpoints_for(user).filter(pk=endpoint_id).select_related("created_by"))
        if _fits_bigint(endpoint_id)
        else None
    )
    if endpoint is None:
        raise NotFound(_("There is no such endpoint for you."))
    if endpoint.created_by_id != user.pk and not user.is_superuser:
        raise Forbidden(_("Only who made this endpoint changes it; you may use it."))
    return endpoint


def webhook_for_admin(user: Any, slug: str, webhook_id: int) -> Webhook:
    """One of a campaign's webhooks, with the campaign: for the campaign's admins."""
    campaign = campaign_for_admin(user, slug)
    webhook = (
        the_one(Webhook.objects.filter(pk=webhook_id, campaign=campaign, removed_at=None))
        if _fits_bigint(webhook_id)
        else None
    )
    if webhook is None:
        raise NotFound(_("There is no such webhook for you."))
    webhook.campaign = campaign
    return webhook


def may_administer_site(user: Any) -> None:
    """To make sign-in links for others and the like: superusers. Raises NotFound, so that nobody learns of it."""
    if not (_is_person(user) and user.is_superuser):
        raise NotFound(_("There is no such page."))


def assignment_for(user: Any, assignment_id: int) -> Assignment:
    """The labeler's own assignment, with campaign, item and prompt, while they are a labeler there."""
    if _is_person(user) and _fits_bigint(assignment_id):
        assignment = the_one(
            Assignment.objects.filter(
                pk=assignment_id,
                labeler_id=user.pk,
                campaign__memberships__user_id=user.pk,
                campaign__memberships__role=Role.LABELER,
                campaign__memberships__suspended_at__isnull=True,
            ).select_related("campaign", "item__prompt")
        )
        if assignment is not None:
            return assignment
        _tell_paused(user, campaign__assignments__pk=assignment_id, campaign__assignments__labeler_id=user.pk)
    raise NotFound(_("There is no such assignment for you."))


def submission_for(user: Any, submission_id: Any) -> Submission:
    """The labeler's own submission, or any one for those who oversee its campaign."""
    if _is_person(user):
        submission = the_one(
            Submission.objects.filter(pk=submission_id).select_related(
                "campaign", "assignment", "item__prompt"
            )
        )
        if submission is not None:
            roles = roles_in(user, submission.campaign_id)
            if roles & OVERSEE or (submission.labeler_id == user.pk and roles & LABEL):
                return submission
    raise NotFound(_("There is no such submission for you."))


def generation_for(user: Any, generation_id: Any) -> Generation:
    """What the policy writes or wrote for this labeler, while they are a labeler there."""
    if _is_person(user):
        generation = the_one(
            Generation.objects.filter(
                pk=generation_id,
                assignment__labeler_id=user.pk,
                campaign__memberships__user_id=user.pk,
                campaign__memberships__role=Role.LABELER,
                campaign__memberships__suspended_at__isnull=True,
            ).select_related("campaign")
        )
        if generation is not None:
            return generation
    raise NotFound(_("There is no such generation for you."))


def item_for_overseer(user: Any, item_id: int) -> Item:
    """An item with its campaign and prompt, for those who oversee the campaign."""
    if _is_person(user) and _fits_bigint(item_id):
        item = the_one(Item.objects.filter(pk=item_id).select_related("campaign", "prompt"))
        if item is not None and roles_in(user, item.campaign_id) & OVERSEE:
            return item
    raise NotFound(_("There is no such item for you."))


def roles_in(user: Any, campaign_id: int) -> frozenset[str]:
    """The person's roles in one campaign."""
    if not _is_person(user):
        return frozenset()
    roles = set(
        Membership.objects.filter(
            user_id=user.pk, campaign_id=campaign_id, suspended_at__isnull=True
        ).values_list("role", flat=True)
    )
    return frozenset(roles | ({Role.ADMIN.value} if user.is_superuser else set()))


def _campaign(user: Any, slug: str, wanted: frozenset[str]) -> Campaign:
    campaign = (
        the_one(_with_roles(user).filter(slug=slug)) if _is_person(user) and "\x00" not in slug else None
    )
    roles = set(campaign.my_roles) if campaign else set()  # type: ignore[attr-defined]
    if campaign is None or not roles:
        raise NotFound(_("There is no such campaign for you."))
    if not roles & wanted:
        raise Forbidden(_("Your role in this campaign does not allow this; ask its admin."))
    return campaign


def _tell_paused(user: Any, **where: Any) -> None:
    """Raises Forbidden `paused` for a labeler whom gold items stopped there; they know the campaign, so nothing is told."""
    if (
        _is_person(user)
        and Membership.objects.filter(
            user_id=user.pk, role=Role.LABELER, suspended_at__isnull=False, paused_by=PausedBy.GOLD, **where
        ).exists()
    ):
        raise Forbidden(
            _(
                "Your work in this campaign is paused; its admin can let you in again. What you sent and wrote is kept."
            ),
            code="paused",
        )


def _with_roles(user: User) -> QuerySet[Campaign]:
    mine = Membership.objects.filter(user_id=user.pk, campaign=OuterRef("pk"), suspended_at__isnull=True)
    roles: Any = ArraySubquery(mine.values("role"))
    if user.is_superuser:
        roles = Func(
            roles, Value(Role.ADMIN.value), function="array_append", output_field=ArrayField(CharField())
        )
    return Campaign.objects.annotate(my_roles=roles)


def _is_admin_somewhere(user: Any) -> bool:
    return _is_person(user) and bool(
        user.is_superuser
        or Membership.objects.filter(user_id=user.pk, role=Role.ADMIN, suspended_at__isnull=True).exists()
    )


def _is_person(user: Any) -> bool:
    return bool(getattr(user, "is_authenticated", False) and user.is_active)


def _fits_bigint(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63
