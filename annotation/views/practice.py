"""Practice on the labeling page, in place: an item, the comparison with what was expected, on; and how it went.

POST …/label/<assignment>/            an answer to a practice item (annotation/views/label.py hands it over)
POST …/label/practice/                act=on: the comparison was read;   act=again: another attempt
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation import access
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import guidelines, questions_for, screen_for
from annotation.campaigns.models import Campaign
from annotation.errors import Conflict
from annotation.gold.answers import expected_of, said_of
from annotation.people.models import User
from annotation.qualification import selectors, services
from annotation.qualification.models import PracticeAnswer, Qualification
from annotation.rendering import render_markdown
from annotation.views.assets import bundle_urls
from annotation.views.contexts import assignment_context, letter
from annotation.views.pages import page
from feedback_types.base import InvalidPayload
from feedback_types.protocol import read_form


def practice_page(request: HttpRequest, campaign: Campaign, person: User) -> HttpResponse | None:
    """What a newcomer sees instead of work; None for whoever may work. The comparison of the last answer comes first, also
    when the attempt is over."""
    if not campaign.practice_first or not campaign.is_open:
        return None
    attempt = selectors.last_attempt(person.pk, campaign)
    if attempt is not None and (said := selectors.unseen(attempt)):
        return render(request, "label/practice.html", {**_compared(said), **_place(campaign, person)})
    if not selectors.is_held_back(person.pk, campaign):
        return None
    assignment = services.next_practice(labeler=person, campaign=campaign)
    if assignment is not None:
        return _screen(request, assignment, person)
    context = _place(campaign, person)
    if not context["standing"].of:
        return None  # everything was answered as work before
    return render(request, "label/not_qualified.html", context)


def answer(request: HttpRequest, assignment: Assignment, person: User) -> HttpResponse:
    """Stores an answer to a practice item; the labeling page then compares it."""
    screen = screen_for(assignment)
    try:
        answers = read_form(questions_for(assignment), screen, request.POST)
    except InvalidPayload as error:
        errors = {"__all__": [_("A question still needs you; what you wrote is kept.")], **error.errors}
        return _screen(request, assignment, person, status=422, data=request.POST, errors=errors)
    try:
        services.answer_practice(
            labeler=person,
            assignment=assignment,
            idempotency_key=request.POST.get("idempotency_key", ""),
            answers=answers,
            screen=screen,
        )
    except Conflict as conflict:  # sent twice, or from another tab: the page shows where this person is
        messages.warning(request, conflict.message)
    return redirect("label", assignment.campaign.slug)


@page(methods=["POST"])
def step(request: HttpRequest, slug: str) -> HttpResponse:
    """On to the next item, or another attempt."""
    campaign = access.campaign_for_labeler(request.user, slug)
    assert isinstance(request.user, User)
    if request.POST.get("act") == "again":
        services.try_again(labeler=request.user, campaign=campaign)
    else:
        services.go_on(labeler=request.user, campaign=campaign)
    return redirect("label", slug)


def _screen(
    request: HttpRequest, assignment: Assignment, person: User, status: int = 200, **filled: Any
) -> HttpResponse:
    context = assignment_context(assignment, assignment.campaign, **filled)
    context |= {**_place(assignment.campaign, person), "assets": bundle_urls()}
    context["item"]["practice"] = True
    return render(request, "label/page.html", context, status=status)


def _place(campaign: Campaign, person: User) -> dict[str, Any]:
    standing = selectors.standing(person, campaign)
    is_over = standing.state != Qualification.State.QUALIFYING
    return {
        "campaign": campaign,
        "guidelines": guidelines(campaign.guidelines_id or 0),
        "standing": standing,
        "practice": {"number": min(standing.answered + 1, standing.of), "of": standing.of},
        "is_over": is_over,
        "is_qualified": standing.state == Qualification.State.QUALIFIED,
    }


def _compared(said: PracticeAnswer) -> dict[str, Any]:
    """Own and expected answers in the types' own words, question by question."""
    assignment = said.assignment
    screen = screen_for(assignment)
    expected = expected_of(assignment.item)
    own = said_of(said.answers)
    rows = []
    for q in questions_for(assignment):
        told = [q.type.summary(a.payload, screen, q.settings) for a in own if a.question == q.key]
        right = [
            [
                q.type.summary(a.payload, screen, q.settings)
                for a in way
                if a.question == q.key and a.type == q.type.slug
            ]
            for way in expected.acceptable
        ]
        ways = [lines for n, lines in enumerate(right) if lines and lines not in right[:n]]
        if told or ways:
            rows.append({"title": q.heading, "own": told, "ways": ways, "score": said.scores.get(q.key)})
    return {
        "rows": rows,
        "score": said.score,
        "explanation": expected.explanation,
        "prompt": [(m.role, render_markdown(m.content)) for m in screen.prompt[-1:]],
        "responses": [
            {"label": letter(n), "html": render_markdown(r.text)} for n, r in enumerate(screen.responses)
        ],
    }
