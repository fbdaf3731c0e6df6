"""Labelers of a campaign: which items they are given, by language and skills."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.errors import Invalid, NotFound
from annotation.people.models import Membership, Role
from annotation.people.services import change_routing


class Labelers(ApiView):
    scope = "manage"
    paginated = ("GET",)

    @extend_schema(
        operation_id="labelers_list",
        responses=schemas.page_of("Labeler", schemas.Labeler),
        tags=["people"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The labelers with the languages and skills that decide on their items; for admins."""
        campaign = access.campaign_for_admin(request.user, slug)
        rows = Membership.objects.filter(campaign=campaign, role=Role.LABELER).select_related("user")
        return self.page(request, rows, describe.labeler)


class OneLabeler(ApiView):
    scope = "manage"

    @extend_schema(
        operation_id="labeler_change",
        request=schemas.LabelerChanges,
        responses=schemas.Labeler,
        tags=["people"],
    )
    def patch(self, request: Request, slug: str, username: str) -> Response:
        """Changes what a labeler reads and can; it holds from their next item on."""
        campaign = access.campaign_for_admin(request.user, slug)
        row = Membership.objects.filter(
            campaign=campaign, role=Role.LABELER, user__username=username.replace("\x00", "")
        ).first()
        if row is None:
            raise NotFound(_("There is no such labeler in this campaign."))
        data = self.body(request, "languages", "skills")
        for name, value in data.items():
            if not isinstance(value, list):
                message = _("Write a list of texts.")
                raise Invalid(message, fields={name: [message]})
        changed = change_routing(
            actor=person(request),
            membership=row,
            languages=data.get("languages", row.languages),
            skills=data.get("skills", row.skills),
        )
        return Response(describe.labeler(changed))
