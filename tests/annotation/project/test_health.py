"""The health check, and what a browser reads when the database is away."""

import psycopg_pool
import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

RAISED = {
    "away": OperationalError("connection refused"),
    "closed": InterfaceError("the connection is closed"),
    "pool": psycopg_pool.PoolTimeout("couldn't get a connection after 5.00 sec"),
    "bug": ZeroDivisionError("secret detail"),
    "constraint": IntegrityError("duplicate key value"),
}


def fail(request: HttpRequest, kind: str) -> HttpResponse:
    raise RAISED[kind]


def fail_wrapped(request: HttpRequest) -> HttpResponse:
    try:
        raise psycopg_pool.PoolTimeout("no connection")
    except psycopg_pool.PoolTimeout as error:
        raise RuntimeError("could not render") from error


async def fail_async(request: HttpRequest) -> HttpResponse:
    raise OperationalError("terminating connection due to administrator command")


def bad(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("no")


urlpatterns = [
    path("fail/<str:kind>", fail),
    path("api/fail/<str:kind>", fail),
    path("wrapped", fail_wrapped),
    path("async", fail_async),
    path("bad", bad),
]
handler500 = "annotation.project.health.server_error"


def test_healthz_says_ok_when_the_database_answers(client, db):
    response = client.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"database": "ok"}
    assert "no-store" in response["Cache-Control"]


def test_healthz_says_503_when_the_database_is_away(client, django_db_blocker, monkeypatch):
    with django_db_blocker.unblock():
        connection.close()
        with monkeypatch.context() as patch:
            patch.setitem(connection.settings_dict, "HOST", "/tmp/whetstone-no-such-directory")
            response = client.get("/healthz")
        connection.close()

    assert response.status_code == 503
    assert response.json() == {"database": "down"}
    assert response["Retry-After"] == "2"


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/fail/away", "/fail/closed", "/fail/pool", "/wrapped"])
def test_a_page_that_cannot_reach_the_database_asks_to_try_again(address):
    response = Client(raise_request_exception=False).get(address)

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert "Nothing that was acknowledged is lost" in response.content.decode()


@pytest.mark.urls(__name__)
def test_a_program_reads_json_in_the_shape_of_other_refusals():
    response = Client(raise_request_exception=False).get("/api/fail/away")

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert set(response.json()) == {"code", "message", "fields", "extra"}
    assert response.json()["code"] == "unavailable"


@pytest.mark.urls(__name__)
def test_a_page_that_cannot_even_be_drawn_is_plain_text(settings, tmp_path):
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path], "APP_DIRS": False}]

    response = Client(raise_request_exception=False).get("/fail/bug")

    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/plain")
    assert "send it again" in response.content.decode()


@pytest.mark.urls(__name__)
async def test_an_async_page_does_so_too(async_client):
    async_client.raise_request_exception = False
    response = await async_client.get("/async")

    assert response.status_code == 503
    assert response["Retry-After"] == "2"


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("kind", ["bug", "constraint"])
def test_another_failure_is_a_500_without_details(kind):
    response = Client(raise_request_exception=False).get(f"/fail/{kind}")

    assert response.status_code == 500
    assert "Retry-After" not in response
    assert "secret" not in response.content.decode()
    assert "duplicate" not in response.content.decode()


@pytest.mark.urls(__name__)
def test_the_browser_is_asked_in_its_language():
    response = Client(raise_request_exception=False).get("/fail/away", headers={"accept-language": "zh-hans"})

    assert response["Content-Language"] == "zh-hans"
