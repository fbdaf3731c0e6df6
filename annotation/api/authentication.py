"""Who is calling: a token in the header, or the session of a page (then with its CSRF token)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from annotation.people.models import ApiToken, User
from annotation.people.services import user_for_token

IN_QUERY = ("token", "access_token", "api_key", "apikey", "bearer", "authorization")


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer wst_…`; a token in the address would end up in logs and is refused."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        if any(name.lower() in IN_QUERY for name in request.query_params):
            raise ParseError(_("Send the token in the header: Authorization: Bearer …; not in the address."))
        header = request.headers.get("Authorization", "")
        scheme, _space, text = header.partition(" ")
        if not header:
            return None
        found = user_for_token(text.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise AuthenticationFailed()
        return found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class TokenScope(BasePermission):
    """A token opens only what its scopes say; a session opens whatever the person may do.

    A view says `scope = "read"`, or `scopes = {"GET": "read", "POST": "manage"}`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        if not isinstance(request.auth, ApiToken):
            return True
        needed = getattr(view, "scopes", {}).get(request.method, getattr(view, "scope", None))
        self.message = _("This token does not have the scope %(scope)s.") % {"scope": needed}
        return needed is None or needed in request.auth.scopes


AUTHENTICATION = [BearerAuthentication, SessionAuthentication]


class _BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
