"""Items of a campaign: find them, look at one with every answer. How they come in: imports.py.

GET  /campaigns/<slug>/items/?state=&q=&after=      GET /campaigns/<slug>/items/<id>/
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from annotation import access
from annotation.assignment.models import Flag, Skip
from annotation.assignment.services import change_item_overlap, resolve_flag
from annotation.errors import NotFound, Refused
from annotation.items.models import Import, Item
from annotation.items.selectors import REPORTED, item_state, items_of, page_of
from annotation.rendering.markdown import render_markdown
from annotation.submissions.models import Submission
from annotation.submissions.selectors import summaries_of
from annotation.views.adjudication import decisions_of, spreads_of
from annotation.views.campaigns import names_for, tab_context
from annotation.views.contexts import letter
from annotation.views.gold import expected_context
from annotation.views.pages import page, person, whole

ITEMS_ON_A_PAGE = 50
STATES = {
    "waiting": gettext_lazy("waiting"),
    "begun": gettext_lazy("begun"),
    "complete": gettext_lazy("complete"),
    "held": gettext_lazy("held back"),
    "gold": pgettext_lazy("state of an item", "gold"),
    "practice": pgettext_lazy("state of an item", "practice"),
    "withdrawn": gettext_lazy("withdrawn"),
}
TONES = {
    "waiting": "none",
    "begun": "info",
    "complete": "good",
    "held": "bad",
    "gold": "info",
    "practice": "info",
    "withdrawn": "warn",
}


@page
def items(request: HttpRequest, slug: str) -> HttpResponse:
    """A page of items, newest first, continued after an id: as fast at a million items as at ten."""
    campaign = access.campaign_for_overseer(request.user, slug)
    state, query, after = (
        request.GET.get("state", ""),
        request.GET.get("q", "").strip(),
        request.GET.get("after", ""),
    )
    shown = page_of(
        campaign,
        state=state if state in (*STATES, REPORTED) else "",
        query="" if "\x00" in query else query,
        after=whole(after),
        size=ITEMS_ON_A_PAGE,
    )
    tab = tab_context(request, campaign, "items")
    context = tab | {
        "rows": [_row(item) for item in shown.items],
        "looked": shown.looked,
        "states": [*STATES.items(), (REPORTED, _("reported"))],
        "state": state,
        "query": query,
        "imports": Import.objects.filter(
            campaign=campaign, status__in=("uploaded", "queued", "running", "failed")
        ).order_by("-pk")[:10]
        if tab["is_admin"]
        else (),
        "after": shown.after,
    }
    return render(request, "campaigns/items.html", context)


@page
def item(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """One item: prompt, responses with their sources, every answer ever given, and what the group thinks."""
    campaign = access.campaign_for_overseer(request.user, slug)
    found = items_of(campaign).filter(pk=item_id).first() if item_id < 2**63 else None
    if found is None:
        raise NotFound(_("There is no such item in this campaign."))
    submissions = (
        Submission.objects.filter(item=found)
        .select_related("labeler", "assignment__item__prompt")
        .order_by("submitted_at")
    )
    tab, name_of = tab_context(request, campaign, "items"), names_for(request, campaign)
    rows = [
        {
            "submission": s,
            "who": name_of(s.labeler),
            "lines": summaries_of(s),
            "order": ", ".join(
                f"{letter(n)} = {_letters(found)[response_id]}"
                for n, response_id in enumerate(s.assignment.response_order)
            ),
            "active_s": None if s.active_ms is None else s.active_ms / 1000,
            "is_old": campaign.protocol is not None and s.protocol_version != campaign.protocol.number,
            "is_superseded": hasattr(s, "superseded_by"),
        }
        for s in submissions.select_related("superseded_by")
    ]
    context = tab | {
        "item": found,
        "state": item_state(found),
        "state_label": STATES[item_state(found)],
        "tone": TONES[item_state(found)],
        "responses": [
            {"number": n + 1, "response": link.response, "html": render_markdown(link.response.text)}
            for n, link in enumerate(found.links)  # type: ignore[attr-defined]
        ],
        "prompt": [(m["role"], render_markdown(m["content"])) for m in found.prompt.messages],
        "rows": rows,
        "spreads": spreads_of(found, campaign),
        "decisions": decisions_of(found, campaign, name_of),
        "overlap_range": (max(1, found.counted), 100),
        **expected_context(found),
        "skips": Skip.objects.filter(assignment__item=found).select_related("assignment__labeler"),
        "flags": Flag.objects.filter(assignment__item=found).select_related("assignment__labeler"),
    }
    return render(request, "campaigns/item.html", context)


@page(methods=["POST"])
def resolve(request: HttpRequest, slug: str, flag_id: int) -> HttpResponse:
    """An admin has looked at a report: the item stays (one that was held back returns), or leaves everybody's queue."""
    campaign = access.campaign_for_admin(request.user, slug)
    flag = Flag.objects.filter(pk=flag_id, assignment__campaign=campaign).select_related("assignment").first()
    if flag is None:
        raise NotFound(_("There is no such report."))
    resolve_flag(actor=person(request), flag=flag, withdraw=request.POST.get("withdraw") == "yes")
    return redirect("campaign_item", slug, flag.assignment.item_id)


@page(methods=["POST"])
def overlap(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """One item is wanted more or less often than the others."""
    campaign = access.campaign_for_admin(request.user, slug)
    found = Item.objects.filter(campaign=campaign, pk=item_id).first() if item_id < 2**63 else None
    if found is None:
        raise NotFound(_("There is no such item in this campaign."))
    text = request.POST.get("overlap", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    try:
        change_item_overlap(actor=person(request), item=found, overlap=number)
    except Refused as refused:
        messages.warning(request, refused.message)
    else:
        messages.success(request, _("Saved."))
    return redirect("campaign_item", slug, item_id)


def _row(item: Item) -> dict[str, Any]:
    state = item_state(item)
    return {"item": item, "state": STATES[state], "tone": TONES[state]}


def _letters(item: Item) -> dict[int, str]:
    """Response id -> its number on this page."""
    return {link.response_id: str(n + 1) for n, link in enumerate(item.links)}  # type: ignore[attr-defined]
