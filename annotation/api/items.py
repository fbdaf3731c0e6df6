"""Items: list them, import them."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.parsers import RawParser
from annotation.assignment.services import assign_item
from annotation.errors import Invalid, NotFound, TooLarge
from annotation.gold.services import make_gold
from annotation.items.selectors import items_of, state_filter
from annotation.items.services import import_items
from annotation.people.models import User

STATES = ("waiting", "begun", "complete", "held", "withdrawn", "gold", "practice")
MAX_UPLOAD_BYTES = 1024**3
MEDIA_TYPES = ("application/x-ndjson", "application/jsonl", "application/gzip", "application/octet-stream")


class Items(ApiView):
    scope = "read"
    paginated = ("GET",)
    query_parameters = ("state", "external_id", "round")

    @extend_schema(
        operation_id="items_list",
        parameters=[
            OpenApiParameter("state", str, enum=STATES),
            OpenApiParameter("external_id", str),
            OpenApiParameter("round", int),
        ],
        responses=schemas.page_of("Item", schemas.Item),
        tags=["items"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Items with prompt, responses and how many answers they have; for reviewers, admins and researchers."""
        campaign = access.campaign_for_overseer(request.user, slug)
        items = items_of(campaign)
        asked = request.query_params
        if "state" in asked:
            if asked["state"] not in STATES:
                raise ParseError(_("state is one of: %(states)s.") % {"states": ", ".join(STATES)})
            items = state_filter(items, asked["state"])
        if "external_id" in asked:
            items = items.filter(external_id=asked["external_id"])
        if "round" in asked:
            if not asked["round"].isascii() or not asked["round"].isdigit() or len(asked["round"]) > 9:
                raise ParseError(_("round is a whole number."))
            items = items.filter(round_number=int(asked["round"]))
        return self.page(request, items, describe.item)


class AssignItem(ApiView):
    scope = "manage"
    throttle = "label"

    @extend_schema(
        operation_id="item_assign",
        request=schemas.AssignRequest,
        responses={201: schemas.Assigned},
        tags=["items"],
    )
    def post(self, request: Request, slug: str, item_id: int) -> Response:
        """Gives this item to a labeler by name, out of turn; they find it under their assignments."""
        campaign = access.campaign_for_admin(request.user, slug)
        name = self.body(request, required=["labeler"])["labeler"]
        labeler = (
            User.objects.filter(username=name).first()
            if isinstance(name, str) and "\x00" not in name
            else None
        )
        if labeler is None:
            raise Invalid(_("There is no such person."), fields={"labeler": [_("Send a username.")]})
        given = assign_item(actor=person(request), campaign=campaign, item_id=item_id, labeler=labeler)
        return Response({"assignment": given.pk, "lease_until": describe.time(given.lease_until)}, status=201)


class MakeGold(ApiView):
    scope = "manage"

    @extend_schema(
        operation_id="item_make_gold", request=schemas.MakeGold, responses=schemas.Item, tags=["items"]
    )
    def post(self, request: Request, slug: str, item_id: int) -> Response:
        """Sets the item aside as gold or practice, with what is expected; for reviewers and admins."""
        campaign = access.campaign_for_reviewer(request.user, slug)
        data = self.body(request, "explanation", "purpose", required=["answers"])
        item = items_of(campaign).filter(pk=item_id).first() if item_id < 2**63 else None
        if item is None:
            raise NotFound(_("There is no such item in this campaign."))
        make_gold(actor=person(request), item=item, **data)
        return Response(describe.item(items_of(campaign).get(pk=item_id)))


class ImportItems(ApiView):
    scope = "manage"
    throttle = "import"
    parser_classes = [RawParser]
    query_parameters = ("update",)

    @extend_schema(
        operation_id="items_import",
        parameters=[OpenApiParameter("update", str, enum=["true", "false"])],
        request={"application/x-ndjson": OpenApiTypes.BINARY, "application/gzip": OpenApiTypes.BINARY},
        responses={201: schemas.ImportResult},
        tags=["items"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Imports JSON lines, gzipped or not: all rows or none. A 422 lists what is wrong, line by line."""
        campaign = access.campaign_for_admin(request.user, slug)
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        if kind not in MEDIA_TYPES:
            raise UnsupportedMediaType(
                kind, _("Send JSON lines as one of: %(types)s.") % {"types": ", ".join(MEDIA_TYPES)}
            )
        update = request.query_params.get("update", "false")
        if update not in ("true", "false"):
            raise ParseError(_("update is true or false."))
        result = import_items(
            campaign, _Limited(request._request), actor=person(request), update=update == "true"
        )
        return Response(asdict(result), status=201)


class _Limited(io.RawIOBase):
    """The request's body as a stream that ends with an error beyond the limit, whatever Content-Length says."""

    def __init__(self, source: Any) -> None:
        self.source, self.read_bytes = source, 0

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self.source.read(size)
        self.read_bytes += len(chunk)
        if self.read_bytes > MAX_UPLOAD_BYTES:
            raise TooLarge(
                _("The file is larger than %(n)d MB; split it.") % {"n": MAX_UPLOAD_BYTES // 1024**2}
            )
        return chunk
