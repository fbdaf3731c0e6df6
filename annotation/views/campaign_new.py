"""A new campaign in three steps, and the same pages to change one: what it is, what it asks, on what.

GET/POST /campaigns/new/                     1 name and guidelines; makes a draft
GET/POST /campaigns/<slug>/questions/        2 the protocol, beside the screen that labelers will see
         /campaigns/<slug>/items/            3 items (annotation/views/items.py), then open
GET/POST /campaigns/<slug>/settings/         overlap, lease, guidelines; refuses to overwrite what somebody else saved
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns import services
from annotation.campaigns.models import Campaign
from annotation.errors import Refused, Stale
from annotation.people import selectors as people_selectors
from annotation.views.assets import bundle_urls
from annotation.views.campaigns import tab_context
from annotation.views.contexts import screen_context
from annotation.views.pages import page
from feedback_types import registry
from feedback_types.base import FeedbackType, InvalidPayload, Message, Question, Screen, ShownResponse
from feedback_types.protocol import MAX_QUESTIONS, arity, dump_protocol, load_protocol
from feedback_types.settings_form import SettingsForm, settings_form, to_data

AUDIT_ON_A_PAGE = 100


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


class SettingsPageForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
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
    guidelines = forms.CharField(
        label=gettext_lazy("Guidelines"),
        help_text=gettext_lazy("Saving a change publishes a new version; each answer keeps the one it was given under."),
        required=False, strip=False, widget=forms.Textarea(attrs={"rows": 14}),
    )  # fmt: skip


@page(methods=["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Step 1: a draft with its name and guidelines."""
    access.may_create_campaigns(request.user)
    form = NewCampaignForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            campaign = services.create_campaign(actor=_user(request), **form.cleaned_data)
            return redirect("campaign_questions", campaign.slug)
        except Refused as refused:
            _add(form, refused)
    return render(
        request, "campaigns/new.html", {"form": form, "step": 1}, status=422 if form.errors else 200
    )


@page(methods=["GET", "HEAD", "POST"])
def questions(request: HttpRequest, slug: str) -> HttpResponse:
    """Step 2: which types, with which settings, in which order. Nothing is stored before "save"."""
    campaign = access.campaign_for_admin(request.user, slug)
    if request.method == "POST":
        posted = [_posted(request.POST, n) for n in range(_count(request.POST))]
        drafts = [d for d in posted if d is not None]
    else:
        drafts = [_draft(q) for q in campaign.protocol.questions] if campaign.protocol else _first_drafts()
    act, _colon, which = request.POST.get("act", "").partition(":")
    _edit(drafts, act, which)
    drafts = [d.renumbered(n) for n, d in enumerate(drafts)]
    errors: list[str] = []
    asked: tuple[Question, ...] = ()
    try:
        asked = load_protocol([d.as_json() for d in drafts])
    except InvalidPayload as error:
        errors = [
            f"{_where(name)}{sentence}" for name, sentences in error.errors.items() for sentence in sentences
        ]
    if act == "save" and not errors and all(d.form.is_valid() for d in drafts):
        try:
            version = request.POST.get("version", "")
            services.publish_protocol(
                actor=_user(request), campaign=campaign, questions=dump_protocol(asked),
                version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,
            )  # fmt: skip
        except Stale as stale:
            errors = [stale.message]
        except Refused as refused:
            errors = [refused.message, *[e for es in refused.fields.values() for e in es]]
        else:
            messages.success(request, _("The questions are saved."))
            return redirect(
                "campaign_items" if campaign.state == Campaign.State.DRAFT else "campaign_settings", slug
            )
    context = tab_context(request, campaign, "settings") | {
        "step": 2,
        "drafts": drafts,
        "errors": errors,
        "types": [_described(t) for t in registry.all_types()],
        "is_full": len(drafts) >= MAX_QUESTIONS,
        "assets": bundle_urls(),
        **_preview(asked),
    }
    template = "campaigns/_preview.html" if "preview" in request.GET else "campaigns/questions.html"
    return render(request, template, context, status=422 if act == "save" and errors else 200)


