"""What the site says about itself: a health check, and the answer when the database is away."""

import logging
import sys

import psycopg_pool
from django.db import Error, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
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

    Plain text without a template: whatever broke must not break this as well.
    """
    error = sys.exc_info()[1]
    if _is_away(error):
        text = _(
            "The database is busy or being restarted. Nothing that was acknowledged is lost. Try again in a moment."
        )
        return HttpResponse(
            text,
            status=503,
            headers={"Retry-After": str(RETRY_AFTER_S)},
            content_type="text/plain; charset=utf-8",
        )
    text = _(
        "Something went wrong on our side. What you sent may not have been stored; go back and send it again."
    )
    return HttpResponse(text, status=500, content_type="text/plain; charset=utf-8")


def _is_away(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, AWAY):
            return True
        error = error.__cause__
    return False
