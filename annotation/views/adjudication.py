"""Reviewers: which item is worth my eyes most, and the last word on it.

GET  /campaigns/<slug>/review/?by=value&after=        the queue, most worth a look first
GET  /campaigns/<slug>/review/<item>/                 one item: every answer, how far they are apart; POST chooses one
GET  /campaigns/<slug>/review/<item>/blind/           the labelers' own screen, before seeing what others said; POST sends
GET  /campaigns/<slug>/review/<item>/write/?like=     the same screen, knowing the others; POST sends
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import access
from annotation.adjudication import selectors, services
from annotation.adjudication.models import Adjudication
from annotation.assignment.selectors import guidelines, protocol
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict, NotFound, Refused
from annotation.items.models import Item
from annotation.items.selectors import items_of
from annotation.people.models import User
from annotation.quality.selectors import consensus
from annotation.rendering.markdown import render_markdown
from annotation.submissions.models import Submission
from annotation.submissions.selectors import answers_of
from annotation.views.assets import bundle_urls
from annotation.views.campaigns import names_for, tab_context
from annotation.views.contexts import letter, screen_context
from annotation.views.pages import page, person, whole
from feedback_types.base import Answer, InvalidPayload, Question, Screen
from feedback_types.protocol import read_form, to_form_data

ON_A_PAGE = 30


@page
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """A page of the queue, as fast at a million items as at ten."""
    campaign = access.campaign_for_reviewer(request.user, slug)
    by = request.GET.get("by", "value")
    by = by if by in selectors.ORDERS else "value"
    rows = list(
        selectors.queue_of(campaign, by=by, after=selectors.place(request.GET.get("after", "")))[
            : ON_A_PAGE + 1
        ]
    )
    shown = rows[:ON_A_PAGE]
    titles = {q.key: q.heading for q in (campaign.protocol.questions if campaign.protocol else ())}
    context = tab_context(request, campaign, "review") | {
        "rows": [{"row": row, "question": titles.get(row.question, row.question)} for row in shown],
        "by": by,
        "more": selectors.place_of(shown[-1], by) if len(rows) > ON_A_PAGE else None,
    }
    return render(request, "adjudication/queue.html", context)


@page(methods=["GET", "HEAD", "POST"])
def settle(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Every answer side by side; choosing one of them is a decision."""
    campaign, item = _item(request, slug, item_id)
    refused: Refused | None = None
    if request.method == "POST":
        try:
            services.adjudicate(
                reviewer=person(request),
                item=item,
                act=Adjudication.Act.CHOOSE,
                chosen=request.POST.get("chosen") or None,
                reason=request.POST.get("reason", ""),
                errors=_errors(request),
                seen=whole(request.POST.get("seen")),
                idempotency_key=request.POST.get("idempotency_key", ""),
            )
            return _done(request, campaign, item)
        except Refused as error:
            refused = error
    context = tab_context(request, campaign, "review") | settle_context(request, campaign, item)
    context |= {"refused": refused, "posted": request.POST, "key": uuid.uuid4()}
    return render(request, "adjudication/item.html", context, status=refused.status if refused else 200)


@page(methods=["GET", "HEAD", "POST"])
def answer(request: HttpRequest, slug: str, item_id: int, act: str) -> HttpResponse:
    """The labelers' own screen for a reviewer: blind, or knowing what the others said."""
    campaign, item = _item(request, slug, item_id)
    protocol_id = selectors.protocol_id_of(item)
    if protocol_id is None:
        raise Conflict(_("Nothing is asked yet."), code="nothing_to_settle")
    questions = selectors.questions_of(protocol_id)
    is_blind = act == Adjudication.Act.BLIND
    screen = selectors.screen_of(
        item, selectors.order_of(item, reviewer=person(request) if is_blind else None)
    )
    errors: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        try:
            services.adjudicate(
                reviewer=person(request),
                item=item,
                act=act,
                answers=read_form(questions, screen, request.POST),
                reason=request.POST.get("reason", ""),
                errors={} if is_blind else _errors(request),
                seen=whole(request.POST.get("seen")),
                idempotency_key=request.POST.get("idempotency_key", ""),
            )
            return _done(request, campaign, item, is_blind=is_blind)
        except InvalidPayload as error:
            errors, status = {"__all__": [_("A question still needs you.")], **error.errors}, 422
        except Refused as refused:
            errors, status = {"__all__": [refused.message], **refused.fields}, refused.status
    now = selectors.current(item)
    context = screen_context(
        questions,
        screen,
        data=request.POST if request.method == "POST" else None,
        initial=None if is_blind else _like(request, item, questions, screen),
        errors=errors,
    )
    context["item"] |= {
        "idempotency_key": str(uuid.uuid4()),
        "protocol_version": protocol(protocol_id).number,
        "errors": [*errors.get("__all__", []), *errors.get("reason", [])],
        "is_sensitive": bool((item.metadata or {}).get("sensitive")),
        "review": {
            "is_blind": is_blind,
            "seen": (now.pk if now else "") if request.method != "POST" else request.POST.get("seen", ""),
            "reason": request.POST.get("reason", ""),
            "back": reverse("campaign_review_item", args=[slug, item.pk]),
            "others": () if is_blind else _rows(request, campaign, item),
            "categories": selectors.categories_of(campaign).items(),
        },
    }
    context["item"]["urls"]["submit"] = request.path
    told = guidelines(campaign.guidelines_id) if campaign.guidelines_id else None
    context |= {"campaign": campaign, "guidelines": told, "assets": bundle_urls()}
    return render(request, "adjudication/screen.html", context, status=status)


