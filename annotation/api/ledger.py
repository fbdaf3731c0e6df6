"""Money: terms of a campaign, what it costs, its ledger, payouts. Amounts are decimal text in the campaign's currency."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.errors import PreconditionRequired
from annotation.campaigns.models import Campaign
from annotation.errors import Invalid
from annotation.ledger import currencies, selectors, services
from annotation.ledger.models import LedgerEntry, Payout
from annotation.people.models import User


class Terms(ApiView):
    scopes = {"GET": "read", "PUT": "manage"}

    @extend_schema(operation_id="terms_read", responses=schemas.Terms, tags=["money"])
    def get(self, request: Request, slug: str) -> Response:
        """What labelers are paid; members of every role may know. The budget is the admins' alone."""
        campaign = access.campaign_for_any_role(request.user, slug)
        return Response(_terms(campaign, with_budget="admin" in campaign.my_roles))  # type: ignore[attr-defined]

    @extend_schema(
        operation_id="terms_set", request=schemas.NewTerms, responses=schemas.Terms, tags=["money"]
    )
    def put(self, request: Request, slug: str) -> Response:
        """Sets all of them, for answers from now on. `version` is the campaign's that you saw; 412 when it has changed."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, "version", "rate", "budget", "pays_late", required=["currency", "pay_per"])
        version = data.get("version")
        if version is None:
            raise PreconditionRequired(
                _('Send the version you saw: "version": %(n)d.') % {"n": campaign.version}
            )
        if isinstance(version, bool) or not isinstance(version, int):
            raise Invalid(_("The version is not a number."), fields={"version": [_("A whole number.")]})
        saved = services.set_terms(
            actor=person(request),
            campaign=campaign,
            version=version,
            currency=_word(data["currency"]),
            pay_per=_word(data["pay_per"]),
            rate=data.get("rate"),
            budget=data.get("budget"),
            pays_late=data.get("pays_late", True),
        )
        return Response(_terms(saved, with_budget=True))


class Costs(ApiView):
    scope = "read"

    @extend_schema(operation_id="costs", responses=schemas.Costs, tags=["money"])
    def get(self, request: Request, slug: str) -> Response:
        """Cost so far, for each answer that counts, and the forecast to the end; everybody's balance, most owed first."""
        campaign = access.campaign_for_admin(request.user, slug)
        costs = selectors.costs(campaign)
        balances = selectors.balances(campaign)[:1000]
        names = dict(
            User.objects.filter(pk__in=[b.labeler_id for b in balances]).values_list("pk", "username")
        )
        amount = lambda micros: _amount(micros, campaign.currency)  # noqa: E731
        return Response(
            {
                "currency": campaign.currency,
                "spent": amount(costs.spent),
                "committed": amount(costs.committed),
                "budget": amount(costs.budget),
                "per_accepted": amount(costs.per_accepted),
                "forecast": amount(costs.forecast),
                "paid": amount(costs.paid),
                "owed": amount(costs.owed),
                "accepted": costs.accepted,
                "left": costs.left,
                "labelers": [
                    {
                        "labeler": names.get(b.labeler_id, ""),
                        "answers": b.answers,
                        "active_ms": b.active_ms,
                        "earned": amount(b.earned),
                        "paid": amount(b.paid),
                        "owed": amount(b.owed),
                    }
                    for b in balances
                ],
            }
        )


