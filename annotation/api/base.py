"""What every endpoint shares: who may call, how bodies are read, how lists are paged, how refusals look.

class Progress(ApiView):
    scope = "read"

    def get(self, request, slug):
        campaign = access.campaign_for_overseer(request.user, slug)
        return Response(...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api import errors
from annotation.api.authentication import AUTHENTICATION, TokenScope
from annotation.api.pagination import KeysetPagination
from annotation.api.parsers import StrictJSONParser
from annotation.api.throttles import ActThrottle
from annotation.errors import Invalid
from annotation.people.models import User


def person(request: Request) -> User:
    """Whoever is calling; the permissions have seen to it that somebody is."""
    assert isinstance(request.user, User)
    return request.user


class ApiView(APIView):
    """An endpoint. `scope` (or `scopes` by method) is what a token needs; `query_parameters` all that may be asked."""

    authentication_classes = AUTHENTICATION
    permission_classes = [IsAuthenticated, TokenScope]
    parser_classes = [StrictJSONParser]
    throttle_classes = [ActThrottle]
    scope: str | None = None
    scopes: dict[str, str] = {}
    throttle: str | None = None
    query_parameters: tuple[str, ...] = ()
    paginated: tuple[str, ...] = ()  # methods that answer in pages

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return errors.handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        allowed = {
            *self.query_parameters,
            *(KeysetPagination.query_parameters if request.method in self.paginated else ()),
        }
        for name, values in request.query_params.lists():
            if name not in allowed:
                known = ", ".join(sorted(allowed)) or _("none")
                raise ParseError(
                    _("Unknown filter %(name)s; known: %(known)s.")
                    % {"name": repr(name[:60]), "known": known}
                )
            if len(values) > 1:
                raise ParseError(_("%(name)s is given twice.") % {"name": name})
            if "\x00" in values[0]:
                raise ParseError(_("%(name)s holds a NUL character.") % {"name": name})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)

    def body(self, request: Request, *allowed: str, required: Iterable[str] = ()) -> dict[str, Any]:
        """The JSON object that was sent. Raises Invalid for unknown and missing fields; values are for services to check."""
        data = request.data
        if not isinstance(data, dict):
            raise Invalid(_("Send a JSON object."), fields={"body": [_("Write {…}.")]})
        known = {*allowed, *required}
        fields = {
            name[:60]: [_("Unknown field; known: %(known)s.") % {"known": ", ".join(sorted(known)) or "-"}]
            for name in data
            if name not in known
        }
        fields |= {name: [_("This field is required.")] for name in required if name not in data}
        if fields:
            raise Invalid(_("The request was refused; mend the marked fields."), fields=fields)
        return data

    def page(
        self, request: Request, queryset: QuerySet[Any], describe: Callable[[Any], Any], ordering: str = "id"
    ) -> Response:
        """One page of a list: {"next", "previous", "results"}."""
        paginator = KeysetPagination()
        paginator.ordering = ordering
        rows = paginator.pages(queryset, request, self)
        return paginator.get_paginated_response([describe(row) for row in rows])
