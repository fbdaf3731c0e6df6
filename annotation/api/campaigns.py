"""Campaigns: list, make, read, change, open, pause, close, their guidelines and questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.errors import PreconditionRequired
from annotation.campaigns import selectors, services
from annotation.campaigns.models import Campaign, Guidelines, Protocol
from annotation.errors import Invalid, NotFound
from annotation.ledger.selectors import own_balance
from annotation.people.models import Role

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The version you saw, in quotes."
)


class Me(ApiView):
    scope = "read"

    @extend_schema(operation_id="me", responses=schemas.Me, tags=["people"])
    def get(self, request: Request) -> Response:
        """Who you are, and your campaigns with your roles in them."""
        campaigns = [describe.campaign(c) for c in access.campaigns_for(request.user).order_by("id")[:200]]
        return Response({"username": request.user.get_username(), "campaigns": campaigns})


class Campaigns(ApiView):
    scopes = {"GET": "read", "POST": "manage"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="campaigns_list",
        responses=schemas.page_of("Campaign", schemas.Campaign),
        tags=["campaigns"],
    )
    def get(self, request: Request) -> Response:
        """The campaigns in which you have a role, oldest first."""
        return self.page(request, access.campaigns_for(request.user), describe.campaign)

    @extend_schema(
        operation_id="campaigns_create",
        request=schemas.NewCampaign,
        responses={201: schemas.Campaign},
        tags=["campaigns"],
    )
    def post(self, request: Request) -> Response:
        """Makes a draft campaign; you are its admin."""
        access.may_create_campaigns(request.user)
        data = self.body(
            request, "slug", "overlap", "lease_s", "language", "guidelines", "protocol", "strategy", "control_share",
            "skills", required=["name"],
        )  # fmt: skip
        if not isinstance(data.get("skills", []), list):
            raise Invalid(_("The skills are not usable."), fields={"skills": [_("Write a list of texts.")]})
        if not isinstance(data.get("slug", ""), str):
            raise Invalid(_("The address is not usable."), fields={"slug": [_("Write text.")]})
        made = services.create_campaign(actor=person(request), **data)
        made.my_roles = [Role.ADMIN.value]  # type: ignore[attr-defined]
        return _with_version(made, status=201)


class OneCampaign(ApiView):
    scopes = {"GET": "read", "PATCH": "manage"}

    @extend_schema(operation_id="campaign_read", responses=schemas.Campaign, tags=["campaigns"])
    def get(self, request: Request, slug: str) -> Response:
        """One campaign. The ETag is its version."""
        return _with_version(access.campaign_for_any_role(request.user, slug))

    @extend_schema(
        operation_id="campaign_change",
        parameters=[IF_MATCH],
        request=schemas.CampaignChanges,
        responses=schemas.Campaign,
        tags=["campaigns"],
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Changes the settings that are sent. 412 with the difference when somebody saved first."""
        campaign = access.campaign_for_admin(request.user, slug)
        changes = self.body(request, *services.CHANGEABLE, "version")
        version = _version(request, changes)
        if version is None:
            raise PreconditionRequired(
                _('Send the version you saw: If-Match: "%(n)d".') % {"n": campaign.version}
            )
        changed = services.change_campaign(
            actor=person(request),
            campaign=campaign,
            version=version,
            changes={name: value for name, value in changes.items() if name != "version"},
        )
        changed.my_roles = campaign.my_roles  # type: ignore[attr-defined]
        return _with_version(changed)


class _Move(ApiView):
    scope = "manage"
    service: Callable[..., Campaign]

    def move(self, request: Request, slug: str, service: Callable[..., Campaign]) -> Response:
        campaign = access.campaign_for_admin(request.user, slug)
        self.body(request)
        moved = service(actor=person(request), campaign=campaign)
        moved.my_roles = campaign.my_roles  # type: ignore[attr-defined]
        return _with_version(moved)


class Open(_Move):
    @extend_schema(operation_id="campaign_open", request=None, responses=schemas.Campaign, tags=["campaigns"])
    def post(self, request: Request, slug: str) -> Response:
        """Labelers get items from now on."""
        return self.move(request, slug, services.open_campaign)


