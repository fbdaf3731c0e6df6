"""What is recorded beside my answers, whether I agree to it, and my own data to take along or to have erased."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.consents import selectors, services
from annotation.errors import Invalid
from annotation.people.erasure import erase_person
from annotation.submissions.own_data import own_data
from annotation.views.pages import page, person


@page
def privacy(request: HttpRequest) -> HttpResponse:
    """Each consent: its text, whether it is given, which campaigns ask for it, what I did about it and when."""
    return render(request, "privacy.html", {"standings": selectors.standings(person(request))})


@page(methods=["POST"])
def act(request: HttpRequest, slug: str, act: str) -> HttpResponse:
    """Agree, withdraw, or have what was recorded deleted."""
    user = person(request)
    if act == "grant":
        services.grant(user=user, slug=slug, version=_version(request.POST.get("version", "")))
        messages.success(
            request, _("Recording is on in the campaigns that ask for it. You can stop it at any time.")
        )
    elif act == "withdraw":
        services.withdraw(user=user, slug=slug)
        messages.success(
            request, _("Nothing is recorded from now on. What was recorded before is still there.")
        )
    else:
        gone = services.erase(user=user, slug=slug).answers
        messages.success(
            request,
            ngettext("%(n)d recorded answer was deleted.", "%(n)d recorded answers were deleted.", gone)
            % {"n": gone},
        )
    return redirect("privacy")


@page(methods=["POST"])
def erase_me(request: HttpRequest) -> HttpResponse:
    """Everything of mine is deleted, and I am signed out of an account that is no more."""
    user = person(request)
    if request.POST.get("username", "") != user.get_username():
        raise Invalid(
            _("Nothing was erased: the name is not yours."),
            fields={"username": [_("Write your user name exactly, to confirm.")]},
        )
    erase_person(user=user, actor=user)
    logout(request)
    return redirect("home")


@page
def my_data(request: HttpRequest) -> HttpResponse:
    """Everything that is stored about me, as one JSON file."""
    user = person(request)
    response = HttpResponse(own_data(user), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="whetstone-{user.pk}.json"'
    return response


def _version(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 5:
        return int(text)
    raise Invalid(
        _("Say which version of the text you agree to."), fields={"version": [_("A whole number.")]}
    )
