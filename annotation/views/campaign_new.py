"""A new campaign in three steps, and the same pages to change one: what it is, what it asks, on what.

GET/POST /campaigns/new/                     1 name and guidelines; makes a draft
GET/POST /campaigns/<slug>/questions/        2 the protocol, beside the screen that labelers will see
         /campaigns/<slug>/questions/types/    which types there are (annotation/views/types.py)
         /campaigns/<slug>/items/            3 items (annotation/views/items.py), then open
GET/POST /campaigns/<slug>/settings/         overlap, lease, guidelines; refuses to overwrite what somebody else saved
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.assignment import strategies
from annotation.campaigns import services
from annotation.campaigns.models import Campaign, DataLicense, LegalBasis
from annotation.campaigns.retired import Retired, retired
from annotation.errors import Refused, Stale
from annotation.rendering.changes import Change, changes
from annotation.views import conflicts
from annotation.views.assets import bundle_urls
from annotation.views.campaigns import tab_context
from annotation.views.contexts import screen_context
from annotation.views.control_form import ControlFields
from annotation.views.pages import page, person
from annotation.views.protocol_form import drafts_of, read, sample
from feedback_types import registry
from feedback_types.protocol import MAX_QUESTIONS, dump_protocol


class NewCampaignForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the texts"), choices=lambda: settings.LANGUAGES, initial="en"
    )
    guidelines = forms.CharField(
        label=gettext_lazy("Guidelines"),
        help_text=gettext_lazy("What makes a response good, in markdown. Labelers have them one key away."),
        required=False, strip=False, widget=forms.Textarea(attrs={"rows": 12}),
    )  # fmt: skip


class Part(NamedTuple):
    """Fields of one section of the settings page."""

    key: str
    title: str | Promise
    fields: list[forms.BoundField]


class SettingsPageForm(ControlFields):
    """Its fields stand on the page by what they are about."""

    PARTS = (
        ("campaign", gettext_lazy("Name and guidelines"), ("name", "guidelines")),
        (
            "queue",
            gettext_lazy("Queue"),
            ("strategy", "control_share", "overlap", "lease_s", "hold_after", "skills"),
        ),
        (
            "disagreement",
            gettext_lazy("Disagreement"),
            ("extra_below", "extra_up_to", "error_categories", "shows_scores", "shows_errors"),
        ),
        *ControlFields.PARTS,
        ("data", gettext_lazy("Data"), ("data_license", "legal_basis")),
    )

    version = forms.IntegerField(widget=forms.HiddenInput)
    base = forms.CharField(
        required=False, strip=False, widget=forms.HiddenInput
    )  # what the fields held at first
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    overlap = forms.IntegerField(
        label=gettext_lazy("Overlap"), help_text=gettext_lazy("How many people answer each item."),
        min_value=services.RANGES["overlap"][0], max_value=services.RANGES["overlap"][1],
    )  # fmt: skip
    lease_s = forms.IntegerField(
        label=gettext_lazy("Lease, in seconds"),
        help_text=gettext_lazy("After so long without a sign of life, an item goes to somebody else. Drafts are kept."),
        min_value=services.RANGES["lease_s"][0], max_value=services.RANGES["lease_s"][1],
    )  # fmt: skip
    hold_after = forms.IntegerField(
        label=gettext_lazy("Hold back after so many reports"),
        help_text=gettext_lazy(
            "So many labelers report an item as harmful or private, and nobody else gets it until you looked. 0: never."
        ),
        min_value=services.RANGES["hold_after"][0], max_value=services.RANGES["hold_after"][1],
    )  # fmt: skip
    shows_scores = forms.BooleanField(
        label=gettext_lazy("Labelers see how often they agree with the others"), required=False,
        help_text=gettext_lazy("Each sees their own number only, under “My work”."),
    )  # fmt: skip
    strategy = forms.ChoiceField(
        label=gettext_lazy("Which item comes next"), required=False, widget=forms.RadioSelect,
        choices=lambda: [(s.slug, f"{s.label}: {s.purpose}") for s in strategies.all_strategies().values()],
        help_text=gettext_lazy("After a change, a worker puts the open items in the new order; nobody has to wait for it."),
    )  # fmt: skip
    control_share = forms.FloatField(
        label=gettext_lazy("Share drawn at random"), required=False, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
        help_text=gettext_lazy(
            "So many of the places, from 0 to 1, are drawn from all open items instead: what tells later what the strategy"
            " did to the data. “Random” needs none."
        ),
    )  # fmt: skip
    skills = forms.CharField(
        label=gettext_lazy("Skills"), required=False,
        help_text=gettext_lazy(
            "What items may ask of their labelers, with commas: law, medicine. Who has which stands on the people page."
        ),
    )  # fmt: skip
    data_license = forms.ChoiceField(
        label=gettext_lazy("Licence of the data"), required=False,
        choices=lambda: [("", _("not chosen yet")), *DataLicense.choices],
        help_text=gettext_lazy("Stands on the card of each snapshot that is taken from now on."),
    )  # fmt: skip
    legal_basis = forms.ChoiceField(
        label=gettext_lazy("Legal basis"), required=False,
        choices=lambda: [("", _("not stated")), *LegalBasis.choices],
        help_text=gettext_lazy(
            "Why labelers' answers may be processed. Consent is rarely free where people are paid to label."
        ),
    )  # fmt: skip
    extra_below = forms.FloatField(
        label=gettext_lazy("Another answer where agreement is below"), required=False, min_value=0.01, max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.01", "placeholder": "0.7"}),
        help_text=gettext_lazy(
            "1 is unanimity, 0 the opposite. An item that is complete and below it gets one place more. Empty: never."
        ),
    )  # fmt: skip
    extra_up_to = forms.IntegerField(
        label=gettext_lazy("At most so many answers then"), required=False, min_value=2, max_value=100,
        widget=forms.NumberInput(attrs={"placeholder": "5"}),
    )  # fmt: skip
    error_categories = forms.CharField(
        label=gettext_lazy("Kinds of error"), required=False, widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy(
            "What reviewers may find wrong with an answer that they overrule, one a line. Empty: the usual ones. One "
            "that is taken out stays where it was said."
        ),
    )  # fmt: skip
    shows_errors = forms.BooleanField(
        label=gettext_lazy("Labelers see which errors were found in their own answers"), required=False
    )
    guidelines = forms.CharField(
        label=gettext_lazy("Guidelines"),
        help_text=gettext_lazy("Saving a change publishes a new version; each answer keeps the one it was given under."),
        required=False, strip=False, widget=forms.Textarea(attrs={"rows": 14}),
    )  # fmt: skip

    def parts(self) -> list[Part]:
        return [Part(key, title, [self[name] for name in names]) for key, title, names in self.PARTS]

    def clean_error_categories(self) -> list[str]:
        lines = self.cleaned_data["error_categories"].splitlines()
        return [name for line in lines if (name := " ".join(line.split()))]

    def clean_skills(self) -> list[str]:
        return [skill.strip() for skill in self.cleaned_data["skills"].split(",") if skill.strip()]


@page(methods=["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Step 1: a draft with its name and guidelines."""
    access.may_create_campaigns(request.user)
    form = NewCampaignForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            campaign = services.create_campaign(actor=person(request), **form.cleaned_data)
            return redirect("campaign_questions", campaign.slug)
        except Refused as refused:
            _add(form, refused)
    return render(
        request, "campaigns/new.html", {"form": form, "step": 1}, status=422 if form.errors else 200
    )


