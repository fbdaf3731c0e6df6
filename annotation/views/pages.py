"""What every page has in common: it asks who you are, and a refusal becomes a page (or JSON, if a script asked).

@page
def home(request): ...

@page(methods=["POST"])
def submit(request, slug, assignment_id): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page

from annotation.errors import Refused
from annotation.people.models import User

View = Callable[..., HttpResponse]


def page(
    view: View | None = None, *, methods: Sequence[str] = ("GET", "HEAD"), is_public: bool = False
) -> Any:
    """Signed-in people only (unless `is_public`), these methods only, and refusals in words."""
    if view is None:
        return functools.partial(page, methods=methods, is_public=is_public)

    @gzip_page  # with random padding, so that the length says nothing about the token in the page
    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in methods:
            return HttpResponseNotAllowed(methods)
        if not is_public and not request.user.is_authenticated:
            return _sign_in_first(request)
        try:
            response = view(request, *args, **kwargs)
        except Refused as refused:
            response = refusal(request, refused)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"  # labelled text belongs in no cache
        return response

    return wrapped


def person(request: HttpRequest) -> User:
    """Who is signed in; on a page that asked before."""
    assert isinstance(request.user, User)
    return request.user


def whole(text: Any) -> int | None:
    """A whole number from 0 that somebody typed or a link carries and a database can hold; None for anything else."""
    is_number = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if is_number else None


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asked (it says so), not a person following a link or sending a form."""
    return request.headers.get("Accept", "").startswith("application/json")


def refusal(request: HttpRequest, refused: Refused) -> HttpResponse:
    """A refusal, shown alike to people and scripts: what, where, how to mend."""
    headers = {"Retry-After": str(refused.extra["retry_after_s"])} if "retry_after_s" in refused.extra else {}
    if wants_json(request):
        body = {
            "code": refused.code,
            "message": refused.message,
            "fields": refused.fields,
            "extra": refused.extra,
        }
        return JsonResponse(body, status=refused.status, headers=headers)
    response = render(request, "refused.html", {"refused": refused}, status=refused.status)
    for name, value in headers.items():
        response[name] = value
    return response


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    login = resolve_url(settings.LOGIN_URL)
    if wants_json(request):
        message = _("You have been signed out. Sign in again; what you wrote is kept in this browser.")
        return JsonResponse({"code": "signed_out", "message": message}, status=401)
    address = f"{login}?next={quote(request.get_full_path())}"
    if request.headers.get("HX-Request"):  # a fragment is no place for a sign-in page
        return HttpResponse(status=401, headers={"HX-Redirect": address})
    return HttpResponse(status=302, headers={"Location": address})
