"""Is it worth something: agreement, the labelers, what is believed to be true, and which source is preferred.

GET  /campaigns/<slug>/quality/              agreement on each question, in the course of time, of each two labelers
GET  /campaigns/<slug>/quality/labelers/     how they answer: sides, lengths, circles, haste; gold and errors page by page
GET  /campaigns/<slug>/quality/reliability/  who is right how often, and which items are undecided
GET  /campaigns/<slug>/quality/leaderboard/  sources of responses in the order of preference
POST /campaigns/<slug>/quality/compute/      computes one of them again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication.selectors import (
    categories_of,
    category_in_words,
    errors_by_labeler,
    place,
    queue_of,
)
from annotation.campaigns.models import Campaign
from annotation.gold.selectors import gold_reports
from annotation.items.selectors import items_of
from annotation.people.models import Role, User
from annotation.quality import estimates, reports
from annotation.quality.agreement import headings
from annotation.quality.habits import READ_PER_S, READ_PER_S_CJK, TOO_FAST
from annotation.rendering import plots
from annotation.views.campaigns import is_admin_of, names_for, tab_context
from annotation.views.pages import page, person
from feedback_types import registry

DISPUTED = 20
ROWS = 100  # of a table of labelers
PAGES = {  # statistic -> the page that shows it
    "agreement": "campaign_quality",
    "habits": "campaign_labelers",
    "reliability": "campaign_reliability",
    "leaderboard": "campaign_leaderboard",
}


@page
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    context, data = _context(request, campaign, "agreement")
    rows = [
        row | {"title": context["titles"].get(row["question"], row["question"]), "labels": _labels(row)}
        for row in data.get("questions", [])
    ]
    disputed = queue_of(campaign, by="disagreement")[:DISPUTED]
    return render(
        request,
        "campaigns/quality.html",
        context
        | {
            "agreement": rows,
            "plot": plots.intervals(
                [(r["title"], r["alpha"], r["low"], r["high"]) for r in rows],
                title=_("Agreement on each question"),
                x_label=_("Krippendorff's α (1 = always, 0 = by chance)"),
                reference=0.0,
            ),
            "over_time": _over_time(rows),
            "pairs": _pairs(
                data.get("pairs"), _names(request, campaign, data.get("pairs", {}).get("labelers", []))
            ),
            "disputed": [
                {"row": d, "question": context["titles"].get(d.question, d.question)} for d in disputed
            ],
        },
    )


@page
def labelers(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    context, data = _context(request, campaign, "habits")
    name_of = names_for(request, campaign)
    reported = data.get("labelers", [])[:ROWS]
    names = _names(request, campaign, [r["labeler"] for r in reported])
    questions = []
    for question in data.get("questions", []):
        rows = [
            row | {"who": names.get(row["labeler"], "–")}
            for row in question["rows"]
            if row["labeler"] in names
        ]
        title = context["titles"].get(question["question"], question["question"])
        questions.append(
            {
                "title": title,
                "rows": rows,
                "group": question["group"],
                "first": _shares(rows, question["group"], "first", _("Picked the response shown first")),
                "longer": _shares(rows, question["group"], "longer", _("Picked the longer response")),
            }
        )
    return render(
        request,
        "campaigns/quality_labelers.html",
        context
        | {
            "reports": [
                r | {"who": names.get(r["labeler"], "–"), "last_at": _time(r["last"])} for r in reported
            ],
            "left_out": len(data.get("labelers", [])) - len(reported),
            **_gold(campaign, request.GET.get("gold", ""), name_of),
            **_errors(campaign, request.GET.get("errors", ""), name_of),
            "questions": questions,
            "per_s": round(TOO_FAST * READ_PER_S),
            "per_s_cjk": round(TOO_FAST * READ_PER_S_CJK),
        },
    )


@page
def reliability(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    context, data = _context(request, campaign, "reliability")
    models = []
    known = {row["labeler"] for model in data.get("models", []) for row in model["labelers"][:ROWS]}
    names = _names(request, campaign, known)
    wanted = [row["item"] for model in data.get("models", []) for row in model["unsure"]]
    items = items_of(campaign).in_bulk(wanted)
    for n, model in enumerate(data.get("models", [])):
        rows = [row | {"who": names.get(row["labeler"], "–")} for row in model["labelers"][:ROWS]]
        title = context["titles"].get(model["question"], model["question"])
        models.append(
            model
            | {
                "title": f"{title} · {registry.get(model['type']).label_name(model['label'])}",
                "rows": rows,
                "number": n,
                "plot": plots.intervals(
                    [(row["who"], row["accuracy"], row["low"], row["high"]) for row in rows[:25]],
                    title=_("How often each labeler says what is believed to be true"),
                    x_label=_("probability"),
                    x_range=(0.0, 1.0),
                ),
                "unsure": [
                    row | {"item": items[row["item"]]} for row in model["unsure"] if row["item"] in items
                ],
            }
        )
    return render(
        request,
        "campaigns/quality_reliability.html",
        context
        | {
            "models": models,
            "estimates": _estimates(request, campaign),
            "may_research": context["is_admin"] or Role.RESEARCHER in getattr(campaign, "my_roles", ()),
        },
    )


@page
def leaderboard(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    context, data = _context(request, campaign, "leaderboard")
    boards = []
    for board in data.get("questions", []):
        title = context["titles"].get(board["question"], board["question"])
        rated = [
            (row["source"], *(row["rating"][k] for k in ("value", "low", "high")))
            for row in board["rows"][:30]
        ]
        boards.append(
            board
            | {
                "title": title,
                "plot": plots.intervals(
                    rated,
                    title=title,
                    x_label=_("rating (100 points more: preferred 64 times in a hundred)"),
                    reference=1000.0,
                ),
            }
        )
    return render(request, "campaigns/quality_leaderboard.html", context | {"boards": boards})


@page(methods=["POST"])
def compute(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_overseer(request.user, slug)
    statistic = request.POST.get("statistic", "")
    reports.ask(actor=person(request), campaign=campaign, statistic=statistic)
    messages.success(request, _("A worker computes it again; look back in a moment."))
    return redirect(PAGES[statistic], slug)


# --- Contexts --------------------------------------------------------------------------------------------------------


def _context(
    request: HttpRequest, campaign: Campaign, statistic: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what all four pages show, the statistic's figures or {})."""
    report = reports.read(campaign, statistic)
    context = tab_context(request, campaign, "quality") | {
        "statistic": statistic,
        "report": report,
        "titles": headings(campaign),
    }
    return context, report.data or {}


