"""A list of people becomes a list of invitations, whose links are shown this once.

GET  /campaigns/<slug>/people/bulk/        POST: the links, as a table and as a CSV; or what is wrong, row by row
"""

from __future__ import annotations

import base64
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation import access
from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.people import bulk
from annotation.people.services import MAX_DAYS
from annotation.views.brake import brake
from annotation.views.campaigns import tab_context
from annotation.views.pages import page, person

LISTS_A_MINUTE = 10


class ListForm(forms.Form):
    people = forms.CharField(
        label=gettext_lazy("People, one on each line"), required=False, strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "dir": "auto"}),
    )  # fmt: skip
    file = forms.FileField(
        label=gettext_lazy("Or a file with the same"), required=False, allow_empty_file=True,
        help_text=gettext_lazy("CSV or plain text in UTF-8, at most 1 MB."),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv,text/plain"}),
    )  # fmt: skip
    days = forms.IntegerField(
        label=gettext_lazy("Valid for days"), min_value=1, max_value=MAX_DAYS, initial=14
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool((given.get("people") or "").strip()) == bool(given.get("file")):
            self.add_error("people", _("Write or paste the list here, or choose a file: one of the two."))
        return given

    def raw(self) -> bytes:
        """The list as it was sent; of a file that is too large no more than tells so."""
        file = self.cleaned_data["file"]
        return file.read(bulk.MAX_BYTES + 1) if file else self.cleaned_data["people"].encode()


@page(methods=["GET", "HEAD", "POST"])
def invite_many(request: HttpRequest, slug: str) -> HttpResponse:
    """One link for each person of a list, shown this once; nothing is made of a list with anything wrong in it."""
    campaign = access.campaign_for_admin(request.user, slug)
    form = ListForm(request.POST or None, request.FILES or None)
    problem: Refused | None = None
    if request.method == "POST" and form.is_valid():
        brake("invite_many", person(request).pk, most=LISTS_A_MINUTE)
        try:
            rows = bulk.read_list(form.raw(), skills=campaign.skills)
            made = bulk.invite_many(
                actor=person(request), campaign=campaign, people=rows, days=form.cleaned_data["days"]
            )
            return _links(request, campaign, made)
        except Refused as refused:
            problem = refused
    status = problem.status if problem else 422 if form.errors else 200
    context = tab_context(request, campaign, "people") | {"form": form, "problem": problem}
    return render(request, "campaigns/invite_many.html", context | _limits(problem), status=status)


def _links(request: HttpRequest, campaign: Campaign, made: list[bulk.Made]) -> HttpResponse:
    links = [(one, request.build_absolute_uri(reverse("join", args=[token]))) for one, token in made]
    # In the page itself: the links are kept nowhere from which a second request could fetch them.
    file = base64.b64encode(bulk.links_file(links)).decode()
    context = tab_context(request, campaign, "people") | {
        "links": links,
        "file": f"data:text/csv;charset=utf-8;base64,{file}",
    }
    return render(request, "campaigns/invited_many.html", context)


def _limits(problem: Refused | None) -> dict[str, Any]:
    found = problem.extra if problem else {}
    errors = found.get("errors", [])
    return {
        "columns": bulk.COLUMNS,
        "most": bulk.MAX_PEOPLE,
        "errors": errors,
        "more_errors": found.get("total", 0) - len(errors),
    }
