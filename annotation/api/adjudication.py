"""Where labelers differ, and what reviewers decided."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.adjudication import selectors, services
from annotation.adjudication.models import Adjudication
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.pagination import MAX_PAGE_SIZE
from annotation.assignment.services import change_item_overlap
from annotation.errors import Conflict, Invalid, NotFound
from annotation.items.models import Item
from annotation.items.selectors import items_of
from feedback_types.base import InvalidPayload
from feedback_types.protocol import dump_protocol, read_json


class Disagreements(ApiView):
    scope = "read"
    query_parameters = ("by", "after", "limit")

    @extend_schema(
        operation_id="disagreements_list",
        parameters=[
            OpenApiParameter("by", str, enum=list(selectors.ORDERS)),
            OpenApiParameter("after", str, description="As given in the page before."),
            OpenApiParameter("limit", int),
        ],
        responses=schemas.Disagreements,
        tags=["review"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Items on which labelers differ and that nobody has settled, those most worth a look first; for reviewers."""
        campaign = access.campaign_for_reviewer(request.user, slug)
        asked = request.query_params
        by = asked.get("by", "value")
        if by not in selectors.ORDERS:
            raise ParseError(_("by is one of: %(known)s.") % {"known": ", ".join(selectors.ORDERS)})
        after = None
        if "after" in asked and (after := selectors.place(asked["after"])) is None:
            raise ParseError(_("after was altered; take it from the page before."))
        text = asked.get("limit", "100")
        if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_PAGE_SIZE:
            raise ParseError(_("limit is a whole number from 1 to %(n)d.") % {"n": MAX_PAGE_SIZE})
        rows = list(selectors.queue_of(campaign, by=by, after=after)[: int(text) + 1])
        shown = rows[: int(text)]
        more = selectors.place_of(shown[-1], by) if len(rows) > len(shown) else None
        return Response({"results": [describe.disagreement(row) for row in shown], "after": more})


class Adjudications(ApiView):
    scopes = {"GET": "read", "POST": "label"}

    @extend_schema(operation_id="adjudications_list", responses=schemas.ToSettle, tags=["review"])
    def get(self, request: Request, slug: str, item_id: int) -> Response:
        """What is asked about an item, and every decision about it, latest first; the first one holds."""
        item = _item(request, slug, item_id)
        protocol_id = selectors.protocol_id_of(item)
        questions = dump_protocol(selectors.questions_of(protocol_id)) if protocol_id else []
        decisions = [describe.adjudication(row) for row in selectors.history(item)]
        return Response(
            {"questions": questions, "responses": selectors.order_of(item), "decisions": decisions}
        )

    @extend_schema(
        operation_id="adjudicate",
        request=schemas.NewAdjudication,
        responses={201: schemas.Adjudication},
        tags=["review"],
    )
    def post(self, request: Request, slug: str, item_id: int) -> Response:
        """Settles an item: the last word, as a new row. 409 with what holds now when somebody else decided meanwhile."""
        item = _item(request, slug, item_id)
        data = self.body(
            request, "answers", "chosen", "errors", "seen", required=["act", "reason", "idempotency_key"]
        )
        made = services.adjudicate(
            reviewer=person(request),
            item=item,
            act=data["act"],
            reason=data["reason"],
            answers=_answers(item, data) if data["act"] != Adjudication.Act.CHOOSE else (),
            chosen=data.get("chosen"),
            errors=_errors(data.get("errors")),
            seen=data.get("seen"),
            idempotency_key=data["idempotency_key"],
        )
        return Response(describe.adjudication(made), status=201)


class OneItem(ApiView):
    scopes = {"GET": "read", "PATCH": "manage"}

    @extend_schema(operation_id="item_read", responses=schemas.Item, tags=["items"])
    def get(self, request: Request, slug: str, item_id: int) -> Response:
        """One item with prompt and responses."""
        return Response(describe.item(_of(access.campaign_for_overseer(request.user, slug), item_id)))

    @extend_schema(
        operation_id="item_change", request=schemas.ItemChanges, responses=schemas.Item, tags=["items"]
    )
    def patch(self, request: Request, slug: str, item_id: int) -> Response:
        """Wants more or fewer answers for this item alone. 409 below the answers that it has."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, required=["overlap"])
        change_item_overlap(actor=person(request), item=_of(campaign, item_id), overlap=data["overlap"])
        return Response(describe.item(_of(campaign, item_id)))


def _item(request: Request, slug: str, item_id: int) -> Item:
    return _of(access.campaign_for_reviewer(request.user, slug), item_id)


def _of(campaign: Any, item_id: int) -> Item:
    item = items_of(campaign).filter(pk=item_id).first() if item_id < 2**63 else None
    if item is None:
        raise NotFound(_("There is no such item in this campaign."))
    item.campaign = campaign
    return item


def _answers(item: Item, data: dict[str, Any]) -> list[Any]:
    protocol_id = selectors.protocol_id_of(item)
    if protocol_id is None:
        raise Conflict(_("Nothing is asked yet."), code="nothing_to_settle")
    screen = selectors.screen_of(item, selectors.order_of(item))
    try:
        return read_json(selectors.questions_of(protocol_id), screen, data.get("answers"))
    except InvalidPayload as error:
        raise Invalid(_("The answers were not understood."), fields=error.errors) from error


def _errors(raw: Any) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise Invalid(
            _("The errors were not understood."),
            fields={"errors": [_("Send an object of submission ids and categories.")]},
        )
    return raw
