"""History of a campaign: what was done, by whom, with values before and after."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView
from annotation.people.selectors import audited_with


class Audit(ApiView):
    scope = "manage"
    paginated = ("GET",)
    query_parameters = ("who", "what")

    @extend_schema(
        operation_id="audit_list",
        parameters=[
            OpenApiParameter("who", str, description="A username."),
            OpenApiParameter("what", str, description="An action, such as campaign.change."),
        ],
        responses=schemas.page_of("AuditEvent", schemas.AuditEvent),
        tags=["campaigns"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What admins, reviewers and researchers did in a campaign, latest first; for its admins."""
        campaign = access.campaign_for_admin(request.user, slug)
        asked = request.query_params
        rows = audited_with(campaign, who=asked.get("who", ""), what=asked.get("what", ""))
        return self.page(request, rows.order_by(), describe.audit_event, ordering="-id")
