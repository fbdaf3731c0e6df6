"""Webhooks and their log, for pages and API; and why a message did not arrive, in words."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.campaigns.models import Campaign
from annotation.webhooks.models import Delivery, Webhook


def webhooks_of(campaign: Campaign) -> QuerySet[Webhook]:
    """Those that are there, oldest first."""
    return Webhook.objects.filter(campaign=campaign, removed_at=None).order_by("pk")


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    """The log, newest first."""
    return Delivery.objects.filter(webhook=webhook).order_by("-pk")


def switched_off(campaign: Campaign) -> QuerySet[Webhook]:
    """Those that we switched off, for a notice."""
    return webhooks_of(campaign).exclude(switched_off="")


def waiting(webhook: Webhook) -> int:
    """How many messages wait; a thousand stands for more."""
    return Delivery.objects.filter(webhook=webhook, state=Delivery.State.WAITING)[:1000].count()


def why(failure: str) -> str:
    """A code of `Delivery.failure` in words; empty for none."""
    if not failure:
        return ""
    return {
        "address_refused": _("This site may not connect to that address; its operator decides."),
        "unreachable": _("The receiver cannot be reached."),
        "certificate": _("The receiver's certificate was refused."),
        "no_secure_connection": _("The receiver does not speak https."),
        "key_lost": _("The stored secret can no longer be read; draw a new one."),
        "key_refused": _("The receiver refused us (401 or 403)."),
        "redirected": _("The receiver pointed to another address, which is not followed."),
        "gone": _("Nobody is there any more (410)."),
        "busy": _("The receiver is busy (429)."),
        "failing": _("The receiver reported an error of its own."),
        "not_accepted": _("The receiver did not accept the message."),
        "took_too_long": _("The receiver did not answer within ten seconds."),
        "too_much": _("The receiver sent too much."),
        "broken_off": _("The receiver broke off."),
    }.get(failure, _("The receiver answered, but not in HTTP."))
