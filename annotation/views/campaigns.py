"""Campaigns for those who look after them: the list, and one campaign at a glance.

GET  /campaigns/                  all of mine              GET  /campaigns/<slug>/        overview, refreshed as it moves
POST /campaigns/<slug>/open/      pause/  close/           each says what it will do before it does it
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation import access
from annotation.assignment.models import FlagReason, SkipReason
from annotation.campaigns import selectors, services
from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.ledger.selectors import costs
from annotation.people.models import Role
from annotation.rendering import plots
from annotation.rollups import selectors as rollups
from annotation.views.navigation import STAFF
from annotation.views.pages import page
from annotation.webhooks.selectors import switched_off

PACE_HOURS = 24
ACTS = {
    "open": (services.open_campaign, {Campaign.State.DRAFT, Campaign.State.PAUSED, Campaign.State.CLOSED}),
    "pause": (services.pause_campaign, {Campaign.State.OPEN}),
    "close": (services.close_campaign, {Campaign.State.OPEN, Campaign.State.PAUSED}),
}


@page
def campaigns(request: HttpRequest) -> HttpResponse:
    """Every campaign that this person looks after: state, progress, what needs attention."""
    rows = []
    for campaign in access.campaigns_for(request.user, *STAFF).order_by("-created_at"):
        rows.append({"campaign": campaign, "progress": selectors.campaign_progress(campaign)})
    context = {"rows": rows, "may_create": _may_create(request)}
    return render(request, "campaigns/list.html", context)


@page
def campaign(request: HttpRequest, slug: str) -> HttpResponse:
    """One campaign: how far, how fast, what is in the way. `?live=1` gives the moving part alone."""
    found = access.campaign_for_overseer(request.user, slug)
    context = overview_context(request, found)
    template = "campaigns/_live.html" if "live" in request.GET else "campaigns/overview.html"
    return render(request, template, context)


@page(methods=["GET", "HEAD", "POST"])
def change_state(request: HttpRequest, slug: str, act: str) -> HttpResponse:
    """Open, pause or close: a page that says what happens to the work under way, then the act itself."""
    found = access.campaign_for_admin(request.user, slug)
    service, before = ACTS[act]
    if request.method == "POST":
        try:
            service(actor=_user(request), campaign=found)
        except Refused as refused:
            messages.warning(request, refused.message)
        else:
            done = {
                "open": _("The campaign is open."),
                "pause": _("Paused."),
                "close": _("The campaign is closed."),
            }
            messages.success(request, done[act])
        return redirect("campaign", slug)
    context = tab_context(request, found, "overview") | {"act": act, "is_possible": found.state in before}
    context["progress"] = selectors.campaign_progress(found)
    return render(request, "campaigns/change_state.html", context)


# --- Contexts --------------------------------------------------------------------------------------------------------


def tab_context(request: HttpRequest, campaign: Campaign, tab: str) -> dict[str, Any]:
    """What every page of one campaign shows: its name, state, tabs, and whether this person may change it."""
    roles = set(getattr(campaign, "my_roles", ()))
    is_admin = Role.ADMIN in roles or bool(getattr(request.user, "is_superuser", False))
    return {
        "campaign": campaign,
        "tab": tab,
        "is_admin": is_admin,
        "may_review": is_admin or Role.REVIEWER in roles,
    }


def overview_context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    progress = selectors.campaign_progress(campaign)
    pace = _pace(campaign)
    reasons = rollups.reasons(campaign.pk)
    left = max(0, progress.answers_wanted - progress.answers_counted)
    eta = dt.timedelta(hours=left / pace) if pace and left else None
    return tab_context(request, campaign, "overview") | {
        "progress": progress,
        "left": left,
        "pace": pace,
        "eta_days": eta.days if eta else None,
        "eta_hours": round(eta.total_seconds() / 3600, 1) if eta else None,
        "seconds": selectors.seconds_per_answer(campaign),
        "at_work": selectors.labelers_at_work(campaign),
        "per_day": plots.bars(
            [(day.strftime("%d %b"), n) for day, n in selectors.answers_per_day(campaign)],
            title=_("Answers per day"),
            y_label=_("answers"),
            x_label=_("day"),
        ),
        "skips": _reasons(reasons, "skip", SkipReason),
        "flags": _reasons(reasons, "open", FlagReason),
        "costs": costs(campaign) if campaign.currency else None,
        "is_moving": campaign.is_open and left > 0,
        "webhooks_off": switched_off(campaign),
    }


def _pace(campaign: Campaign) -> float | None:
    """First answers an hour over the last day, from the first of them on; None before there are ten minutes to go by."""
    now = timezone.now()
    hours = rollups.work_of_hours(campaign.pk, now - dt.timedelta(hours=PACE_HOURS - 1))
    counted = [(hour, work.counted) for hour, work in hours if work.counted]
    if not counted:
        return None
    span = (now - counted[0][0]).total_seconds() / 3600
    return sum(n for _hour, n in counted) / max(span, 1 / 6)


def _reasons(counts: dict[str, int], kind: str, labels: Any) -> list[tuple[str, int]]:
    """(reason in words, how often), most frequent first."""
    names = {f"{kind}:{value}": str(label) for value, label in labels.choices}
    found = [(names[key], n) for key, n in counts.items() if key in names]
    return sorted(found, key=lambda row: (-row[1], row[0]))


def _user(request: HttpRequest) -> Any:
    return request.user


def _may_create(request: HttpRequest) -> bool:
    try:
        access.may_create_campaigns(request.user)
    except Refused:
        return False
    return True
