"""People of a campaign: the invitations that let them in, one or many at once."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.errors import NotFound
from annotation.people import bulk, selectors, services
from annotation.people.models import Invitation
from annotation.queries import the_one


class Invitations(ApiView):
    scopes = {"GET": "manage", "POST": "manage"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="invitations_list",
        responses=schemas.page_of("Invitation", schemas.Invitation),
        tags=["people"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every invitation of the campaign, with how often it was used. Links are not among them: they are shown once."""
        campaign = access.campaign_for_admin(request.user, slug)
        return self.page(request, selectors.invitations(campaign), _invitation)

    @extend_schema(
        operation_id="invitation_create",
        request=schemas.NewInvitation,
        responses={201: schemas.MadeInvitation},
        tags=["people"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Makes an invitation. Its link is in this answer and nowhere else."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "role", "max_uses", "days")
        made, token = services.invite(actor=person(request), campaign=campaign, **data)
        link = request.build_absolute_uri(reverse("join", args=[token]))
        found = selectors.invitations(campaign).get(pk=made.pk)
        return Response({**_invitation(found), "link": link}, status=201)


class ManyInvitations(ApiView):
    scope = "manage"
    throttle = "import"

    @extend_schema(
        operation_id="invitations_create_many",
        request=schemas.NewInvitations,
        responses={201: schemas.MadeInvitations},
        tags=["people"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Makes an invitation for one use for each person, or none at all. The links are in this answer and nowhere else;
        a 422 lists what is wrong, row by row."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "days", required=["people"])
        rows = bulk.rows_of(data.pop("people"))
        made = bulk.invite_many(actor=person(request), campaign=campaign, people=rows, **data)
        link = lambda token: request.build_absolute_uri(reverse("join", args=[token]))  # noqa: E731
        return Response(
            {"invitations": [{**_invitation(one), "link": link(token)} for one, token in made]}, status=201
        )


class OneInvitation(ApiView):
    scope = "manage"

    @extend_schema(operation_id="invitation_revoke", responses={204: None}, tags=["people"])
    def delete(self, request: Request, slug: str, invitation_id: int) -> Response:
        """The link opens nothing from now on; members it made stay."""
        campaign = access.campaign_for_admin(request.user, slug)
        invitation = (
            the_one(Invitation.objects.filter(pk=invitation_id, campaign=campaign))
            if invitation_id < 2**63
            else None
        )
        if invitation is None:
            raise NotFound(_("There is no such invitation."))
        services.revoke_invitation(actor=person(request), invitation=invitation)
        return Response(status=204)


def _invitation(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "role": row.role,
        "note": row.note,
        "languages": row.languages,
        "skills": row.skills,
        "state": row.state,
        "uses": row.uses,
        "max_uses": row.max_uses,
        "expires_at": describe.time(row.expires_at),
        "created_at": describe.time(row.created_at),
    }