class Pause(_Move):
    @extend_schema(
        operation_id="campaign_pause", request=None, responses=schemas.Campaign, tags=["campaigns"]
    )
    def post(self, request: Request, slug: str) -> Response:
        """No new items; what is on screens may still be sent and counts."""
        return self.move(request, slug, services.pause_campaign)


class Close(_Move):
    @extend_schema(
        operation_id="campaign_close", request=None, responses=schemas.Campaign, tags=["campaigns"]
    )
    def post(self, request: Request, slug: str) -> Response:
        """No new items; what is on screens may still be sent, is kept as late and does not count."""
        return self.move(request, slug, services.close_campaign)


class GuidelinesVersions(ApiView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(operation_id="guidelines_read", responses=schemas.Guidelines, tags=["campaigns"])
    def get(self, request: Request, slug: str) -> Response:
        """The current guidelines."""
        campaign = access.campaign_for_any_role(request.user, slug)
        current = campaign.guidelines
        if current is None:
            raise NotFound(_("This campaign has no guidelines yet."))
        return Response(describe.guidelines_version(current))

    @extend_schema(
        operation_id="guidelines_publish",
        request=schemas.Guidelines,
        responses={201: schemas.Guidelines},
        tags=["campaigns"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Publishes a new version; leases that are out keep theirs."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "version", required=["markdown"])
        published = services.publish_guidelines(
            actor=person(request),
            campaign=campaign,
            markdown=data["markdown"],
            version=_version(request, data),
        )
        return Response(describe.guidelines_version(Guidelines.objects.get(pk=published.pk)), status=201)


class ProtocolVersions(ApiView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(operation_id="protocol_read", responses=schemas.Protocol, tags=["campaigns"])
    def get(self, request: Request, slug: str) -> Response:
        """The current questions, with every setting spelled out."""
        campaign = access.campaign_for_any_role(request.user, slug)
        current = campaign.protocol
        if current is None:
            raise NotFound(_("This campaign has no questions yet."))
        return Response(describe.protocol_version(current))

    @extend_schema(
        operation_id="protocol_publish",
        request=schemas.Protocol,
        responses={201: schemas.Published},
        tags=["campaigns"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Publishes new questions; leases that are out keep theirs."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "version", required=["questions"])
        published = services.publish_protocol(
            actor=person(request),
            campaign=campaign,
            questions=data["questions"],
            version=_version(request, data),
        )
        return Response(
            describe.protocol_version(Protocol.objects.get(pk=published.pk))
            | {"retired": [r.dump() for r in published.retired]},
            status=201,
        )


class Progress(ApiView):
    scope = "read"

    @extend_schema(operation_id="progress", responses=schemas.Progress, tags=["campaigns"])
    def get(self, request: Request, slug: str) -> Response:
        """How far the campaign is, for those who oversee it; your own numbers and what you earned, if you label in it."""
        campaign = access.campaign_for_any_role(request.user, slug)
        roles = set(campaign.my_roles)  # type: ignore[attr-defined]
        whole = mine = earned = None
        if roles & access.OVERSEE:
            whole = _json(asdict(selectors.campaign_progress(campaign)))
        if roles & access.LABEL:
            mine = _json(asdict(selectors.labeler_progress(person(request), campaign)))
            earned = describe.earned(campaign, own_balance(person(request), campaign))
        return Response({"campaign": whole, "mine": mine, "earned": earned})


def _with_version(campaign: Campaign, status: int = 200) -> Response:
    return Response(describe.campaign(campaign), status=status, headers={"ETag": f'"{campaign.version}"'})


def _version(request: Request, data: dict[str, Any]) -> int | None:
    """The version that the caller saw, from If-Match or the body; None if neither is there."""
    header = request.headers.get("If-Match")
    text = header.strip().removeprefix("W/").strip('"') if header is not None else None
    if text is not None:
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise Invalid(
                _("If-Match is not a version."), fields={"If-Match": [_('Send "7" for version 7.')]}
            )
        return int(text)
    version = data.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise Invalid(_("The version is not a number."), fields={"version": [_("A whole number.")]})
    return version


def _json(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: describe.time(value) if hasattr(value, "isoformat") else value for name, value in values.items()
    }
