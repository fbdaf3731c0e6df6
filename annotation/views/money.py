"""What a campaign pays, has cost and owes: its terms, everybody's balance, payouts as files.

GET/POST /campaigns/<slug>/money/                         the terms; balances, most owed first
POST     /campaigns/<slug>/money/grant/                   a bonus or an adjustment
POST     /campaigns/<slug>/money/payouts/                 marks what is owed as paid
GET      /campaigns/<slug>/money/payouts/<id>.csv         POST …/<id>/undo/
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns.models import Campaign, PayPer
from annotation.errors import Refused, Stale
from annotation.ledger import currencies, selectors, services
from annotation.ledger.models import LedgerEntry
from annotation.people.models import User
from annotation.views.campaigns import tab_context
from annotation.views.pages import page, person, whole

BALANCES_ON_A_PAGE = 50
PAYOUTS_SHOWN = 20


class TermsForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
    pay_per = forms.ChoiceField(
        label=gettext_lazy("Labelers are paid for"), required=False,
        choices=lambda: [("", _("nothing")), *PayPer.choices],
    )  # fmt: skip
    currency = forms.ChoiceField(
        label=gettext_lazy("Currency"), required=False,
        choices=lambda: [("", "–"), *((code, code) for code in sorted(currencies.CODES))],
    )  # fmt: skip
    rate = forms.CharField(
        label=gettext_lazy("Rate"), required=False, max_length=30,
        help_text=gettext_lazy("Of one answer or one active hour, such as 0.12. Answers that are in keep what they earned."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )  # fmt: skip
    budget = forms.CharField(
        label=gettext_lazy("Budget"), required=False, max_length=30,
        help_text=gettext_lazy("Where it ends, no more items are given out and the campaign pauses. Empty: no limit."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )  # fmt: skip
    pays_late = forms.BooleanField(
        label=gettext_lazy("Late answers are paid, too"), required=False,
        help_text=gettext_lazy("They do not count, but the work was done."),
    )  # fmt: skip


class GrantForm(forms.Form):
    key = forms.UUIDField(widget=forms.HiddenInput)
    labeler = forms.CharField(label=gettext_lazy("Labeler"), max_length=150)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=lambda: [(k.value, k.label) for k in (LedgerEntry.Kind.BONUS, LedgerEntry.Kind.ADJUSTMENT)],
    )
    amount = forms.CharField(
        label=gettext_lazy("Amount"), max_length=30,
        help_text=gettext_lazy("An adjustment may be below 0."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )  # fmt: skip
    note = forms.CharField(label=gettext_lazy("What for"), max_length=services.NOTE_CHARACTERS)


class PayoutForm(forms.Form):
    key = forms.UUIDField(widget=forms.HiddenInput)
    until = forms.DateField(
        label=gettext_lazy("For work up to and with"),
        help_text=gettext_lazy("A day in UTC. What is owed is marked as paid, in whole coins; the rest stays owed."),
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip


@page(methods=["GET", "HEAD", "POST"])
def money(request: HttpRequest, slug: str) -> HttpResponse:
    """The terms, and what came of them."""
    campaign = access.campaign_for_admin(request.user, slug)
    form = TermsForm(request.POST or None, initial=_terms_of(campaign))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = dict(form.cleaned_data)
            try:
                services.set_terms(actor=person(request), campaign=campaign, **values)
                messages.success(request, _("Saved."))
                return redirect("campaign_money", slug)
            except Refused as refused:
                status = refused.status
                if isinstance(refused, Stale):
                    again = request.POST.copy()
                    again["version"] = refused.extra["version"]
                    form.data = again
                _add(form, refused)
    return _shown(request, campaign, status, terms=form)


@page(methods=["POST"])
def grant(request: HttpRequest, slug: str) -> HttpResponse:
    """A bonus or an adjustment for one labeler."""
    campaign = access.campaign_for_admin(request.user, slug)
    form, status = GrantForm(request.POST, auto_id="grant_%s"), 422
    if form.is_valid():
        values = dict(form.cleaned_data)
        labeler = User.objects.filter(username=values.pop("labeler")).first()
        try:
            services.grant(actor=person(request), campaign=campaign, labeler=labeler, **values)
            messages.success(request, _("Entered."))
            return redirect("campaign_money", slug)
        except Refused as refused:
            status = refused.status
            _add(form, refused)
    return _shown(request, campaign, status, grant=form)


@page(methods=["POST"])
def pay(request: HttpRequest, slug: str) -> HttpResponse:
    """Marks what is owed as paid; the file says to whom."""
    campaign = access.campaign_for_admin(request.user, slug)
    form, status = PayoutForm(request.POST, auto_id="payout_%s"), 422
    if form.is_valid():
        try:
            services.pay_out(actor=person(request), campaign=campaign, **form.cleaned_data)
            messages.success(request, _("Marked as paid. Download the file and pay it out."))
            return redirect("campaign_money", slug)
        except Refused as refused:
            status = refused.status
            _add(form, refused)
    return _shown(request, campaign, status, payout=form)


@page
def payout_file(request: HttpRequest, slug: str, payout_id: int) -> HttpResponse:
    """One line for each labeler."""
    campaign = access.campaign_for_admin(request.user, slug)
    payout = selectors.payout_of(campaign, payout_id)
    response = StreamingHttpResponse(selectors.payout_rows(payout), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{campaign.slug}-payout-{payout.pk}.csv"'
    return response  # type: ignore[return-value]


@page(methods=["POST"])
def undo(request: HttpRequest, slug: str, payout_id: int) -> HttpResponse:
    """It was not paid: everything in it is owed again."""
    campaign = access.campaign_for_admin(request.user, slug)
    services.undo_payout(actor=person(request), payout=selectors.payout_of(campaign, payout_id))
    messages.success(request, _("Taken back: what it covered is owed again."))
    return redirect("campaign_money", slug)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _shown(request: HttpRequest, campaign: Campaign, status: int, **forms_: forms.Form) -> HttpResponse:
    balances = selectors.balances(campaign)
    after = whole(request.GET.get("after"))
    if after is not None:
        # The page goes on behind a labeler, wherever payments and answers have moved them since.
        places = [n for n, b in enumerate(balances) if b.labeler_id == after]
        balances = balances[places[0] + 1 :] if places else balances
    rest = balances[:BALANCES_ON_A_PAGE]
    names = dict(User.objects.filter(pk__in=[b.labeler_id for b in rest]).values_list("pk", "username"))
    yesterday = timezone.now().astimezone(dt.UTC).date() - dt.timedelta(days=1)
    context = tab_context(request, campaign, "money") | {
        "costs": selectors.costs(campaign),
        "terms": forms_.get("terms") or TermsForm(initial=_terms_of(campaign)),
        "grant": forms_.get("grant") or GrantForm(initial={"key": uuid.uuid4()}, auto_id="grant_%s"),
        "payout": forms_.get("payout")
        or PayoutForm(initial={"key": uuid.uuid4(), "until": yesterday}, auto_id="payout_%s"),
        "balances": [(names.get(b.labeler_id, ""), b) for b in rest],
        "after": rest[-1].labeler_id if len(balances) > len(rest) else None,
        "payouts": selectors.payouts(campaign)[:PAYOUTS_SHOWN],
    }
    return render(request, "campaigns/money.html", context, status=status)


def _terms_of(campaign: Campaign) -> dict[str, Any]:
    text = lambda amount: currencies.text(amount, campaign.currency)  # noqa: E731
    return {
        "version": campaign.version,
        "pay_per": campaign.pay_per,
        "currency": campaign.currency,
        "rate": text(campaign.rate_micros) if campaign.pay_per else "",
        "budget": "" if campaign.budget_micros is None else text(campaign.budget_micros),
        "pays_late": campaign.pays_late,
    }


def _add(form: forms.Form, refused: Refused) -> None:
    for name, errors in refused.fields.items():
        form.add_error(name if name in form.fields else None, errors)
    if not refused.fields:
        form.add_error(None, refused.message)
