"""Statistics of a campaign's answers, as they were last computed, and what is believed of its items."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.pagination import KeysetPagination
from annotation.items.selectors import items_of
from annotation.people.models import User
from annotation.quality import reports
from annotation.quality.agreement import headings
from annotation.quality.reliability import beliefs


class Agreement(ApiView):
    scope = "read"

    @extend_schema(operation_id="agreement", responses=schemas.Agreement(many=True), tags=["quality"])
    def get(self, request: Request, slug: str) -> Response:
        """Krippendorff's alpha of each question, with a bootstrap interval; quality/agreement/ has the rest and its age."""
        campaign = access.campaign_for_overseer(request.user, slug)
        titles = headings(campaign)
        report = reports.read(campaign, "agreement")
        return Response(
            [
                {"label": titles.get(row["question"], row["question"])}
                | {k: row[k] for k in ("question", "type", "alpha", "low", "high", "units", "answers")}
                for row in (report.data or {}).get("questions", [])
            ]
        )


class Quality(ApiView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(operation_id="quality_read", responses=schemas.Quality, tags=["quality"])
    def get(self, request: Request, slug: str, statistic: str) -> Response:
        """`agreement`, `habits`, `reliability` or `leaderboard` (docs/quality.md), labelers by their pseudonyms.

        `data` is null before it was computed the first time; `computed_at` is null where there are so few answers that it
        was computed for this request.
        """
        campaign = access.campaign_for_overseer(request.user, slug)
        report = reports.read(campaign, statistic)
        return Response(
            {
                "statistic": statistic,
                "computed_at": describe.time(report.computed_at) if report.computed_at else None,
                "is_old": report.is_old,
                "is_awaited": report.is_awaited,
                "problem": report.problem,
                "data": _with_pseudonyms(report.data, campaign.pk),
            }
        )

    @extend_schema(operation_id="quality_compute", request=None, responses={202: None}, tags=["quality"])
    def post(self, request: Request, slug: str, statistic: str) -> Response:
        """A worker computes it again."""
        campaign = access.campaign_for_overseer(request.user, slug)
        self.body(request)
        reports.ask(actor=person(request), campaign=campaign, statistic=statistic)
        return Response(status=202)


class Consensus(ApiView):
    scope = "read"
    paginated = ("GET",)

    @extend_schema(
        operation_id="consensus_list",
        responses=schemas.page_of("Consensus", schemas.Consensus),
        tags=["quality"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """For each item what is believed to be true of it, with probabilities: the stored model of the labelers
        (quality/reliability/) put to the answers as they are now. Empty before that was computed."""
        campaign = access.campaign_for_overseer(request.user, slug)
        paginator = KeysetPagination()
        items = paginator.pages(items_of(campaign), request, self)
        found = beliefs(campaign, items)
        return paginator.get_paginated_response(
            [{"item": item.pk, "beliefs": [b._asdict() for b in found[item.pk]]} for item in items]
        )


def _with_pseudonyms(data: Any, campaign_id: int) -> Any:
    """The same with pseudonyms in place of the numbers of people, wherever "labeler", "labelers" or "cells" name them."""
    if data is None:
        return None
    people = User.objects.in_bulk(_people(data))
    names = {pk: user.pseudonym(campaign_id) for pk, user in people.items()}

    def told(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            return {name: told(value, name) for name, value in part.items()}
        if isinstance(part, list):
            if key == "cells":
                return [[names.get(a), names.get(b), *rest] for a, b, *rest in part]
            return [told(value, key) for value in part]
        return names.get(part) if _is_person(part, key) else part

    return told(data)


def _people(part: Any, key: str = "") -> set[int]:
    if isinstance(part, dict):
        return set().union(*(_people(value, name) for name, value in part.items()))
    if isinstance(part, list) and key != "cells":
        return set().union(*(_people(value, key) for value in part))
    return {part} if _is_person(part, key) else set()


def _is_person(part: Any, key: str) -> bool:
    return key in ("labeler", "labelers") and isinstance(part, int)
