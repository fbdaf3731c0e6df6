"""Snapshots by the API: taken, downloaded, compared, traced back."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api.base import ApiView
from annotation.api.schemas import page_of
from training_bridge import selectors, services
from training_bridge.api.describe import push_json, snapshot_json
from training_bridge.api.lists import newest, user_of
from training_bridge.api.schemas import (
    NewPushSchema,
    NewSnapshotSchema,
    PushSchema,
    SnapshotSchema,
)
from training_bridge.exports import compare as comparison
from training_bridge.exports import feed
from training_bridge.exports.files import line
from training_bridge.exports.filters import Filters
from training_bridge.lineage import ancestry, trace
from training_bridge.views import data


class Snapshots(ApiView):
    scopes = {"GET": "read", "POST": "research"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="snapshots_list", responses=page_of("Snapshot", SnapshotSchema), tags=["snapshots"]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Snapshots of a campaign, newest first."""
        campaign = access.campaign_for_researcher(request.user, slug)
        return newest(self, request, campaign.snapshots.select_related("campaign"), snapshot_json)

    @extend_schema(
        operation_id="snapshot_take",
        request=NewSnapshotSchema,
        responses={202: SnapshotSchema},
        tags=["snapshots"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Takes a snapshot of what labelers have said until now; it is built by a worker."""
        campaign = access.campaign_for_researcher(request.user, slug)
        filters = Filters.read(self.body(request, "filters").get("filters"))
        return Response(
            snapshot_json(services.take_snapshot(campaign=campaign, actor=user_of(request), filters=filters)),
            status=202,
        )


class OneSnapshot(ApiView):
    scope = "read"

    @extend_schema(operation_id="snapshot_read", responses=SnapshotSchema, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any) -> Response:
        """One snapshot: how far it is, and what is in it."""
        return Response(snapshot_json(selectors.snapshot_for(request.user, snapshot_id)))


class Pushes(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="pushes_list", responses=PushSchema(many=True), tags=["snapshots"], filters=False
    )
    def get(self, request: Request, snapshot_id: Any) -> Response:
        """Where the snapshot was put on the hub, and what is on its way, newest first."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        return Response([push_json(push) for push in found.pushes.order_by("-created_at")[:100]])

    @extend_schema(
        operation_id="push_start", request=NewPushSchema, responses={202: PushSchema}, tags=["snapshots"]
    )
    def post(self, request: Request, snapshot_id: Any) -> Response:
        """Puts the snapshot on the hub of this site; a worker uploads it. The token is never given back."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        body = self.body(request, "private", required=["repository", "token"])
        made = services.start_push(
            snapshot=found,
            actor=user_of(request),
            repository=body["repository"],
            token=body["token"],
            private=body.get("private", True),
        )
        made.refresh_from_db()
        return Response(push_json(made), status=202)


class Download(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshot_download",
        responses={
            (200, "application/x-tar"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The same bytes every time."
            )
        },
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any) -> HttpResponse:
        """The snapshot as a tar; ranges may be asked for."""
        return data.stream(request._request, selectors.snapshot_for(request.user, snapshot_id))


class Events(ApiView):
    scope = "research"
    query_parameters = ("after", "limit")

    @extend_schema(
        operation_id="events_list",
        parameters=[
            OpenApiParameter(
                "after",
                str,
                description="The cursor of the last page; empty: from the beginning.",
            ),
            OpenApiParameter("limit", int, description="Submissions, 1 to 1000; 100 if absent."),
        ],
        responses={200: OpenApiTypes.OBJECT},
        tags=["snapshots"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What labelers say, as it comes in: {"events", "after", "more"}. Ask again with `after`: each event comes once, and
        none is lost that commits late. A correction names the submission that it supersedes."""
        campaign = access.campaign_for_researcher(request.user, slug)
        asked = request.query_params
        limit = asked.get("limit", "100")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 4 or not 1 <= int(limit) <= feed.MOST:
            raise ParseError(_("limit is a whole number from 1 to %(n)d.") % {"n": feed.MOST})
        try:
            found = feed.page(campaign, after=asked.get("after", ""), limit=int(limit))
        except feed.BadCursor:
            raise ParseError(_("The cursor was altered; take it from the last answer.")) from None
        return Response({"events": found.events, "after": found.after, "more": found.more})


class Exchange(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshot_exchange",
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
        },
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any, name: str, split: str) -> HttpResponse:
        """The snapshot in the columns of another program (prompts, openrlhf, nemo_rl, reward_bench, open_instruct, csv), of
        the split train, test or all."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        return data.send_exchange(request._request, found, name, split)


class Compare(ApiView):
    scope = "read"

    @extend_schema(operation_id="snapshots_compare", responses={200: OpenApiTypes.OBJECT}, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any, other_id: Any) -> Response:
        """What changed from the first snapshot to the second: counts by type, labelers, prompts, settings, filters,
        guidelines, protocols, agreement of both, and the first 200 events that differ."""
        before, after = (selectors.snapshot_for(request.user, pk) for pk in (snapshot_id, other_id))
        return Response(comparison.compare(selectors.files_of(before), selectors.files_of(after)))


class CompareRows(ApiView):
    scope = "research"

    @extend_schema(
        operation_id="snapshots_compare_rows",
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR},
        tags=["snapshots"],
    )
    def get(self, request: Request, snapshot_id: Any, other_id: Any) -> Any:
        """Every event that differs, one JSON object a line, while it is found."""
        before, after = (
            selectors.files_of(selectors.snapshot_for(request.user, pk)) for pk in (snapshot_id, other_id)
        )
        rows = (line(row) for row in comparison.all_rows(before, after))
        return data.streamed(rows, "application/x-ndjson")


class Lineage(ApiView):
    scope = "read"

    @extend_schema(operation_id="checkpoint_lineage", responses={200: OpenApiTypes.OBJECT}, tags=["models"])
    def get(self, request: Request, checkpoint_id: int) -> Response:
        """From a model back: every model, run and snapshot on the way. What is of campaigns that are not yours is named by
        its hash alone."""
        found = selectors.checkpoint_for(request.user, checkpoint_id)
        mine = set(selectors.campaigns_for(request.user).values_list("pk", flat=True))
        return Response({"steps": [step.dump(mine) for step in ancestry(found)]})


class SnapshotAnswer(ApiView):
    scope = "research"

    @extend_schema(operation_id="snapshot_answer", responses={200: OpenApiTypes.OBJECT}, tags=["snapshots"])
    def get(self, request: Request, snapshot_id: Any, event_id: int) -> Response:
        """One event with the screen that it was given on, and whether every hash on the way holds."""
        found = selectors.snapshot_for(request.user, snapshot_id)
        selectors.files_of(found)
        return Response(trace(found, event_id).dump())
