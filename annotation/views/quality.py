"""Do labelers agree, and who needs help: agreement on each question with its interval, labelers, disputed items."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication.selectors import categories_of, category_in_words, errors_by_labeler, queue_of
from annotation.gold.selectors import gold_reports
from annotation.quality import selectors
from annotation.rendering import plots
from annotation.views.campaigns import tab_context
from annotation.views.pages import page

DISPUTED = 20


@page
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    agreement = selectors.agreement(campaign)
    disputed = queue_of(campaign, by="disagreement")[:DISPUTED]
    errors, offered = errors_by_labeler(campaign), categories_of(campaign)
    found = sorted({c for e in errors for c in e.counts}, key=lambda c: (c not in offered, c))
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
        "gold": [
            {"report": g, "who": g.user.username if tab["is_admin"] else g.user.pseudonym(campaign.pk)}
            for g in gold_reports(campaign)
        ],
        "disputed": [{"row": d, "question": titles.get(d.question, d.question)} for d in disputed],
        "errors": [
            {
                "who": e.labeler.username if tab["is_admin"] else e.labeler.pseudonym(campaign.pk),
                "overruled": e.overruled,
                "counts": [e.counts.get(category, 0) for category in found],
            }
            for e in errors
        ],
        "error_names": [
            {"words": category_in_words(campaign, category), "is_gone": category not in offered}
            for category in found
        ],
    }
    return render(request, "campaigns/quality.html", context)
