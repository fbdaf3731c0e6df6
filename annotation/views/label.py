"""The labeling screen: one page that works as a plain form, and the small requests of its script.

GET  …/label/              the item on the screen              GET  …/label/next/    the one behind it, as a fragment
POST …/label/17/           an answer; a script gets the item after the next in the same reply
GET  …/label/undo/         the last answer, filled in; sending it adds a revision
POST …/label/17/draft/  heartbeat/  skip/  flag/
POST …/label/17/preview/better/     what a widget asks while the answer is in the making
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation import access
from annotation.assignment import services as assignment_services
from annotation.assignment.models import Assignment
from annotation.assignment.selectors import (
    asks,
    closed_to,
    guidelines,
    protocol,
    questions_for,
    screen_for,
    unread_guidelines,
)
from annotation.campaigns.models import Campaign, Guidelines
from annotation.errors import Conflict, Forbidden, Invalid, NotFound
from annotation.items.models import Purpose
from annotation.people.selectors import is_labeler, needs_a_word
from annotation.rendering import render_markdown
from annotation.rendering.differences import differences
from annotation.submissions import services as submission_services
from annotation.submissions.models import Submission
from annotation.submissions.selectors import form_data_of
from annotation.views.assets import bundle_urls
from annotation.views.brake import brake
from annotation.views.contexts import assignment_context
from annotation.views.pages import page, person, wants_json, whole
from annotation.views.practice import answer as practice_answer
from annotation.views.practice import practice_page
from feedback_types.base import InvalidPayload
from feedback_types.protocol import read_form

MAX_BEYOND = 4
PREVIEWS_A_MINUTE = 240  # of one person: four a second are more than a hand asks for


@page
def label(request: HttpRequest, slug: str) -> HttpResponse:
    """The item that this person holds, or a new one; else a page that says why there is none."""
    try:
        campaign = access.campaign_for_labeler(request.user, slug)
    except Forbidden as refused:
        if refused.code != "paused":
            raise
        return render(
            request, "label/stopped.html", {"campaign": Campaign.objects.get(slug=slug)}, status=403
        )
    if (shown := practice_page(request, campaign, person(request))) is not None:
        return shown
    assignment = assignment_services.lease_next(labeler=person(request), campaign=campaign)
    if assignment is None and campaign.is_open and (known := unread_guidelines(person(request), campaign)):
        now = guidelines(campaign.guidelines_id or 0)
        parts = differences(known.markdown, now.markdown)
        return render(
            request, "label/changed.html", {"campaign": campaign, "guidelines": now, "parts": parts}
        )
    if assignment is None:
        state = campaign.state
        if campaign.is_open:
            state = "done" if asks(campaign, person(request).pk) else "unasked"
        mine = Submission.objects.filter(labeler=person(request), campaign=campaign, revision=0).count()
        closed = closed_to(campaign, person(request).pk) if state == "done" else None
        context = {"campaign": campaign, "state": state, "mine": mine, "closed": closed}
        return render(request, "label/pause.html", context)
    return _screen(request, campaign, assignment_context(assignment, campaign))


@page(methods=["POST"])
def acknowledge(request: HttpRequest, slug: str) -> HttpResponse:
    """The new guidelines are read: on with the next item."""
    campaign = access.campaign_for_labeler(request.user, slug)
    number = whole(request.POST.get("number"))
    try:
        assignment_services.acknowledge_guidelines(labeler=person(request), campaign=campaign, number=number)
    except Conflict as conflict:
        messages.warning(request, conflict.message)
    return redirect("label", slug)


@page
def next_item(request: HttpRequest, slug: str) -> HttpResponse:
    """The item after those that the page has (`beyond`), leased to this person, as a fragment that is not yet shown."""
    campaign = access.campaign_for_labeler(request.user, slug)
    return JsonResponse(_next(request, campaign, request.GET))


@page(methods=["POST"])
def submit(request: HttpRequest, slug: str, assignment_id: int) -> HttpResponse:
    """Stores an answer. A form gets the next page, a script the item after the next (`want_next`)."""
    assignment = _own(request, slug, assignment_id)
    if assignment.item.purpose == Purpose.PRACTICE:
        return practice_answer(request, assignment, person(request))
    questions = questions_for(assignment)
    screen = screen_for(assignment)
    revises = _revised(request, assignment)
    try:
        answers = read_form(questions, screen, request.POST)
    except InvalidPayload as error:
        if wants_json(request):
            raise Invalid(_sentence(error), fields=error.errors) from error
        errors = {"__all__": [_sentence(error)], **error.errors}
        context = assignment_context(
            assignment, assignment.campaign, data=request.POST, errors=errors, revises=revises, screen=screen
        )
        return _screen(request, assignment.campaign, context, status=422)
    try:
        submission = submission_services.submit(
            labeler=person(request),
            assignment_id=assignment.pk,
            idempotency_key=request.POST.get("idempotency_key", ""),
            answers=answers,
            active_ms=whole(request.POST.get("active_ms")),
            device_class=_device(request),
            ui_version="page 1",
            revises=revises,
            protocol_version=whole(request.POST.get("protocol_version")),
            guidelines_version=whole(request.POST.get("guidelines_version")),
            assignment=assignment,
            screen=screen,
        )
    except Conflict as conflict:
        if wants_json(request):
            raise
        messages.warning(request, conflict.message)
        return redirect("label", slug)
    late = _late(submission)
    if wants_json(request):
        reply: dict[str, Any] = {
            "submission": str(submission.pk),
            "status": submission.status,
            "message": late,
        }
        if "want_next" in request.POST:
            reply |= _next(request, assignment.campaign, request.POST)
        return JsonResponse(reply)
    if late:
        messages.warning(request, late)
    return redirect("label", slug)


@page
def undo(request: HttpRequest, slug: str, submission_id: uuid.UUID | None = None) -> HttpResponse:
    """The last answer (or the one named) on the screen again, filled in; nothing changes before it is sent."""
    campaign = access.campaign_for_labeler(request.user, slug)
    if submission_id is None:
        submission = submission_services.reopen_last(labeler=person(request), campaign=campaign)
    else:
        submission = access.submission_for(request.user, submission_id)
        if submission.labeler_id != request.user.pk or submission.campaign_id != campaign.pk:
            raise NotFound(_("There is no such answer of yours in this campaign."))
        if campaign.state == Campaign.State.CLOSED:
            raise Conflict(
                _("The campaign is closed; answers can no longer be changed."), code="campaign_closed"
            )
    context = assignment_context(
        submission.assignment, campaign, initial=form_data_of(submission), revises=submission.pk
    )
    if wants_json(request):
        html = render_to_string("label/_item.html", context, request)
        return JsonResponse({"assignment": str(submission.assignment_id), "html": html})
    return _screen(request, campaign, context)


@page(methods=["POST"])
def draft(request: HttpRequest, slug: str, assignment_id: int) -> HttpResponse:
    """Keeps what is in the form, as typed."""
    assignment = _own(request, slug, assignment_id)
    not_answers = {
        "csrfmiddlewaretoken",
        "idempotency_key",
        "revises",
        "active_ms",
        "protocol_version",
        "guidelines_version",
    }
    asked = {q.key for q in questions_for(assignment)}
    silent = tuple(f"{q.key}-" for q in protocol(assignment.protocol_id).questions if q.key not in asked)
    fields = {
        name: values[0] if len(values) == 1 else values
        for name, values in request.POST.lists()
        if name not in not_answers and not name.startswith(silent)
    }
    saved = assignment_services.save_draft(labeler=person(request), assignment_id=assignment.pk, data=fields)
    return JsonResponse({"saved_at": saved.draft_saved_at})


@page(methods=["POST"])
def heartbeat(request: HttpRequest, slug: str, assignment_id: int) -> HttpResponse:
    """The item is on a visible screen: its lease goes on."""
    assignment = _own(request, slug, assignment_id)
    kept = assignment_services.heartbeat(labeler=person(request), assignment_id=assignment.pk)
    return JsonResponse({"lease_until": kept.lease_until})


@page(methods=["POST"])
def skip(request: HttpRequest, slug: str, assignment_id: int) -> HttpResponse:
    assignment = _own(request, slug, assignment_id)
    assignment_services.skip(
        labeler=person(request),
        assignment_id=assignment.pk,
        reason=request.POST.get("reason", ""),
        note=request.POST.get("note", ""),
    )
    if wants_json(request):
        wanted = "want_next" in request.POST
        return JsonResponse(
            {"status": "skipped"} | (_next(request, assignment.campaign, request.POST) if wanted else {})
        )
    messages.success(request, _("Skipped. Somebody else will get it."))
    return redirect("label", slug)


@page(methods=["POST"])
def flag(request: HttpRequest, slug: str, assignment_id: int) -> HttpResponse:
    assignment = _own(request, slug, assignment_id)
    assignment_services.flag(
        labeler=person(request),
        assignment_id=assignment.pk,
        reason=request.POST.get("reason", ""),
        note=request.POST.get("note", ""),
    )
    if wants_json(request):
        return JsonResponse({"status": "flagged"})
    messages.success(request, _("Reported. You may still answer or skip."))
    return redirect("label", slug)


@page(methods=["POST"])
def preview(request: HttpRequest, slug: str, assignment_id: int, question: str) -> HttpResponse:
    """What the type of one question shows for an answer that is not finished; nothing is stored."""
    assignment = _own(request, slug, assignment_id)
    asked = next((q for q in questions_for(assignment) if q.key == question), None)
    if asked is None:
        raise NotFound(_("There is no such question on this screen."))
    brake("preview", person(request).pk, most=PREVIEWS_A_MINUTE)
    fields = {name: value for name, value in request.POST.items() if isinstance(value, str)}
    try:
        shown = asked.type.preview(fields, screen_for(assignment), asked.settings)
    except InvalidPayload as error:
        sentences = " ".join(sentence for es in error.errors.values() for sentence in es)
        raise Invalid(sentences, fields=error.errors) from error
    if "markdown" in shown:
        shown = {**shown, "html": render_markdown(shown["markdown"])}
    return JsonResponse(shown)


@page
def token(request: HttpRequest, slug: str) -> HttpResponse:
    """A fresh CSRF token, after signing in in another tab made the page's own invalid; and whose session it is now."""
    return JsonResponse({"token": get_token(request), "user": str(request.user.pk)})


