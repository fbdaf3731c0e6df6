"""Endpoints: list, make, read, change, try, remove. A key goes in and never comes out."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.endpoints import services


class Endpoints(ApiView):
    scopes = {"GET": "manage", "POST": "manage"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="endpoints_list",
        responses=schemas.page_of("Endpoint", schemas.Endpoint),
        tags=["endpoints"],
    )
    def get(self, request: Request) -> Response:
        """Your endpoints and those that other admins share, oldest first."""
        access.may_use_endpoints(request.user)
        rows = access.endpoints_for(request.user).select_related("created_by")
        return self.page(request, rows, describe.endpoint)

    @extend_schema(
        operation_id="endpoint_create",
        request=schemas.NewEndpoint,
        responses={201: schemas.Endpoint},
        tags=["endpoints"],
    )
    def post(self, request: Request) -> Response:
        """Keeps an endpoint; nothing is sent to it yet."""
        access.may_use_endpoints(request.user)
        data = self.body(request, *services.CHANGEABLE, required=["name", "base_url", "model"])
        made = services.create_endpoint(actor=person(request), **data)
        return Response(describe.endpoint(made), status=201)


class OneEndpoint(ApiView):
    scope = "manage"

    @extend_schema(operation_id="endpoint_read", responses=schemas.Endpoint, tags=["endpoints"])
    def get(self, request: Request, endpoint_id: int) -> Response:
        """One endpoint of yours."""
        return Response(describe.endpoint(access.endpoint_for_admin(request.user, endpoint_id)))

    @extend_schema(
        operation_id="endpoint_change",
        request=schemas.EndpointChanges,
        responses=schemas.Endpoint,
        tags=["endpoints"],
    )
    def patch(self, request: Request, endpoint_id: int) -> Response:
        """Changes some fields. With another address the key has to be sent again."""
        endpoint = access.endpoint_for_admin(request.user, endpoint_id)
        changes = self.body(request, *services.CHANGEABLE)
        changed = services.change_endpoint(actor=person(request), endpoint=endpoint, changes=changes)
        return Response(describe.endpoint(changed))

    @extend_schema(operation_id="endpoint_remove", responses={204: None}, tags=["endpoints"])
    def delete(self, request: Request, endpoint_id: int) -> Response:
        """Nobody can use it any more, and its key is destroyed; responses that came from it stay."""
        endpoint = access.endpoint_for_admin(request.user, endpoint_id)
        services.remove_endpoint(actor=person(request), endpoint=endpoint)
        return Response(status=204)


class Try(ApiView):
    scope = "manage"

    @extend_schema(
        operation_id="endpoint_try", request=schemas.TryEndpoint, responses=schemas.Trial, tags=["endpoints"]
    )
    def post(self, request: Request, endpoint_id: int) -> Response:
        """Sends a short prompt and says what came, and how soon. Nothing of it is stored."""
        endpoint = access.endpoint_for_admin(request.user, endpoint_id)
        data = self.body(request, required=["prompt"])
        trial = services.try_endpoint(actor=person(request), endpoint=endpoint, prompt=data["prompt"])
        return Response(describe.trial(trial))