# --- Contexts --------------------------------------------------------------------------------------------------------


def settle_context(request: HttpRequest, campaign: Campaign, item: Item) -> dict[str, Any]:
    """What a page about a disputed item shows: texts, answers, how far they are apart, decisions."""
    now = selectors.settled(item)
    shown = decisions_of(item, campaign, names_for(request, campaign))
    mine = Submission.objects.filter(item=item, labeler=person(request)).exists()
    return {
        "item": item,
        "prompt": [(m["role"], render_markdown(m["content"])) for m in item.prompt.messages],
        "responses": [
            {"letter": letter(n), "html": render_markdown(link.response.text)}
            for n, link in enumerate(item.links)  # type: ignore[attr-defined]
        ],
        "rows": _rows(request, campaign, item),
        "spreads": spreads_of(item, campaign),
        "decision": now.adjudication if now else None,
        "seen": shown[0]["row"].pk if shown else "",
        "decisions": shown,
        "categories": selectors.categories_of(campaign).items(),
        "may_be_blind": not mine and not any(d["row"].reviewer_id == request.user.pk for d in shown),
    }


def decisions_of(item: Item, campaign: Campaign, name_of: Callable[[User], str]) -> list[dict[str, Any]]:
    """Every decision about an item, latest first, in words; responses are lettered as on the item's page."""
    screen = selectors.screen_of(item, selectors.order_of(item))
    return [
        {
            "row": d,
            "who": name_of(d.reviewer),
            "lines": _lines(selectors.answers_of(d), {q.key: q for q in d.protocol.questions}, screen),
            "holds": n == 0,
            "errors": [selectors.category_in_words(campaign, e.category) for e in d.errors.all()],
        }
        for n, d in enumerate(selectors.history(item))
    ]


def spreads_of(item: Item, campaign: Campaign) -> list[dict[str, Any]]:
    """How far the answers to each question about each response are apart, and what the group says."""
    questions = {q.key: q for q in (campaign.protocol.questions if campaign.protocol else ())}
    order = selectors.order_of(item)
    screen = selectors.screen_of(item, order)
    return [
        {
            "question": questions[c.question].heading if c.question in questions else c.question,
            "target": screen.letter(c.target) if c.target in order else "",
            "answers": c.answers,
            "spread": c.spread,
            # An earlier version of the questions may have asked something else by this name.
            "group": q.type.summary(c.payload, screen, q.settings)
            if (q := questions.get(c.question)) is not None and q.type.slug == c.type
            else "",
        }
        for c in consensus(item)
    ]


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _rows(request: HttpRequest, campaign: Campaign, item: Item) -> list[dict[str, Any]]:
    """Every answer in its latest version, responses lettered alike in all of them."""
    name_of = names_for(request, campaign)
    screen = selectors.screen_of(item, selectors.order_of(item))
    current = campaign.protocol.number if campaign.protocol else None
    rows = []
    for s in (
        Submission.objects.filter(item=item, superseded_by=None)
        .select_related("labeler", "assignment__item__prompt")
        .order_by("submitted_at")
    ):
        questions = {q.key: q for q in protocol(s.assignment.protocol_id).questions}
        rows.append(
            {
                "submission": s,
                "who": name_of(s.labeler),
                "lines": _lines(answers_of(s), questions, screen),
                "is_old": s.protocol_version != current,
                "posted": request.POST.get(f"error-{s.pk}", ""),
            }
        )
    return rows


def _lines(
    answers: Iterable[Answer], questions: Mapping[str, Question], screen: Screen
) -> list[tuple[str, str]]:
    """(question and which response it is about, one line that a reviewer reads) for each answer."""
    return [
        (
            q.heading if a.target is None else f"{q.heading} {screen.letter(a.target)}",
            q.type.summary(a.payload, screen, q.settings),
        )
        for a in answers
        if (q := questions.get(a.question)) is not None
    ]


def _like(request: HttpRequest, item: Item, questions: Any, screen: Screen) -> dict[str, Any] | None:
    """Form fields to begin with: an answer's that is named, else the decision's that holds."""
    asked = {q.key for q in questions}
    like = request.GET.get("like", "")
    given: list[Any] = []
    if like:
        try:
            submission = Submission.objects.filter(pk=uuid.UUID(like), item=item).first()
        except ValueError:
            submission = None
        given = answers_of(submission) if submission else []
    elif now := selectors.settled(item):
        given = now.answers
    return to_form_data(questions, screen, [a for a in given if a.question in asked]) if given else None


def _item(request: HttpRequest, slug: str, item_id: int) -> tuple[Campaign, Item]:
    campaign = access.campaign_for_reviewer(request.user, slug)
    item = items_of(campaign).filter(pk=item_id).first() if item_id < 2**63 else None
    if item is None:
        raise NotFound(_("There is no such item in this campaign."))
    item.campaign = campaign
    return campaign, item


def _done(request: HttpRequest, campaign: Campaign, item: Item, *, is_blind: bool = False) -> HttpResponse:
    if is_blind:
        messages.success(request, _("Kept. Now look at what the others said; you may say what went wrong."))
        return redirect("campaign_review_item", campaign.slug, item.pk)
    messages.success(request, _("The item is settled."))
    return redirect("campaign_review", campaign.slug)


def _errors(request: HttpRequest) -> dict[str, str]:
    return {
        name.removeprefix("error-"): str(value)
        for name, value in request.POST.items()
        if name.startswith("error-") and value
    }
