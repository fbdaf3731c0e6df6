"""What the site says about itself: a health check, and the answer when the database is away."""

import logging
import sys

import psycopg_pool
from django.db import Error, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2
AWAY = (OperationalError, InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests)


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 if the database answers, 503 if not; says nothing else, since anybody may ask."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (Error, *AWAY) as error:
        log.warning("health check failed: %r", str(error))
        return JsonResponse({"database": "down"}, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    return JsonResponse({"database": "ok"})


def server_error(request: HttpRequest) -> HttpResponse:
    """503 with a time to try again when the database was away, busy or a lock was held too long; else 500.

    Pages get a page, programs under /api/ get JSON in the shape of every other refusal. Rendered without a request, so
    that nothing here asks the database again.
    """
    if _is_away(sys.exc_info()[1]):
        text = _(
            "The database is busy or being restarted. Nothing that was acknowledged is lost. Try again in a moment."
        )
        response = _answer(request, 503, "unavailable", text)
        response["Retry-After"] = str(RETRY_AFTER_S)
        return response
    text = _(
        "Something went wrong on our side. What you sent may not have been stored; go back and send it again."
    )
    return _answer(request, 500, "server_error", text)


def _answer(request: HttpRequest, status: int, code: str, text: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"code": code, "message": text, "fields": {}, "extra": {}}, status=status)
    try:
        return HttpResponse(render_to_string(f"{status}.html"), status=status)
    except Exception:  # whatever broke the page may have broken this template too
        log.exception("the page for status %d cannot be rendered", status)
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _is_away(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, AWAY):
            return True
        error = error.__cause__
    return False
