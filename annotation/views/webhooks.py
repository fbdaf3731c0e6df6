"""Where a campaign's events are sent: named, tried, watched and taken away by its admins. A secret is shown once.

GET/POST /campaigns/<slug>/webhooks/    …/<id>/    POST …/<id>/try/   …/rotate/   …/remove/   …/messages/<id>/again/
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.views.campaigns import tab_context
from annotation.views.pages import page, person, whole
from annotation.webhooks import selectors, services
from annotation.webhooks.catalogue import EVENTS
from annotation.webhooks.models import Webhook

ON_A_PAGE = 50


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Such as https://example.org/hooks/whetstone, without a query."),
        max_length=300, widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )  # fmt: skip
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=[(event.name, event.name) for event in EVENTS],
        widget=forms.CheckboxSelectMultiple,
    )
    is_active = forms.BooleanField(label=gettext_lazy("Switched on"), required=False, initial=True)


@page(methods=["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """All of a campaign; a POST makes one, and its page shows the secret this once."""
    campaign = access.campaign_for_admin(request.user, slug)
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = services.create_webhook(
                actor=person(request), campaign=campaign, **form.cleaned_data
            )
            made.campaign = campaign
            return _one(request, made, secret=secret)
        except Refused as refused:
            _add(form, refused)
    context = _context(request, campaign) | {"form": form, "webhooks": selectors.webhooks_of(campaign)}
    return render(request, "webhooks/list.html", context, status=422 if form.errors else 200)


@page(methods=["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """One of them: its settings, and the log of what was sent, newest first."""
    found = access.webhook_for_admin(request.user, slug, webhook_id)
    form = WebhookForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        try:
            services.change_webhook(actor=person(request), webhook=found, changes=form.cleaned_data)
            messages.success(request, _("The webhook is saved."))
            return redirect("campaign_webhook", slug, webhook_id)
        except Refused as refused:
            _add(form, refused)
    return _one(request, found, form=form)


@page(methods=["POST"])
def try_it(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """Sends a test message and shows what came of it."""
    found = access.webhook_for_admin(request.user, slug, webhook_id)
    delivery = services.try_webhook(actor=person(request), webhook=found)
    if delivery.failure:
        messages.warning(request, selectors.why(delivery.failure))
    else:
        messages.success(request, _("The receiver took the test message."))
    return redirect("campaign_webhook", slug, webhook_id)


@page(methods=["POST"])
def rotate(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    """A new secret, shown this once."""
    found = access.webhook_for_admin(request.user, slug, webhook_id)
    secret = services.rotate_secret(actor=person(request), webhook=found)
    return _one(request, access.webhook_for_admin(request.user, slug, webhook_id), secret=secret)


@page(methods=["POST"])
def remove(request: HttpRequest, slug: str, webhook_id: int) -> HttpResponse:
    found = access.webhook_for_admin(request.user, slug, webhook_id)
    services.remove_webhook(actor=person(request), webhook=found)
    messages.success(request, _("The webhook is removed, and its secret is gone."))
    return redirect("campaign_webhooks", slug)


@page(methods=["POST"])
def send_again(request: HttpRequest, slug: str, webhook_id: int, delivery_id: int) -> HttpResponse:
    found = access.webhook_for_admin(request.user, slug, webhook_id)
    try:
        services.send_again(actor=person(request), webhook=found, delivery_id=delivery_id)
        messages.success(request, _("It is sent again."))
    except Refused as refused:
        if refused.status == 404:
            raise
        messages.warning(request, refused.message)
    return redirect("campaign_webhook", slug, webhook_id)


def _one(
    request: HttpRequest, found: Webhook, *, form: WebhookForm | None = None, secret: str = ""
) -> HttpResponse:
    before = whole(request.GET.get("before"))
    log = selectors.deliveries_of(found)
    if before is not None:
        log = log.filter(pk__lt=before)
    rows = list(log[: ON_A_PAGE + 1])
    for row in rows:
        row.why = selectors.why(row.failure)  # type: ignore[attr-defined]
    initial = {"url": found.url, "kinds": found.kinds, "is_active": found.is_active}
    context = _context(request, found.campaign) | {
        "webhook": found,
        "form": form or WebhookForm(initial=initial),
        "secret": secret,
        "deliveries": rows[:ON_A_PAGE],
        "waiting": selectors.waiting(found),
        "before": rows[ON_A_PAGE - 1].pk if len(rows) > ON_A_PAGE else None,
        "old_secret_h": services.OLD_SECRET_H,
    }
    return render(request, "webhooks/webhook.html", context, status=422 if form and form.errors else 200)


def _context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    return tab_context(request, campaign, "webhooks") | {"events": EVENTS, "hosts": settings.ENDPOINT_HOSTS}


def _add(form: forms.Form, refused: Refused) -> None:
    for name, sentences in (refused.fields or {"": [refused.message]}).items():
        form.add_error(name if name in form.fields else None, sentences)