@page(methods=["GET", "HEAD", "POST"])
def questions(request: HttpRequest, slug: str) -> HttpResponse:
    """Step 2: which types, with which settings, in which order. Nothing is stored before "save"; "screen" is the labelers'
    own screen, to be tried before anybody sees it."""
    campaign = access.campaign_for_admin(request.user, slug)
    drafts = drafts_of(request, campaign)
    act = request.POST.get("act", "")
    asked, errors = read(drafts)
    if act == "screen" and asked:
        context = screen_context(asked, sample(campaign, asked))
        context["item"]["urls"]["submit"] = request.path
        return render(
            request, "label/preview.html", {**context, "campaign": campaign, "assets": bundle_urls()}
        )
    theirs: list[Change] = []
    gone: list[Retired] = []
    is_stale = False
    if act in ("save", "confirm") and asked and all(d.form.is_valid() for d in drafts):
        try:
            if act == "save" and campaign.protocol:
                gone = retired(campaign, campaign.protocol.questions, asked)
            if not gone:
                services.publish_protocol(
                    actor=person(request), campaign=campaign, questions=dump_protocol(asked),
                    version=_seen(request, campaign),
                )  # fmt: skip
        except Stale as stale:
            is_stale = True
            campaign = access.campaign_for_admin(request.user, slug)
            theirs = list(changes(stale.extra["diff"].get("questions", {}).get("now"), dump_protocol(asked)))
        except Refused as refused:
            errors = [refused.message, *[e for es in refused.fields.values() for e in es]]
        else:
            if not gone:
                messages.success(request, _("The questions are saved."))
                return redirect(
                    "campaign_items" if campaign.state == Campaign.State.DRAFT else "campaign_settings", slug
                )
    context = tab_context(request, campaign, "settings") | {
        "step": 2,
        "drafts": drafts,
        "errors": errors,
        "is_stale": is_stale,
        "theirs": theirs,
        "saved": conflicts.last_change(campaign) if is_stale else None,
        "gone": gone,
        "types": registry.all_types(),
        "is_full": len(drafts) >= MAX_QUESTIONS,
        "assets": bundle_urls(),
        **(screen_context(asked, sample(campaign, asked)) if asked else {"item": None}),
    }
    template = "campaigns/_preview.html" if "preview" in request.GET else "campaigns/questions.html"
    status = 412 if is_stale else 409 if gone else 422 if act in ("save", "confirm") else 200
    return render(request, template, context, status=status)