@page
def guidelines_page(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = access.campaign_for_any_role(request.user, slug)
    told = guidelines(campaign.guidelines_id) if campaign.guidelines_id else Guidelines(number=0, markdown="")
    return render(request, "label/guidelines.html", {"campaign": campaign, "guidelines": told})


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _screen(
    request: HttpRequest, campaign: Campaign, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = Submission.objects.filter(
        labeler=person(request), campaign=campaign, revision=0, submitted_at__gte=midnight
    ).count()
    context |= {
        "today": today,
        "assets": bundle_urls(),
        "needs_a_word": needs_a_word(person(request), campaign),
    }
    return render(request, "label/page.html", context, status=status)


def _next(request: HttpRequest, campaign: Campaign, query: Any) -> dict[str, Any]:
    """`next`: assignment and fragment of the item behind those in hand; None when the queue has nothing for this person."""
    beyond = [n for n in (whole(text) for text in query.getlist("beyond")[:MAX_BEYOND]) if n is not None]
    assignment = assignment_services.lease_next(labeler=person(request), campaign=campaign, beyond=beyond)
    if assignment is None:
        is_stopped = campaign.gold_pause > 0 and not is_labeler(person(request), campaign)
        return {"next": None} | ({"stopped": True} if is_stopped else {})
    if str(assignment.pk) == query.get("have"):
        return {"next": {"assignment": str(assignment.pk)}}
    html = render_to_string("label/_item.html", assignment_context(assignment, campaign), request)
    return {"next": {"assignment": str(assignment.pk), "html": html}}


def _own(request: HttpRequest, slug: str, assignment_id: int) -> Assignment:
    assignment = access.assignment_for(request.user, assignment_id)
    if assignment.campaign.slug != slug:
        raise NotFound(_("There is no such assignment for you."))
    return assignment


def _revised(request: HttpRequest, assignment: Assignment) -> uuid.UUID | None:
    """The submission that this one corrects: named, or "latest" when it was sent before its id was known."""
    said = request.POST.get("revises", "")
    if not said:
        return None
    if said == "latest":
        key = request.POST.get("idempotency_key", "")
        last = (
            Submission.objects.filter(assignment=assignment, superseded_by=None).order_by("-revision").first()
        )
        if last is None:
            return None
        is_same = str(last.idempotency_key) == key  # the reply was lost and the request came again
        return last.supersedes_id if is_same else last.pk
    try:
        return uuid.UUID(said)
    except ValueError:
        raise Invalid(
            _("Name the answer to change by its id."), fields={"revises": [_("Not an id.")]}
        ) from None


def _sentence(error: InvalidPayload) -> str:
    n = len(error.errors)
    return ngettext(
        "One question still needs you; what you wrote is kept.",
        "%(n)d questions still need you; what you wrote is kept.",
        n,
    ) % {"n": n}


def _late(submission: Submission) -> str:
    if submission.status != Submission.Status.LATE:
        return ""
    return _(
        "Your answer was kept, but its place had been given to somebody else meanwhile, so it is marked as late."
    )


def _device(request: HttpRequest) -> str:
    agent = request.headers.get("User-Agent", "")
    if "iPad" in agent or ("Android" in agent and "Mobile" not in agent):
        return "tablet"
    if "Mobi" in agent:
        return "phone"
    return "desktop" if "Mozilla" in agent else "program"


__all__ = [
    "acknowledge",
    "draft",
    "flag",
    "guidelines_page",
    "heartbeat",
    "label",
    "next_item",
    "preview",
    "skip",
    "submit",
    "token",
    "undo",
]
