"""Every answer that is not a success is one object: {"code", "message", "fields", "extra"}.

    422 {"code": "invalid", "message": "…what to do next…", "fields": {"overlap": ["From 1 to 100."]}, "extra": {}}

`code` is for programs, `message` for people; `fields` names what to mend. No traceback and no driver text ever gets out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import psycopg_pool
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from annotation.errors import Refused
from feedback_types.base import InvalidPayload

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2
AWAY = (OperationalError, InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests)
CODES = {400: "bad_request", 401: "not_signed_in", 403: "forbidden", 404: "not_found", 405: "wrong_method",
         406: "not_acceptable", 413: "too_large", 415: "wrong_media_type", 422: "invalid", 429: "too_many"}  # fmt: skip


class PreconditionRequired(exceptions.APIException):
    status_code = 428
    default_code = "version_required"


def problem(
    status: int,
    code: str,
    message: str,
    fields: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem object as a response."""
    body = {"code": code, "message": message, "fields": dict(fields or {}), "extra": dict(extra or {})}
    return Response(body, status=status, headers={"Cache-Control": "no-store", **(headers or {})})


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: known refusals become problem objects; a busy or absent database is 503 with Retry-After."""
    if isinstance(error, Refused):
        wait = error.extra.get("retry_after_s")
        headers = {"Retry-After": str(int(wait))} if wait else {}
        return problem(error.status, error.code, error.message, error.fields, error.extra, headers)
    if isinstance(error, InvalidPayload):
        message = _("The answer was not stored; mend the marked fields.")
        return problem(422, "invalid_answer", message, error.errors)
    if isinstance(error, AWAY):
        log.warning("the database is away or busy: %s", type(error.__cause__ or error).__name__)
        message = _("The database is busy or being restarted. Nothing acknowledged is lost; send this again.")
        return problem(503, "try_again", message, headers={"Retry-After": str(RETRY_AFTER_S)})
    if isinstance(error, DataError):
        log.warning("a value did not fit: %s", type(error.__cause__ or error).__name__)
        return problem(422, "out_of_range", _("A value is too long or out of range."))
    if isinstance(error, Http404):
        return problem(404, "not_found", _("There is no such page."))
    if isinstance(error, PermissionDenied):
        return problem(403, "forbidden", _("You may not do this."))
    if isinstance(error, RequestDataTooBig):
        return problem(413, "too_large", _("The request is too large."))
    if isinstance(error, BadRequest):
        return problem(400, "bad_request", _("The request is not well-formed."))
    if isinstance(error, exceptions.APIException):
        return _from_drf(error)
    return None


def _from_drf(error: exceptions.APIException) -> Response:
    headers = {}
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        fields = detail if isinstance(detail, dict) else {"body": detail}
        return problem(422, "invalid", _("The request was refused; mend the marked fields."), fields)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        header = getattr(error, "auth_header", None)
        if header:
            headers["WWW-Authenticate"] = header
        if error.status_code == 401:  # the same text for a missing, wrong, expired or revoked token
            message = _("Sign in, or send a valid token in the header: Authorization: Bearer …")
            return problem(401, "not_signed_in", message, headers=headers)
    if isinstance(error, exceptions.Throttled):
        wait = int(getattr(error, "wait", None) or 1) + 1
        message = _("Too many requests. Try again in %(n)d seconds.") % {"n": wait}
        return problem(
            429, "too_many", message, extra={"retry_after_s": wait}, headers={"Retry-After": str(wait)}
        )
    code = (
        error.get_codes()
        if isinstance(error, PreconditionRequired)
        else CODES.get(error.status_code, "refused")
    )
    return problem(error.status_code, str(code), str(error.detail), headers=headers)