class Ledger(ApiView):
    scopes = {"GET": "read", "POST": "manage"}
    paginated = ("GET",)

    @extend_schema(
        operation_id="ledger_list",
        responses=schemas.page_of("LedgerEntry", schemas.LedgerEntry),
        tags=["money"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every entry as it was written, oldest first."""
        campaign = access.campaign_for_admin(request.user, slug)
        return self.page(request, selectors.entries(campaign), _entry)

    @extend_schema(
        operation_id="ledger_grant",
        request=schemas.Grant,
        responses={201: schemas.LedgerEntry},
        tags=["money"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """A bonus, or an adjustment (which may be below 0). The same key again is the same entry."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, required=["labeler", "kind", "amount", "note", "key"])
        name = data["labeler"]
        known = (
            User.objects.filter(username=name).first()
            if isinstance(name, str) and "\x00" not in name
            else None
        )
        entry = services.grant(
            actor=person(request),
            campaign=campaign,
            labeler=known,
            kind=_word(data["kind"]),
            amount=data["amount"],
            note=data["note"],
            key=data["key"],
        )
        return Response(_entry(LedgerEntry.objects.select_related("labeler").get(pk=entry.pk)), status=201)


class Payouts(ApiView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(operation_id="payouts_list", responses=schemas.Payout(many=True), tags=["money"])
    def get(self, request: Request, slug: str) -> Response:
        """The latest 200 payouts."""
        campaign = access.campaign_for_admin(request.user, slug)
        return Response([_payout(p) for p in selectors.payouts(campaign)[:200]])

    @extend_schema(
        operation_id="payouts_make",
        request=schemas.NewPayout,
        responses={201: schemas.Payout},
        tags=["money"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Marks what is owed up to a day (UTC) as paid, in whole coins. The same key again is the same payout."""
        campaign = access.campaign_for_admin(request.user, slug)
        data = self.body(request, required=["until", "key"])
        made = services.pay_out(
            actor=person(request), campaign=campaign, until=data["until"], key=data["key"]
        )
        return Response(_payout(selectors.payout_of(campaign, made.pk)), status=201)


class PayoutFile(ApiView):
    scope = "read"

    @extend_schema(
        operation_id="payout_file", responses={(200, "text/csv"): OpenApiTypes.STR}, tags=["money"]
    )
    def get(self, request: Request, slug: str, payout_id: int) -> Any:
        """One line for each labeler, screened for spreadsheets."""
        campaign = access.campaign_for_admin(request.user, slug)
        rows = selectors.payout_rows(selectors.payout_of(campaign, payout_id))
        return StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")


class UndoPayout(ApiView):
    scope = "manage"

    @extend_schema(operation_id="payout_undo", request=None, responses=schemas.Payout, tags=["money"])
    def post(self, request: Request, slug: str, payout_id: int) -> Response:
        """It was not paid after all; twice is once."""
        campaign = access.campaign_for_admin(request.user, slug)
        self.body(request)
        services.undo_payout(actor=person(request), payout=selectors.payout_of(campaign, payout_id))
        return Response(_payout(selectors.payout_of(campaign, payout_id)))


def _terms(campaign: Campaign, with_budget: bool) -> dict[str, Any]:
    return {
        "currency": campaign.currency,
        "pay_per": campaign.pay_per,
        "rate": _amount(campaign.rate_micros, campaign.currency) if campaign.pay_per else None,
        "budget": _amount(campaign.budget_micros, campaign.currency) if with_budget else None,
        "pays_late": campaign.pays_late,
        "version": campaign.version,
    }


def _entry(row: LedgerEntry) -> dict[str, Any]:
    return {
        "id": row.pk,
        "labeler": row.labeler.username,
        "kind": row.kind,
        "amount": _amount(row.micros, row.currency),
        "currency": row.currency,
        "submission": row.submission_id and str(row.submission_id),
        "payout": row.payout_id,
        "active_ms": row.active_ms,
        "note": row.note,
        "at": describe.time(row.at),
    }


def _payout(row: Any) -> dict[str, Any]:
    assert isinstance(row, Payout)
    return {
        "id": row.pk,
        "since": row.since and row.since.isoformat(),
        "until": row.until.isoformat(),
        "amount": _amount(row.micros, row.currency),  # type: ignore[attr-defined]
        "currency": row.currency,
        "labelers": row.labelers,  # type: ignore[attr-defined]
        "is_undone": row.is_undone,  # type: ignore[attr-defined]
        "created_at": describe.time(row.created_at),
    }


def _amount(micros: float | None, currency: str) -> str | None:
    return None if micros is None else currencies.text(round(micros), currency)


def _word(value: Any) -> str:
    """What is to be one of a few words; anything else is none of them."""
    return value if isinstance(value, str) else "?"
