"""Home (what is waiting for me), a labeler's own work, and how the pages look to one person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication.selectors import category_in_words, errors_of
from annotation.campaigns.models import Campaign
from annotation.campaigns.selectors import campaign_progress, labeler_progress, own_answers_per_day
from annotation.ledger.selectors import own_balance
from annotation.people.models import Role
from annotation.people.selectors import words_for
from annotation.quality.selectors import own_score
from annotation.rendering import plots
from annotation.rollups.selectors import own_days
from annotation.submissions.selectors import own_page, summaries_of
from annotation.views.navigation import STAFF
from annotation.views.pages import page, person

YEAR_S = 365 * 24 * 3600
THEMES = ("light", "dark")
ANSWERS_ON_A_PAGE = 20


@page
def home(request: HttpRequest) -> HttpResponse:
    """Every campaign of this person with what it wants from each of their roles; what can be worked on comes first."""
    order = {
        Campaign.State.OPEN: 0,
        Campaign.State.PAUSED: 1,
        Campaign.State.DRAFT: 2,
        Campaign.State.CLOSED: 3,
    }
    campaigns = sorted(
        access.campaigns_for(request.user), key=lambda c: (order[Campaign.State(c.state)], c.name)
    )
    to_label: list[dict[str, Any]] = []
    to_oversee: list[dict[str, Any]] = []
    for campaign in campaigns:
        roles = set(campaign.my_roles)  # type: ignore[attr-defined]
        if Role.LABELER in roles and campaign.state != Campaign.State.DRAFT:
            to_label.append({"campaign": campaign, "mine": labeler_progress(person(request), campaign)})
        if roles & STAFF:
            to_oversee.append(
                {
                    "campaign": campaign,
                    "progress": campaign_progress(campaign),
                    "roles": sorted(roles & STAFF),
                }
            )
    context = {"to_label": to_label, "to_oversee": to_oversee, "words": words_for(person(request))}
    return render(request, "home.html", context)


@page
def my_work(request: HttpRequest) -> HttpResponse:
    """How am I doing: today, this week, for each campaign; my answers, which I may still change."""
    user = person(request)
    today = timezone.now().astimezone(dt.UTC).date()
    week = today - dt.timedelta(days=today.weekday())
    days = own_days(user.pk)
    totals = {
        "today": sum(work.answers for day, work in days if day >= today),
        "week": sum(work.answers for day, work in days if day >= week),
        "total": sum(work.answers for _day, work in days),
    }
    campaigns: list[dict[str, Any]] = [
        {
            "campaign": campaign,
            "mine": labeler_progress(user, campaign),
            "score": own_score(user, campaign) if campaign.shows_scores else None,
            "balance": own_balance(user, campaign) if campaign.currency else None,
            "errors": [
                (category_in_words(campaign, category), n)
                for category, n in errors_of(user, campaign).items()
            ],
        }
        for campaign in access.campaigns_for(user, Role.LABELER).order_by("name")
    ]
    answers, before = own_page(user, before=_moment(request.GET.get("before", "")), size=ANSWERS_ON_A_PAGE)
    open_to = {row["campaign"].pk for row in campaigns if row["campaign"].state != Campaign.State.CLOSED}
    rows = [
        {"submission": s, "lines": summaries_of(s), "may_change": s.campaign_id in open_to} for s in answers
    ]
    context = {
        "totals": totals,
        "per_day": plots.bars(
            [
                (day.strftime("%d %b"), n)
                for day, n in own_answers_per_day(user, [row["campaign"] for row in campaigns])
            ],
            title=_("My answers per day"),
            y_label=_("answers"),
            x_label=_("day"),
        )
        if totals["total"]
        else "",
        "shows_scores": any(row["score"] for row in campaigns),
        "active_minutes_today": sum(work.active_ms for day, work in days if day >= today) / 60_000,
        "campaigns": campaigns,
        "is_paid": any(row["balance"] for row in campaigns),
        "has_errors": any(row["errors"] for row in campaigns),
        "rows": rows,
        "words": words_for(user),
        "before": before.isoformat() if before else "",
    }
    return render(request, "my_work.html", context)


@page(methods=["POST"], is_public=True)
def preferences(request: HttpRequest) -> HttpResponse:
    """Language and look, kept in cookies so that the very first byte of a page is right."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = redirect(back)
    options: dict[str, Any] = {
        "max_age": YEAR_S,
        "samesite": "Lax",
        "secure": request.is_secure(),
        "httponly": True,
    }
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, **options)
    elif theme:
        response.delete_cookie("theme", samesite="Lax")
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and check_for_language(language):
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, **options)
    return response


def _moment(text: str) -> dt.datetime | None:
    """Where a list goes on; None for anything that did not come from it."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.year > 1 else None