@page(methods=["GET", "HEAD", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Settings of a campaign. Saved by somebody else meanwhile: a 412 that shows both, and nothing is overwritten."""
    campaign = access.campaign_for_admin(request.user, slug)
    saved = _saved(campaign)
    initial = {**saved, "version": campaign.version, "base": json.dumps(saved)}
    form = SettingsPageForm(request.POST or None, initial=_as_typed(initial))
    status = 200
    conflict: list[conflicts.Row] = []
    if request.method == "POST":
        status = 422
        if form.is_valid():
            unsaid = [name for name in ("strategy", "control_share") if form.cleaned_data[name] in ("", None)]
            values = {name: value for name, value in form.cleaned_data.items() if name not in unsaid}
            version, _base = values.pop("version"), values.pop("base")
            values["guidelines"] = values["guidelines"].replace("\r\n", "\n")
            values = conflicts.chosen(values, request.POST)
            told = values["guidelines"]
            try:
                services.save_settings(
                    actor=person(request), campaign=campaign, version=version, markdown=told,
                    changes={name: value for name, value in values.items() if name != "guidelines"},
                )  # fmt: skip
                messages.success(request, _("Saved."))
                return redirect("campaign_settings", slug)
            except Stale as stale:
                status = stale.status
                campaign = access.campaign_for_admin(request.user, slug)
                saved = _saved(campaign)
                conflict = conflicts.compare(conflicts.base_of(request.POST), saved, values)
                # What only the others changed is theirs, so that saving again does not undo it.
                merged = {
                    **saved,
                    **values,
                    **{row.name: row.theirs for row in conflict if row.keeps == "theirs"},
                }
                merged |= {"version": campaign.version, "base": json.dumps(saved)}
                form = SettingsPageForm(initial=_as_typed(merged))
            except Refused as refused:
                status = refused.status
                _add(form, refused)
    context = tab_context(request, campaign, "settings") | {
        "form": form,
        "conflict": conflict,
        "saved": conflicts.last_change(campaign) if conflict else None,
        "labels": {name: field.label for name, field in SettingsPageForm.base_fields.items()},
        "versions": campaign.guidelines_versions.select_related("created_by").order_by("-number")[:20],
        "questions": campaign.protocol.questions if campaign.protocol else (),
        "protocol": campaign.protocol,
    }
    return render(request, "campaigns/settings.html", context, status=status)


def _seen(request: HttpRequest, campaign: Campaign) -> int | None:
    """The version that the admin saw; the one of now if the questions are still those, whatever else was changed."""
    version, number = (
        int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
        for text in (request.POST.get("version", ""), request.POST.get("protocol", ""))
    )
    is_same = campaign.protocol is not None and number == campaign.protocol.number
    return campaign.version if is_same else version


def _saved(campaign: Campaign) -> dict[str, Any]:
    """What the fields of the settings page hold now, as the services read them."""
    names = [name for name in SettingsPageForm.base_fields if name in services.CHANGEABLE]
    told = campaign.guidelines.markdown if campaign.guidelines else ""
    return {**{name: getattr(campaign, name) for name in names}, "guidelines": told}


def _as_typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a form shows it: skills with commas between them, kinds of error a line each."""
    between = {"skills": ", "}
    return {name: between.get(name, "\n").join(v) if isinstance(v, list) else v for name, v in values.items()}


def _add(form: forms.Form, refused: Refused) -> None:
    for name, errors in refused.fields.items():
        form.add_error(name if name in form.fields else None, errors)
    if not refused.fields:
        form.add_error(None, refused.message)
