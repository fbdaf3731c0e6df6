"""Which feedback types there are: each in two sentences, by the survey's attributes, with an example that works.

GET  /types/?category=primary&show=critique      for everybody; POST is an answer to the example: read, not stored
POST /campaigns/<slug>/questions/types/          for an admin who chooses; the questions chosen so far are carried along
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from annotation import access
from annotation.views.assets import bundle_urls
from annotation.views.campaigns import tab_context
from annotation.views.contexts import screen_context
from annotation.views.pages import page
from annotation.views.protocol_form import drafts_of, why_not
from feedback_types import overview, registry
from feedback_types.base import Answer, FeedbackType, InvalidPayload, Question, Screen, Target
from feedback_types.protocol import read_form

# The survey's attributes, and what its values are called. A value that is not here is shown as the type declares it.
FILTERS = {
    "category": gettext_lazy("Class"),
    "granularity": gettext_lazy("Granularity"),
    "involvement": gettext_lazy("Involvement"),
    "arity": gettext_lazy("Arity"),
    "abstraction": gettext_lazy("Abstraction"),
    "intent": gettext_lazy("Intent"),
    "explicitness": gettext_lazy("Explicitness"),
}
WORDS = {
    "-": gettext_lazy("left open"),
    "primary": gettext_lazy("primary"),
    "supplementary": gettext_lazy("supplementary"),
    "representation": gettext_lazy("representation-specific"),
    "sft": gettext_lazy("for fine-tuning"),
    "Segment": gettext_lazy("segment"),
    "Episode": gettext_lazy("episode"),
    "Observed": gettext_lazy("observed"),
    "Active": gettext_lazy("active"),
    "Co-generative": gettext_lazy("co-generative"),
    "Single": gettext_lazy("single"),
    "Multiple": gettext_lazy("multiple"),
    "Ternary": gettext_lazy("ternary"),
    "Feature": gettext_lazy("feature"),
    "Instance": gettext_lazy("instance"),
    "Evaluative": gettext_lazy("evaluative"),
    "Descriptive": gettext_lazy("descriptive"),
    "Literal": gettext_lazy("literal"),
    "Instructive": gettext_lazy("instructive"),
    "Explicit": gettext_lazy("explicit"),
    "Implicit": gettext_lazy("implicit"),
}
ABOUT = {
    Target.SET: gettext_lazy("about all responses together"),
    Target.EACH: gettext_lazy("about each response"),
    Target.ONE: gettext_lazy("about one response of the labeler's choice"),
}


@page(methods=["GET", "HEAD", "POST"])
def types(request: HttpRequest) -> HttpResponse:
    """All types, for whoever has signed in."""
    return render(request, "types/page.html", _context(request, request.GET, _shown(request.GET)))


@page(methods=["GET", "HEAD", "POST"])
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """All types, to add one to a campaign's questions. What was typed there is in the form and goes back with the choice."""
    campaign = access.campaign_for_admin(request.user, slug)
    drafts = drafts_of(request, campaign)
    # A try of the example is a form of its own: it carries no drafts, and those of the campaign would be wrong.
    data = request.POST if "count" in request.POST else request.GET
    context = _context(request, data, _shown(data)) | tab_context(request, campaign, "settings")
    for row in context["rows"]:
        row["why_not"] = why_not(drafts, row["type"])
    return render(request, "types/page.html", context | {"drafts": drafts, "step": 2})


def _context(request: HttpRequest, chosen: Mapping[str, Any], shown: FeedbackType | None) -> dict[str, Any]:
    rows = [_row(t) for t in registry.all_types()]
    wanted = {name: str(chosen[name]) for name in FILTERS if chosen.get(name)}
    found = [row for row in rows if all(row["values"][name] == value for name, value in wanted.items())]
    return {
        "rows": found,
        "count": ngettext("%(n)d type", "%(n)d types", len(found)) % {"n": len(found)},
        "filters": [
            {
                "name": name,
                "label": label,
                "chosen": wanted.get(name, ""),
                "options": [(v, _word(v)) for v in sorted({row["values"][name] for row in rows})],
            }
            for name, label in FILTERS.items()
        ],
        "shown": shown,
        "assets": bundle_urls(),
        **(_example(request, shown) if shown else {}),
    }


def _shown(data: Mapping[str, Any]) -> FeedbackType | None:
    try:
        return registry.get(str(data.get("show", "")))
    except registry.UnknownType:
        return None


def _row(feedback_type: FeedbackType) -> dict[str, Any]:
    values = {"category": feedback_type.category, **vars(feedback_type.attributes)}
    fewest, most = feedback_type.arity
    takes = (
        ngettext("%(n)d response", "%(n)d responses", fewest) % {"n": fewest}
        if fewest == most
        else _("%(fewest)d to %(most)d responses") % {"fewest": fewest, "most": most}
    )
    return {
        "type": feedback_type,
        "values": values,
        "category": _word(feedback_type.category),
        "attributes": [(FILTERS[n], _word(v)) for n, v in values.items() if v != "-" and n != "category"],
        "takes": takes,
        "about": ABOUT[feedback_type.target],
    }


def _word(value: str) -> Any:
    return WORDS.get(value, value)


def _example(request: HttpRequest, feedback_type: FeedbackType) -> dict[str, Any]:
    """The type's own example on the labelers' screen; an answer that was posted is read and told, and stored nowhere."""
    example = overview.example(feedback_type)
    question = Question("q", feedback_type, feedback_type.settings(example.settings))
    is_try = request.method == "POST" and "idempotency_key" in request.POST
    said: Sequence[Answer] = ()
    errors: Mapping[str, Sequence[str]] = {}
    if is_try:
        try:
            said = read_form([question], example.screen, request.POST)
        except InvalidPayload as error:
            errors = error.errors
    context = screen_context([question], example.screen, data=request.POST if is_try else None, errors=errors)
    context["item"]["urls"]["submit"] = f"{reverse('types')}?show={feedback_type.slug}#example"
    return context | {
        "said": [_told(answer, example.screen, question.settings, feedback_type) for answer in said],
        "stored": json.dumps(dict(example.payload), ensure_ascii=False, indent=1),
    }


def _told(answer: Answer, screen: Screen, settings: Any, feedback_type: FeedbackType) -> dict[str, str]:
    return {
        "about": screen.letter(answer.target) if answer.target is not None else "",
        "summary": feedback_type.summary(answer.payload, screen, settings),
        "payload": json.dumps(answer.payload.dump(), ensure_ascii=False, indent=1),
    }
