"""What the wiring says to allauth and axes: who may make an account, and what a locked-out person reads."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """An account comes from an invitation unless the operator opened the door."""
        return bool(settings.OPEN_SIGNUP)


class MFAAdapter(DefaultMFAAdapter):
    def build_totp_svg(self, url: str) -> str:
        """The QR code as markup to put into the page: the content security policy allows no data: images.

        Safe: the drawing is made of squares; what the address says (a user name) is in their pattern, not in the markup.
        """
        return mark_safe(super().build_totp_svg(url))


def login_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name under which axes counts failures: the same before, during and after a form of allauth is read."""
    given = credentials or {}
    name = given.get("username") or given.get("email") or request.POST.get("login") or ""
    return str(name).strip().casefold()


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """429 with the time to wait, in words and as a header."""
    seconds = int(settings.AXES_COOLOFF_TIME * 3600)
    return HttpResponse(
        _("Too many attempts to sign in. Try again in %(minutes)d minutes.") % {"minutes": seconds // 60},
        status=429,
        headers={"Retry-After": str(seconds)},
        content_type="text/plain; charset=utf-8",
    )
