"""The policy live in the page: texts that come as a stream, their stop, and the page that says which policy answers.

POST …/label/17/generate/<question>/     server-sent events: begin, piece …, end or failed
POST …/label/generations/<id>/stop/      the stream ends, whichever process runs it
"""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns.models import Campaign
from annotation.endpoints.models import Endpoint
from annotation.errors import NotFound, Refused
from annotation.generation import candidates, services
from annotation.generation.models import Candidates, Generation, Live
from annotation.generation.sampling import MAX_NEW_TOKENS, MAX_SEED, MAX_TEMPERATURE
from annotation.generation.selectors import generations_of, live_of
from annotation.generation.stream import events, sse_response
from annotation.people.models import User
from annotation.views.brake import brake
from annotation.views.campaigns import tab_context
from annotation.views.pages import page

GENERATIONS_A_MINUTE = 40  # of one person
ASKED = ("target", "prefix", "note")
SHOWN = 20


@page(methods=["POST"])
def generate(request: HttpRequest, slug: str, assignment_id: int, question: str) -> HttpResponseBase:
    """A text of the live policy for one question of the screen, as it is written."""
    assignment = access.assignment_for(request.user, assignment_id)
    if assignment.campaign.slug != slug:
        raise NotFound(_("There is no such assignment for you."))
    assert isinstance(request.user, User)
    brake("generate", request.user.pk, most=GENERATIONS_A_MINUTE)
    generation = services.begin(
        labeler=request.user,
        assignment=assignment,
        question=question,
        asked={name: request.POST.get(name, "") for name in ASKED},
        continues=_uuid(request.POST.get("continues", "")),
    )
    return sse_response(events(generation, live_of(assignment.campaign_id)))


@page(methods=["POST"])
def stop(request: HttpRequest, slug: str, generation_id: uuid.UUID) -> HttpResponse:
    generation = access.generation_for(request.user, generation_id)
    if generation.campaign.slug != slug:
        raise NotFound(_("There is no such generation for you."))
    return JsonResponse({"state": services.ask_to_stop(generation=generation).state})


class LiveForm(forms.Form):
    source = forms.ChoiceField(
        label=gettext_lazy("Who answers"), choices=Live.Source.choices, widget=forms.RadioSelect
    )
    endpoint = forms.ModelChoiceField(
        label=gettext_lazy("Endpoint"),
        queryset=Endpoint.objects.none(),
        required=False,
        empty_label=gettext_lazy("Choose an endpoint."),
    )
    temperature = forms.FloatField(
        label=gettext_lazy("Temperature"),
        min_value=0.0,
        max_value=MAX_TEMPERATURE,
        initial=1.0,
        help_text=gettext_lazy("0 always takes the most probable word; 1 is as the policy learned it."),
    )
    max_new_tokens = forms.IntegerField(
        label=gettext_lazy("Longest response, in tokens"), min_value=1, max_value=MAX_NEW_TOKENS, initial=256
    )


@page(methods=["GET", "HEAD", "POST"])
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """Which policy answers the pages of this campaign, and what it wrote lately."""
    campaign = access.campaign_for_admin(request.user, slug)
    assert isinstance(request.user, User)
    form = _live_form(request.user, campaign, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            services.set_live(
                actor=request.user,
                campaign=campaign,
                source=said["source"],
                endpoint=said["endpoint"],
                sampling=live_of(campaign.pk).sampling
                | {name: said[name] for name in ("temperature", "max_new_tokens")},
            )
        except Refused as refused:
            for name, sentences in (refused.fields or {"__all__": [refused.message]}).items():
                form.add_error(name if name in form.fields else None, list(sentences))
        else:
            messages.success(request, _("Saved. The next text is written this way."))
            return redirect("campaign_live", slug)
    status = 422 if form.is_bound else 200
    return render(request, "campaigns/live.html", _context(request, campaign, form), status=status)


class CandidatesForm(forms.Form):
    n = forms.IntegerField(
        label=gettext_lazy("Responses to each prompt"), min_value=1, max_value=9, initial=2
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        min_value=0,
        max_value=MAX_SEED,
        required=False,
        help_text=gettext_lazy("The same seed writes the same responses again; empty: new ones each time."),
    )


@page(methods=["GET", "HEAD", "POST"])
def batches(request: HttpRequest, slug: str) -> HttpResponse:
    """Starts a batch; or the batches of a campaign as a fragment, for the page that waits for one."""
    campaign = access.campaign_for_admin(request.user, slug)
    assert isinstance(request.user, User)
    if request.method != "POST":
        return render(request, "campaigns/_candidates.html", _batches(campaign))
    form = CandidatesForm(request.POST)
    if not form.is_valid():
        context = _context(request, campaign, _live_form(request.user, campaign)) | {"candidates_form": form}
        return render(request, "campaigns/live.html", context, status=422)
    said = form.cleaned_data
    sampling = {} if said["seed"] is None else {"seed": said["seed"]}
    candidates.start(actor=request.user, campaign=campaign, n=said["n"], sampling=sampling)
    messages.success(request, _("A worker writes the responses; they come in as new items."))
    return redirect("campaign_live", slug)


def _batches(campaign: Campaign) -> dict[str, Any]:
    rows = list(Candidates.objects.filter(campaign=campaign).order_by("-pk")[:10])
    return {"campaign": campaign, "batches": rows, "is_writing": any(row.ended_at is None for row in rows)}


def endpoints_for(user: User) -> Any:
    """Endpoints that this admin may let answer."""
    return access.endpoints_for(user).filter(is_active=True)


def _live_form(user: User, campaign: Campaign, data: Any = None) -> LiveForm:
    now = live_of(campaign.pk)
    form = LiveForm(data, initial={"source": now.source, "endpoint": now.endpoint_id, **now.sampling})
    endpoint_field = form.fields["endpoint"]
    assert isinstance(endpoint_field, forms.ModelChoiceField)
    endpoint_field.queryset = endpoints_for(user)
    return form


def _context(request: HttpRequest, campaign: Campaign, form: LiveForm) -> dict[str, Any]:
    questions = campaign.protocol.questions if campaign.protocol else ()
    return (
        tab_context(request, campaign, "live")
        | _batches(campaign)
        | {
            "candidates_form": CandidatesForm(),
            "form": form,
            "asking": [q.heading for q in questions if q.type.generates(q.settings)],
            "running": generations_of(campaign).filter(state=Generation.State.RUNNING).count(),
            "rows": generations_of(campaign).select_related("endpoint")[:SHOWN],
        }
    )


def _uuid(text: str) -> uuid.UUID | None:
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound(_("There is no such generation for you.")) from None
