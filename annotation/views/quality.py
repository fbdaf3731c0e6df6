"""Do labelers agree, and who needs help: agreement on each question with its interval, labelers, disputed items."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation import access
from annotation.items.selectors import items_of
from annotation.quality import selectors
from annotation.rendering import plots
from annotation.views.campaigns import tab_context
from annotation.views.pages import page

DISPUTED = 20


@page
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    agreement = selectors.agreement(campaign)
    disputed = selectors.most_disputed(campaign, limit=DISPUTED)
    items = items_of(campaign).in_bulk([d.item_id for d in disputed])
    titles = {row.question: row.label for row in agreement}
    tab = tab_context(request, campaign, "quality")
    reports = selectors.labeler_reports(campaign)
    context = tab | {
        "agreement": agreement,
        "plot": plots.intervals(
            [(row.label, row.alpha, row.low, row.high) for row in agreement if row.alpha is not None],
            title=_("Agreement on each question"),
            x_label=_("Krippendorff's α (1 = always, 0 = by chance)"),
            reference=0.0,
        ),
        "reports": [
            {"report": r, "who": r.user.username if tab["is_admin"] else r.user.pseudonym(campaign.pk)}
            for r in reports
        ],
        "disputed": [
            {"row": d, "item": items[d.item_id], "question": titles.get(d.question, d.question)}
            for d in disputed
            if d.item_id in items
        ],
    }
    return render(request, "campaigns/quality.html", context)
