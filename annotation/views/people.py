"""Who is in a campaign: members by role, invitations by link, and a person's API tokens.

GET  /campaigns/<slug>/people/        POST …/invite/   …/revoke/<invitation>/   …/suspend/
GET  /campaigns/<slug>/people/<member>/items/          POST: what the labeler reads and can
GET  /tokens/                         POST /tokens/    /tokens/<id>/revoke/
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.errors import Invalid, NotFound
from annotation.people import selectors, services
from annotation.people.models import ApiToken, Invitation, Membership, Role
from annotation.views.campaigns import tab_context
from annotation.views.pages import page, person, whole

INVITATIONS_SHOWN = 50
INVITATION_STATES = {  # in words, and how it looks
    "open": (gettext_lazy("open"), "good"),
    "used_up": (gettext_lazy("used up"), "none"),
    "expired": (gettext_lazy("expired"), "none"),
    "revoked": (gettext_lazy("revoked"), "warn"),
}


class InviteForm(forms.Form):
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.LABELER)
    max_uses = forms.IntegerField(
        label=gettext_lazy("How many people"),
        help_text=gettext_lazy("The link works for so many people, once each."),
        min_value=1, max_value=services.MAX_INVITATION_USES, initial=1,
    )  # fmt: skip
    days = forms.IntegerField(
        label=gettext_lazy("Valid for days"), min_value=1, max_value=services.MAX_DAYS, initial=14
    )


class RoutingForm(forms.Form):
    languages = forms.CharField(
        label=gettext_lazy("Languages"), required=False,
        help_text=gettext_lazy("Codes with commas, such as en, zh-Hant. Empty: items in every language."),
    )  # fmt: skip
    skills = forms.MultipleChoiceField(
        label=gettext_lazy("Skills"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, skills: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["skills"].choices = [(skill, skill) for skill in skills]  # type: ignore[attr-defined]
        if not skills:
            del self.fields["skills"]

    def clean_languages(self) -> list[str]:
        return [code.strip() for code in self.cleaned_data["languages"].split(",") if code.strip()]

    def clean(self) -> dict[str, Any]:
        return {"skills": [], **(super().clean() or {})}


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"), help_text=gettext_lazy("What it is for, in your words."), max_length=100
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(
        label=gettext_lazy("Valid for days"), min_value=1, max_value=services.MAX_DAYS, initial=90
    )


@page(methods=["GET", "HEAD", "POST"])
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Members and invitations; a POST makes an invitation, whose link is shown this once."""
    campaign = access.campaign_for_admin(request.user, slug)
    form = InviteForm(request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        _invitation, token = services.invite(actor=person(request), campaign=campaign, **form.cleaned_data)
        link = request.build_absolute_uri(reverse("join", args=[token]))
        form = InviteForm()
    context = tab_context(request, campaign, "people") | {
        "form": form,
        "link": link,
        **_groups(request, campaign),
        **_invitations(request, campaign),
    }
    return render(request, "campaigns/people.html", context, status=422 if form.errors else 200)


@page(methods=["POST"])
def revoke_invitation(request: HttpRequest, slug: str, invitation_id: int) -> HttpResponse:
    campaign = access.campaign_for_admin(request.user, slug)
    invitation = Invitation.objects.filter(pk=invitation_id, campaign=campaign).first()
    if invitation is None:
        raise NotFound(_("There is no such invitation."))
    services.revoke_invitation(actor=person(request), invitation=invitation)
    messages.success(request, _("The link opens nothing any more."))
    return redirect("campaign_people", slug)


@page(methods=["POST"])
def change_membership(request: HttpRequest, slug: str, membership_id: int) -> HttpResponse:
    """Takes a role away, or gives it back; answers that were given stay."""
    campaign = access.campaign_for_admin(request.user, slug)
    membership = Membership.objects.filter(pk=membership_id, campaign=campaign).select_related("user").first()
    if membership is None:
        raise NotFound(_("There is no such member."))
    whom: dict[str, Any] = {"user": membership.user, "campaign": campaign, "role": membership.role}
    if membership.suspended_at is None:
        services.revoke_role(actor=person(request), **whom)
    else:
        services.grant_role(actor=person(request), **whom)
    return redirect("campaign_people", slug)


@page(methods=["GET", "HEAD", "POST"])
def routing(request: HttpRequest, slug: str, membership_id: int) -> HttpResponse:
    """What one labeler reads and can: it decides on the items that they are given from the next one on."""
    campaign = access.campaign_for_admin(request.user, slug)
    membership = (
        Membership.objects.filter(pk=membership_id, campaign=campaign, role=Role.LABELER)
        .select_related("user", "campaign")
        .first()
    )
    if membership is None:
        raise NotFound(_("There is no such member."))
    initial = {"languages": ", ".join(membership.languages), "skills": membership.skills}
    form = RoutingForm(request.POST or None, initial=initial, skills=campaign.skills)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_routing(actor=person(request), membership=membership, **form.cleaned_data)
            messages.success(request, _("Saved; it holds from their next item on."))
            return redirect("campaign_people", slug)
        except Invalid as invalid:
            for name, errors in invalid.fields.items():
                form.add_error(name if name in form.fields else None, errors)
    context = tab_context(request, campaign, "people") | {"form": form, "member": membership}
    return render(request, "campaigns/routing.html", context, status=422 if form.errors else 200)


@page(methods=["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """My tokens for the API; a new one's text is shown this once."""
    form = TokenForm(request.POST or None)
    text = ""
    if request.method == "POST" and form.is_valid():
        try:
            _token, text = services.issue_token(user=person(request), **form.cleaned_data)
            form = TokenForm()
        except Invalid as invalid:
            for name, errors in invalid.fields.items():
                form.add_error(name if name in form.fields else None, errors)
    context = {"form": form, "text": text, "tokens": selectors.tokens_of(person(request))}
    return render(request, "tokens.html", context, status=422 if form.errors else 200)


@page(methods=["POST"])
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    token = ApiToken.objects.filter(pk=token_id, user=person(request)).first()
    if token is None:
        raise NotFound(_("There is no such token of yours."))
    services.revoke_token(actor=person(request), token=token)
    messages.success(request, _("The token opens nothing any more."))
    return redirect("tokens")


def _groups(request: HttpRequest, campaign: Any) -> dict[str, Any]:
    """Members by role: a page of each, or, continued behind a name, a page of one."""
    asked = {name: request.GET.get(name, "")[:150].replace("\x00", "") for name in ("role", "after", "name")}
    roles = [asked["role"]] if asked["role"] in Role.values else Role.values
    counts = selectors.members_by_role(campaign)
    groups = []
    for role in roles:
        rows, after = selectors.members(campaign, role, prefix=asked["name"], after=asked["after"])
        groups.append(
            {
                "role": role,
                "label": Role(role).label,
                "members": rows,
                "count": counts.get(role, 0),
                "after": after,
            }
        )
    is_part = bool(asked["name"] or asked["after"] or len(roles) == 1)
    return {"groups": groups, "name": asked["name"], "is_part": is_part}


def _invitations(request: HttpRequest, campaign: Any) -> dict[str, Any]:
    """A page of the campaign's invitations, newest first: all, or those with a word in their note."""
    word = request.GET.get("invited", "")[: services.MAX_NOTE].replace("\x00", "")
    before = whole(request.GET.get("older"))
    found = list(selectors.invitations(campaign, note=word, before=before)[: INVITATIONS_SHOWN + 1])
    shown = found[:INVITATIONS_SHOWN]
    return {
        "invitations": [(one, *INVITATION_STATES[one.state]) for one in shown],  # type: ignore[attr-defined]
        "invited": word,
        "older": shown[-1].pk if len(found) > len(shown) else None,
        "is_part_of_invitations": bool(word or before),
    }
