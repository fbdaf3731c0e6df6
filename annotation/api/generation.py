"""The live policy: which one answers in a campaign, texts as they are written, and their stop."""

from __future__ import annotations

import uuid
from typing import Any

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.errors import Invalid
from annotation.generation import candidates, services
from annotation.generation.models import Candidates
from annotation.generation.selectors import live_of
from annotation.generation.stream import events, sse_response

EVENTS = OpenApiResponse(
    OpenApiTypes.STR,
    description="text/event-stream: `begin` {generation, prefix}, `piece` {text} with the code points so far as its id, "
    "then `end` {state, finish} or `failed` {code, message}. Closing the connection stops the policy.",
)


class Live(ApiView):
    scopes = {"GET": "read", "PUT": "manage"}

    @extend_schema(operation_id="live_read", responses=schemas.Live, tags=["generation"])
    def get(self, request: Request, slug: str) -> Response:
        """Which policy answers the pages of this campaign."""
        campaign = access.campaign_for_admin(request.user, slug)
        return Response(describe.live(live_of(campaign.pk)))

    @extend_schema(operation_id="live_set", request=schemas.Live, responses=schemas.Live, tags=["generation"])
    def put(self, request: Request, slug: str) -> Response:
        """Says which policy answers: `off`, `policy` (the promoted one, else the default), or an `endpoint` by its id."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "endpoint", "sampling", required=["source"])
        sampling = data.get("sampling") or {}
        if not isinstance(sampling, dict):
            raise Invalid(_("sampling is an object."), fields={"sampling": [_("Write {…}.")]})
        live = services.set_live(
            actor=person(request),
            campaign=campaign,
            source=data["source"],
            endpoint=_endpoint(request, data.get("endpoint")),
            sampling=sampling,
        )
        return Response(describe.live(live))


class Batches(ApiView):
    scopes = {"GET": "manage", "POST": "manage"}

    @extend_schema(
        operation_id="candidates_list", responses=schemas.Batch(many=True), tags=["generation"], filters=False
    )
    def get(self, request: Request, slug: str) -> Response:
        """The last batches of responses that a worker wrote or writes, newest first."""
        campaign = access.campaign_for_admin(request.user, slug)
        rows = Candidates.objects.filter(campaign=campaign).order_by("-pk")[:20]
        return Response([describe.batch(row) for row in rows])

    @extend_schema(
        operation_id="candidates_start",
        request=schemas.NewBatch,
        responses={201: schemas.Batch},
        tags=["generation"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Asks a worker for n responses of the live policy to every prompt; each prompt becomes a new item."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "sampling", required=["n"])
        sampling = data.get("sampling") or {}
        if not isinstance(sampling, dict):
            raise Invalid(_("sampling is an object."), fields={"sampling": [_("Write {…}.")]})
        batch = candidates.start(actor=person(request), campaign=campaign, n=data["n"], sampling=sampling)
        return Response(describe.batch(batch), status=201)


class Generate(ApiView):
    scope = "label"
    throttle = "label"

    @extend_schema(
        operation_id="generate", request=schemas.Generate, responses={200: EVENTS}, tags=["generation"]
    )
    def post(self, request: Request, assignment_id: int) -> HttpResponseBase:
        """A text of the live policy for one question of your assignment, as it is written.

        409 `live_off` where none answers. What the policy is asked follows from the question.
        """
        assignment = access.assignment_for(request.user, assignment_id)
        data = self.body(request, "target", "prefix", "note", "continues", required=["question"])
        asked = {name: data.get(name, "") for name in ("target", "prefix", "note", "question")}
        if isinstance(asked["target"], int) and not isinstance(asked["target"], bool):
            asked["target"] = str(asked["target"])
        fields = {name: [_("Write text.")] for name, said in asked.items() if not isinstance(said, str)}
        if fields:
            raise Invalid(_("The request was refused; mend the marked fields."), fields=fields)
        generation = services.begin(
            labeler=person(request),
            assignment=assignment,
            question=asked.pop("question"),
            asked=asked,
            continues=_uuid(data.get("continues")),
        )
        return sse_response(events(generation, live_of(assignment.campaign_id)))


class OneGeneration(ApiView):
    scope = "label"

    @extend_schema(operation_id="generation_read", responses=schemas.Generation, tags=["generation"])
    def get(self, request: Request, generation_id: uuid.UUID) -> Response:
        """What was written for you. The text is there when it has ended."""
        return Response(describe.generation(access.generation_for(request.user, generation_id)))


class Stop(ApiView):
    scope = "label"

    @extend_schema(
        operation_id="generation_stop", request=None, responses=schemas.Generation, tags=["generation"]
    )
    def post(self, request: Request, generation_id: uuid.UUID) -> Response:
        """The stream ends within a second; one that has ended stays as it is."""
        generation = access.generation_for(request.user, generation_id)
        self.body(request)
        return Response(describe.generation(services.ask_to_stop(generation=generation)))


def _endpoint(request: Request, said: Any) -> Any:
    if said is None:
        return None
    found = None
    if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 2**63:
        found = access.endpoints_for(request.user).filter(pk=said, is_active=True).first()
    if found is None:
        raise Invalid(
            _("Choose an endpoint."), fields={"endpoint": [_("There is no such endpoint for you.")]}
        )
    return found


def _uuid(said: Any) -> uuid.UUID | None:
    if said is None or said == "":
        return None
    try:
        return uuid.UUID(said)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(
            _("continues names a generation by its id."), fields={"continues": [_("Not an id.")]}
        ) from None