def _names(request: HttpRequest, campaign: Campaign, ids: Iterable[int]) -> dict[int, str]:
    name_of = names_for(request, campaign)
    return {pk: name_of(user) for pk, user in User.objects.in_bulk(list(ids)).items()}


def _gold(campaign: Campaign, after: str, name_of: Callable[[User], str]) -> dict[str, Any]:
    """How labelers do on gold items, the lowest first; a page of them."""
    found = gold_reports(campaign, after=place(after), size=ROWS + 1)
    last = found[ROWS - 1] if len(found) > ROWS else None
    return {
        "gold": [{"report": g, "who": name_of(g.user)} for g in found[:ROWS]],
        "gold_more": f"{last.latest.mean!r}:{last.user.pk}" if last else "",
    }


def _errors(campaign: Campaign, after: str, name_of: Callable[[User], str]) -> dict[str, Any]:
    """What reviewers found wrong with whose answers, the most first; a page of labelers."""
    page = errors_by_labeler(campaign, after=place(after), size=ROWS + 1)
    errors, last = page[:ROWS], page[ROWS - 1] if len(page) > ROWS else None
    offered = categories_of(campaign)
    found = sorted({c for e in errors for c in e.counts}, key=lambda c: (c not in offered, c))
    return {
        "errors": [
            {
                "who": name_of(e.labeler),
                "overruled": e.overruled,
                "counts": [e.counts.get(category, 0) for category in found],
            }
            for e in errors
        ],
        "errors_more": f"{last.overruled}:{last.labeler.pk}" if last else "",
        "error_names": [
            {"words": category_in_words(campaign, category), "is_gone": category not in offered}
            for category in found
        ],
    }


def _labels(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind = registry.get(row["type"])
    return [label | {"name": kind.label_name(label["label"])} for label in row["labels"]]


def _over_time(rows: Sequence[Mapping[str, Any]]) -> Any:
    series = [
        plots.Series(
            row["title"],
            [
                plots.Point(100 * (n + 1) / len(row["parts"]), part["alpha"], part["low"], part["high"])
                for n, part in enumerate(row["parts"])
                if part["alpha"] is not None
            ],
        )
        for row in rows
        if row["parts"]
    ]
    if not series:
        return None
    return plots.line(
        series[: plots.COLOURS],
        title=_("Agreement in the course of time"),
        note=_("Things judged twice in the order of their last answer, in equal parts."),
        x_label=_("% of the answers, oldest first"),
        y_label=_("Krippendorff's α"),
        reference=0.0,
    )


def _pairs(data: Mapping[str, Any] | None, names: Mapping[int, str]) -> dict[str, Any] | None:
    """The table of each two labelers, row by row; None where nobody shares anything."""
    if not data or not data["cells"]:
        return None
    cells = {(a, b): {"alpha": alpha, "n": n} for a, b, alpha, n in data["cells"]}
    labelers = [who for who in data["labelers"] if who in names]
    rows = [
        {"who": names[a], "cells": [cells.get((min(a, b), max(a, b))) for b in labelers]} for a in labelers
    ]
    return {"heads": [names[who] for who in labelers], "rows": rows, "of": data["of"], "shown": len(labelers)}


def _shares(rows: Sequence[Mapping[str, Any]], group: Mapping[str, Any], what: str, title: str) -> Any:
    told = [(row["who"], row[what]) for row in rows[:25] if row[what]]
    if group[what]:
        told = [(_("all together"), group[what]), *told]
    return plots.intervals(
        [(who, share["share"], share["low"], share["high"]) for who, share in told],
        title=title,
        x_label=_("share of the decided, with 95 % interval"),
        reference=0.5,
        x_range=(0.0, 1.0),
    )


def _estimates(request: HttpRequest, campaign: Campaign) -> list[dict[str, Any]]:
    """What others have learned of the labelers' reliability, such as a reward model; their names as the page shows them."""
    found = estimates.of(campaign)
    known = {}
    if found and is_admin_of(request, campaign):
        members = User.objects.filter(memberships__campaign=campaign).distinct()
        known = {user.pseudonym(campaign.pk): user.username for user in members}
    return [
        {
            "table": table,
            "rows": [row | {"who": known.get(row["pseudonym"], row["pseudonym"])} for row in table.rows],
        }
        for table in found
    ]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
