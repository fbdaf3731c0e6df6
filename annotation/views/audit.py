"""What admins, reviewers and researchers did: who, what, about what, before and after, when.

GET /campaigns/<slug>/history/?who=&what=&after=      of one campaign, for its admins
GET /history/?who=&what=&after=                       of the whole site, for superusers
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from annotation import access
from annotation.campaigns.models import Campaign
from annotation.people.selectors import audited_actions, audited_people, audited_with
from annotation.rendering.changes import changes
from annotation.views.campaigns import tab_context
from annotation.views.pages import page, whole

ON_A_PAGE = 50
MOST_CHANGES = 60  # of one act; beyond, how many more there are is told


@page
def campaign(request: HttpRequest, slug: str) -> HttpResponse:
    """One campaign's history, latest first; a page continues after an id."""
    found = access.campaign_for_admin(request.user, slug)
    context = tab_context(request, found, "audit") | _context(request, found)
    return render(request, "campaigns/audit.html", context)


@page
def site(request: HttpRequest) -> HttpResponse:
    """Everything on the site, also what belongs to no campaign: endpoints, tokens, sign-in links, erasures."""
    access.may_administer_site(request.user)
    return render(request, "audit.html", _context(request, None))


def _context(request: HttpRequest, of: Campaign | None) -> dict[str, Any]:
    who, what = (request.GET.get(name, "").strip() for name in ("who", "what"))
    after = whole(request.GET.get("after"))
    rows = list(audited_with(of, who=who, what=what, before=after)[: ON_A_PAGE + 1])
    return {
        "events": [_event(row) for row in rows[:ON_A_PAGE]],
        "who": who,
        "what": what,
        "people": audited_people(of),
        "actions": audited_actions(of),
        "older": urlencode({"who": who, "what": what, "after": str(rows[ON_A_PAGE - 1].pk)})
        if len(rows) > ON_A_PAGE
        else "",
    }


def _event(row: Any) -> dict[str, Any]:
    leaves = list(islice(changes(row.before, row.after), MOST_CHANGES + 1))
    return {"row": row, "changes": leaves[:MOST_CHANGES], "has_more": len(leaves) > MOST_CHANGES}
