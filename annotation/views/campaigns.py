"""Campaigns for those who look after them: the list, and one campaign at a glance.

GET  /campaigns/                  all of mine              GET  /campaigns/<slug>/        overview, refreshed as it moves
POST /campaigns/<slug>/open/      pause/  close/           each says what it will do before it does it
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation import access
from annotation.assignment.models import Flag, FlagReason, Skip, SkipReason
from annotation.campaigns import selectors, services
from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.people.models import Role
from annotation.rendering import plots
from annotation.submissions.models import Submission
from annotation.views.navigation import STAFF
from annotation.views.pages import page

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
        "skips": _reasons(Skip.objects.filter(assignment__campaign=campaign), SkipReason),
        "flags": _reasons(Flag.objects.filter(assignment__campaign=campaign, resolved_at=None), FlagReason),
        "is_moving": campaign.is_open and left > 0,
    }


def _pace(campaign: Campaign) -> float | None:
    """First answers an hour over the last day, from the first of them on; None before there are ten minutes to go by."""
    recent = Submission.objects.filter(
        campaign=campaign, revision=0, submitted_at__gt=Now() - dt.timedelta(hours=PACE_HOURS)
    )
    counted = recent.aggregate(n=Count("pk", filter=Q(status=Submission.Status.COUNTED)))["n"]
    first = recent.order_by("submitted_at").values_list("submitted_at", flat=True).first()
    if first is None:
        return None
    last = recent.order_by("-submitted_at").values_list("submitted_at", flat=True)[0]
    hours = max((last - first).total_seconds() / 3600, 1 / 6)
    return counted / hours


def _reasons(rows: Any, labels: Any) -> list[tuple[str, int]]:
    """(reason in words, how often), most frequent first."""
    counts = Counter(dict(rows.values_list("reason").annotate(n=Count("pk"))))
    names = dict(labels.choices)
    return [(str(names.get(reason, reason)), n) for reason, n in counts.most_common()]


def _user(request: HttpRequest) -> Any:
    return request.user


def _may_create(request: HttpRequest) -> bool:
    try:
        access.may_create_campaigns(request.user)
    except Refused:
        return False
    return True
