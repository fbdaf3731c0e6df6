"""Campaigns for those who look after them: the list, and one campaign at a glance.

GET  /campaigns/                  all of mine              GET  /campaigns/<slug>/        overview, refreshed as it moves
POST /campaigns/<slug>/open/      pause/  close/           each says what it will do before it does it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.assignment.models import FlagReason, SkipReason
from annotation.assignment.selectors import overlap_under_way
from annotation.campaigns import dashboard, selectors, services
from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.ledger.selectors import costs
from annotation.people.models import Role, User
from annotation.quality.stored import worth
from annotation.rendering import plots
from annotation.rendering.stacked import stacked
from annotation.rollups import selectors as rollups
from annotation.rollups.selectors import Work
from annotation.views.navigation import STAFF
from annotation.views.pages import page, person
from annotation.webhooks.selectors import switched_off

HOUR_MS = 3_600_000
NEEDS = {
    "hasty": gettext_lazy("much faster than the others"),
    "skips": gettext_lazy("skips a lot"),
    "late": gettext_lazy("often late"),
}
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
            service(actor=person(request), campaign=found)
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


def is_admin_of(request: HttpRequest, campaign: Campaign) -> bool:
    """Whether this person may change the campaign."""
    return Role.ADMIN in getattr(campaign, "my_roles", ()) or bool(
        getattr(request.user, "is_superuser", False)
    )


def names_for(request: HttpRequest, campaign: Campaign) -> Callable[[User], str]:
    """How this person reads people: an admin by their names, everybody else by the pseudonyms of the data."""
    is_admin = is_admin_of(request, campaign)
    return lambda user: user.username if is_admin else user.pseudonym(campaign.pk)


def tab_context(request: HttpRequest, campaign: Campaign, tab: str) -> dict[str, Any]:
    """What every page of one campaign shows: its name, state, tabs, and whether this person may change it."""
    roles = set(getattr(campaign, "my_roles", ()))
    is_admin = is_admin_of(request, campaign)
    return {
        "campaign": campaign,
        "tab": tab,
        "is_admin": is_admin,
        "may_review": is_admin or Role.REVIEWER in roles,
    }


def overview_context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """Is it on track, what is it worth, who needs help, what will it cost."""
    tab = tab_context(request, campaign, "overview")
    progress = selectors.campaign_progress(campaign)
    left = max(0, progress.answers_wanted - progress.answers_counted)
    reasons, work = rollups.reasons(campaign.pk), rollups.work_of_labelers(campaign.pk)
    days = dashboard.days_of(campaign)
    name = names_for(request, campaign)
    return tab | {
        "progress": progress,
        "left": left,
        "forecast": dashboard.when_done(campaign, left),
        "whole": sum(work.values(), Work()),
        "seconds": selectors.seconds_per_answer(campaign),
        "at_work": selectors.labelers_at_work(campaign),
        "days": days[::-1],
        "per_day": plots.bars(
            [(day.strftime("%d %b"), w.answers) for day, w in days],
            title=_("Answers per day"),
            y_label=_("answers"),
            x_label=_("day"),
        ),
        "time_per_day": _time([(day.strftime("%d %b"), w) for day, w in days], _("Hours per day"), _("day")),
        "time_per_labeler": _time(
            [(name(user), w) for user, w in dashboard.busiest(work)], _("Hours per labeler"), _("labeler")
        ),
        "needs": [
            {"who": name(n.user), "work": n.work, "why": [NEEDS[w] for w in n.why]}
            for n in dashboard.in_need(work)
        ],
        "worth": (known := worth(campaign)),
        "agreement_plot": plots.intervals(
            known.agreement,
            title=_("Agreement on each question"),
            x_label=_("Krippendorff's α (1 = always, 0 = by chance)"),
            reference=0.0,
        ),
        "skips": _reasons(reasons, "skip", SkipReason),
        "flags": _reasons(reasons, "open", FlagReason),
        "costs": costs(campaign) if campaign.currency else None,
        "is_moving": campaign.is_open and left > 0,
        "overlap_to": overlap_under_way(campaign),
        "webhooks_off": switched_off(campaign),
    }


def _time(rows: list[tuple[str, Work]], title: str, x_label: str) -> Any:
    """Active and idle hours, one on the other."""
    return stacked(
        [(name, (w.active_ms / HOUR_MS, w.idle_ms / HOUR_MS)) for name, w in rows],
        [_("active"), _("idle")],
        title=title,
        x_label=x_label,
        y_label=_("hours"),
        note=_("Idle: between the first look and the answer, without a key or a move for 30 s."),
    )


def _reasons(counts: dict[str, int], kind: str, labels: Any) -> list[tuple[str, int]]:
    """(reason in words, how often), most frequent first."""
    names = {f"{kind}:{value}": str(label) for value, label in labels.choices}
    found = [(names[key], n) for key, n in counts.items() if key in names]
    return sorted(found, key=lambda row: (-row[1], row[0]))


def _may_create(request: HttpRequest) -> bool:
    try:
        access.may_create_campaigns(request.user)
    except Refused:
        return False
    return True