@page(methods=["GET", "HEAD", "POST"])
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Settings of a campaign. Saved by somebody else meanwhile: a 412 that shows both, and nothing is overwritten."""
    campaign = access.campaign_for_admin(request.user, slug)
    markdown = campaign.guidelines.markdown if campaign.guidelines else ""
    initial = {
        "version": campaign.version, "name": campaign.name, "overlap": campaign.overlap, "lease_s": campaign.lease_s,
        "guidelines": markdown,
    }  # fmt: skip
    form = SettingsPageForm(request.POST or None, initial=initial)
    status = 200
    diff: Mapping[str, Any] = {}
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = dict(form.cleaned_data)
            told, version = values.pop("guidelines").replace("\r\n", "\n"), values.pop("version")
            try:
                services.save_settings(
                    actor=_user(request), campaign=campaign, version=version, changes=values, markdown=told
                )
                messages.success(request, _("Saved."))
                return redirect("campaign_settings", slug)
            except Stale as stale:
                status, diff = stale.status, stale.extra["diff"]
                form.add_error(None, stale.message)
                again = request.POST.copy()
                again["version"] = stale.extra["version"]
                form.data = again
            except Refused as refused:
                status = refused.status
                _add(form, refused)
    context = tab_context(request, campaign, "settings") | {
        "form": form,
        "diff": [{"field": name, **values} for name, values in diff.items()],
        "versions": campaign.guidelines_versions.select_related("created_by").order_by("-number")[:20],
        "questions": campaign.protocol.questions if campaign.protocol else (),
        "protocol": campaign.protocol,
    }
    return render(request, "campaigns/settings.html", context, status=status)


@page
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """What admins and researchers did here, latest first; a page continues after an id."""
    campaign = access.campaign_for_admin(request.user, slug)
    events = people_selectors.audit_trail(campaign)
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit() and len(after) < 19:
        events = events.filter(pk__lt=int(after))
    rows = list(events[: AUDIT_ON_A_PAGE + 1])
    context = tab_context(request, campaign, "audit") | {
        "events": rows[:AUDIT_ON_A_PAGE],
        "after": rows[AUDIT_ON_A_PAGE - 1].pk if len(rows) > AUDIT_ON_A_PAGE else None,
    }
    return render(request, "campaigns/audit.html", context)


# --- The protocol while it is being made -----------------------------------------------------------------------------


@dataclass
class Draft:
    """One question as it stands in the form."""

    key: str
    type: FeedbackType
    title: str
    required: bool
    data: Mapping[str, Any]  # settings as posted, without prefix
    number: int = 0

    def renumbered(self, number: int) -> Draft:
        return Draft(self.key, self.type, self.title, self.required, self.data, number)

    @property
    def form(self) -> SettingsForm[Any]:
        name = f"q{self.number}-settings"
        return settings_form(
            self.type.settings_class, {f"{name}-{k}": v for k, v in self.data.items()}, prefix=name
        )

    def as_json(self) -> dict[str, Any]:
        form = self.form
        chosen = form.settings if form.is_valid() else None
        return {
            "key": self.key,
            "type": self.type.slug,
            "title": self.title,
            "required": self.required,
            "settings": chosen.model_dump(mode="json") if chosen else {},
        }


def _draft(question: Question) -> Draft:
    return Draft(question.key, question.type, question.title, question.required, to_data(question.settings))


def _first_drafts() -> list[Draft]:
    """A new campaign begins with the first type there is for a set of responses; reading is the cost, so more may follow."""
    types = sorted(registry.all_types(), key=lambda t: (t.category != "primary", t.target != "set", t.slug))
    return [_fresh(types[0], ())]


def _fresh(feedback_type: FeedbackType, taken: Sequence[str]) -> Draft:
    key = feedback_type.slug
    number = 2
    while key in taken:
        key, number = f"{feedback_type.slug}_{number}", number + 1
    return Draft(key, feedback_type, "", True, to_data(feedback_type.settings()))


def _count(data: Mapping[str, Any]) -> int:
    text = str(data.get("count", ""))
    return min(int(text), MAX_QUESTIONS) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _posted(data: Any, number: int) -> Draft | None:
    """What was posted for one question; None when its type is not there (any more)."""
    try:
        feedback_type = registry.get(data.get(f"q{number}-type", ""))
    except registry.UnknownType:
        return None
    start = f"q{number}-settings-"
    chosen: dict[str, Any] = {}
    for name in data:
        if name.startswith(start):
            values = data.getlist(name)
            chosen[name.removeprefix(start)] = values if len(values) > 1 else values[0]
    return Draft(
        data.get(f"q{number}-key", ""),
        feedback_type,
        data.get(f"q{number}-title", ""),
        data.get(f"q{number}-required") == "on",
        chosen,
    )


def _edit(drafts: list[Draft], act: str, which: str) -> None:
    """Add, remove or move a question."""
    if act == "add" and len(drafts) < MAX_QUESTIONS and which in registry.folders():
        drafts.append(_fresh(registry.get(which), [d.key for d in drafts]))
        return
    if not (which.isascii() and which.isdigit() and len(which) < 4 and int(which) < len(drafts)):
        return
    number = int(which)
    if act == "remove":
        del drafts[number]
    elif act == "up" and number > 0:
        drafts[number - 1], drafts[number] = drafts[number], drafts[number - 1]


def _preview(asked: Sequence[Question]) -> dict[str, Any]:
    """The labelers' own screen, with an item made up for it."""
    if not asked:
        return {"item": None}
    fewest, most = arity(asked)
    samples = [
        _("Put the pan on a low flame, and wait until the butter foams. Then add the eggs and stir slowly."),
        _("Just fry them."),
        _("Eggs are best when they are soft: take them off the heat before they look done."),
    ]
    shown = min(max(fewest, 2), most)
    responses = tuple(ShownResponse(n + 1, samples[n % len(samples)]) for n in range(shown))
    screen = Screen((Message("user", _("How do I make good scrambled eggs?")),), responses)
    return screen_context(asked, screen)


def _described(feedback_type: FeedbackType) -> dict[str, Any]:
    a = feedback_type.attributes
    shown = [
        (_("Granularity"), a.granularity), (_("Involvement"), a.involvement), (_("Arity"), a.arity),
        (_("Abstraction"), a.abstraction), (_("Intent"), a.intent), (_("Explicitness"), a.explicitness),
    ]  # fmt: skip
    return {"type": feedback_type, "attributes": [(name, value) for name, value in shown if value != "-"]}


def _where(name: str) -> str:
    """`questions.2.settings.grades` -> "Question 2, grades: "."""
    parts = name.split(".")
    if parts[0] != "questions" or len(parts) < 2:
        return ""
    return _("Question %(n)s") % {"n": parts[1]} + (f", {parts[-1]}: " if len(parts) > 2 else ": ")


def _add(form: forms.Form, refused: Refused) -> None:
    for name, errors in refused.fields.items():
        form.add_error(name if name in form.fields else None, errors)
    if not refused.fields:
        form.add_error(None, refused.message)


def _user(request: HttpRequest) -> Any:
    return request.user
