"""The ways in besides a password: a sign-in link for one person, and an invitation to a campaign."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.errors import Invalid
from annotation.people import services
from annotation.people.models import Role
from annotation.views.pages import page, person

JOIN_FIELDS = {"csrfmiddlewaretoken", "username", "email", "password"}
BACKEND = "django.contrib.auth.backends.ModelBackend"


@page(methods=["GET", "HEAD", "POST"], is_public=True)
def sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """Asks for one press of a button, so that a mail scanner or preview that opens the link does not use it up."""
    if request.method == "POST":
        login(request, services.redeem_sign_in_link(token=token), backend=BACKEND)
        return redirect("home")
    return _private(render(request, "account/sign_in_link.html"))


@page(methods=["GET", "HEAD", "POST"], is_public=True)
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Shows to which campaign and as what; whoever is signed in accepts, others make an account or sign in first."""
    if request.method == "POST" and (odd := sorted(request.POST.keys() - JOIN_FIELDS)):
        raise Invalid(
            _("The invitation says what you join as; it cannot be changed here."),
            fields={odd[0][:60]: [_("Unknown field; leave it out.")]},
        )
    if request.method == "POST" and request.user.is_authenticated:
        membership = services.accept_invitation(user=person(request), token=token)
        return _welcome(membership.role, membership.campaign.slug)
    invitation = services.find_invitation(token=token)
    typed = {"username": "", "email": ""}
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in typed}
        try:
            user, membership = services.sign_up_by_invitation(
                token=token, password=request.POST.get("password", ""), **typed
            )
        except Invalid as refused:
            errors = refused.fields
        else:
            login(request, user, backend=BACKEND)
            return _welcome(membership.role, membership.campaign.slug)
    context = {
        "invitation": invitation,
        "role": Role(invitation.role).label,
        "typed": typed,
        "errors": errors,
    }
    return _private(render(request, "account/join.html", context, status=422 if errors else 200))


def _welcome(role: str, slug: str) -> HttpResponse:
    return redirect("label", slug) if role == Role.LABELER else redirect("home")


def _private(response: HttpResponse) -> HttpResponse:
    # The address is a secret and goes to no other site. Not "no-referrer": with it a browser sends forms with the origin
    # "null", which the check against forged requests refuses.
    response["Referrer-Policy"] = "same-origin"
    return response
