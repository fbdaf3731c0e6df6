"""Feedback: the answers themselves, under pseudonyms."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView
from annotation.submissions.models import Submission
from annotation.submissions.selectors import feedback_of
from feedback_types import registry


class Feedback(ApiView):
    scope = "read"
    paginated = ("GET",)
    query_parameters = ("question", "type", "status", "item")

    @extend_schema(
        operation_id="feedback_list",
        parameters=[
            OpenApiParameter("question", str),
            OpenApiParameter("type", str),
            OpenApiParameter("status", str, enum=Submission.Status.values),
            OpenApiParameter("item", int),
        ],
        responses=schemas.page_of("Feedback", schemas.Feedback),
        tags=["feedback"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The latest revision of every answer; for reviewers, admins and researchers."""
        campaign = access.campaign_for_overseer(request.user, slug)
        asked = request.query_params
        if "type" in asked and asked["type"] not in registry.folders():
            raise ParseError(_("type is one of: %(types)s.") % {"types": ", ".join(registry.folders())})
        rows = feedback_of(
            campaign, question=asked.get("question", ""), types=[asked["type"]] if "type" in asked else []
        )
        if "status" in asked:
            if asked["status"] not in Submission.Status.values:
                raise ParseError(
                    _("status is one of: %(known)s.") % {"known": ", ".join(Submission.Status.values)}
                )
            rows = rows.filter(submission__status=asked["status"])
        if "item" in asked:
            if not asked["item"].isascii() or not asked["item"].isdigit() or len(asked["item"]) > 18:
                raise ParseError(_("item is a whole number."))
            rows = rows.filter(submission__item_id=int(asked["item"]))
        return self.page(request, rows, describe.feedback)
