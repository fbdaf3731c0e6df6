"""The admins' pages and their twins in the API, on a real endpoint: what is shown, to whom, and that a key never is."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.views.debug import get_exception_reporter_filter

from annotation.endpoints import keys
from annotation.endpoints.models import Endpoint
from annotation.endpoints.services import create_endpoint
from annotation.people.models import Role
from annotation.people.services import grant_role
from tests.annotation.endpoints.conftest import KEY
from tests.cast import make_campaign, make_cast, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(allow, stub) -> Any:
    allow(f"http://127.0.0.1:{stub.port}", "api.example.org")
    cast = make_cast()
    cast.campaign = make_campaign(cast, items=0, is_open=False)
    cast.olga = make_user("olga")
    grant_role(actor=None, user=cast.olga, campaign=cast.campaign, role=Role.ADMIN)
    return cast


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def form(stub: Any, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Large", "base_url": stub.url, "model": "well", "key": KEY, "continuation": "vllm",
        "length_field": "max_tokens",
        "connect_s": 5, "first_token_s": 5, "between_tokens_s": 5, "total_s": 20, "is_active": "on",
    } | fields  # fmt: skip


def test_an_admin_names_one_tries_it_changes_it_and_removes_it(world, stub):
    adam = browser(world.adam)

    made = adam.post("/endpoints/new/", form(stub), follow=True)
    endpoint = Endpoint.objects.get()
    assert made.redirect_chain == [(f"/endpoints/{endpoint.pk}/", 302)] and "Large" in made.text
    tried = adam.post(f"/endpoints/{endpoint.pk}/try/", {"prompt": "Say <b>hello</b>."})
    assert (
        "Hello, world." in tried.text and "It answers." in tried.text and "Say &lt;b&gt;hello" in tried.text
    )
    changed = adam.post(f"/endpoints/{endpoint.pk}/", form(stub, key="", model="not_this_model"), follow=True)
    endpoint.refresh_from_db()
    assert (endpoint.model, keys.unseal(endpoint.sealed_key)) == ("not_this_model", KEY)
    tried_again = adam.post(f"/endpoints/{endpoint.pk}/try/", {"prompt": "Hello?"})
    assert (
        "did not accept the request" in tried_again.text and "The model does not exist." in tried_again.text
    )
    empty = adam.post(f"/endpoints/{endpoint.pk}/try/", {"prompt": " "})
    assert empty.status_code == 422 and "1 to 500 characters" in empty.text
    listed = adam.get("/endpoints/")
    assert stub.url in listed.text and "not_this_model" in listed.text
    adam.post(f"/endpoints/{endpoint.pk}/", form(stub, key="", forget_key="on"))
    endpoint.refresh_from_db()
    assert not endpoint.has_key
    assert "No endpoint yet." in adam.post(f"/endpoints/{endpoint.pk}/remove/", follow=True).text
    for response in (made, tried, changed, tried_again, empty, listed):
        assert KEY not in response.text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"base_url": "http://169.254.169.254/latest"}, "The operator of this site has not allowed it"),
        ({"base_url": "https://user@api.example.org/v1"}, "without user, query or spaces"),
        ({"key": KEY + "\nX-Evil: 1"}, "without spaces, line breaks, quotes"),
        ({"key": KEY + "é"}, "without spaces, line breaks, quotes"),
        ({"key": KEY * 50_000}, "without spaces, line breaks, quotes"),
        ({"total_s": 1}, "Not shorter than the wait for the first token."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_page_with_a_mistake_says_which_and_does_not_repeat_the_key(world, stub, fields, told):
    response = browser(world.adam).post("/endpoints/new/", form(stub, **fields))

    assert response.status_code == 422 and told in response.text
    assert KEY not in response.text and not Endpoint.objects.exists()


def test_a_report_of_an_error_hides_the_key(world, stub):
    request = browser(world.adam).post("/endpoints/new/", form(stub, name="")).wsgi_request

    shown = get_exception_reporter_filter(request).get_post_parameters(request)
    assert shown["model"] == "well" and shown["key"] != KEY


def test_who_sees_what(world, stub):
    own = {"base_url": "https://api.example.org/v1", "model": "m"}
    private = create_endpoint(actor=world.adam, name="Private one", **own)
    shared = create_endpoint(actor=world.adam, name="Shared one", is_shared=True, **own)

    olga = browser(world.olga)
    listed = olga.get("/endpoints/").text
    assert "Shared one" in listed and "Private one" not in listed and f"/endpoints/{shared.pk}/" not in listed
    assert [olga.get(f"/endpoints/{e.pk}/").status_code for e in (private, shared)] == [404, 403]
    root = browser(make_user("root", is_superuser=True))
    assert "Private one" in root.get("/endpoints/").text
    assert root.get(f"/endpoints/{private.pk}/").status_code == 200
    for person in (world.lena, world.reza, world.rita, world.stan):
        assert browser(person).get("/endpoints/").status_code == 403
        assert browser(person).get(f"/endpoints/{shared.pk}/").status_code == 404


def test_the_api_does_the_same_and_gives_no_key_back(world, stub):
    adam = browser(world.adam)

    def call(method: str, path: str, body: Any = None) -> Any:
        return getattr(adam, method)(f"/api/endpoints/{path}", body, content_type="application/json")

    made = call("post", "", {"name": "Large", "base_url": stub.url, "model": "well", "key": KEY})
    assert made.status_code == 201
    told = made.json()
    assert (told["has_key"], told["model"], told["created_by"]) == (True, "well", "adam")
    assert not {"key", "sealed_key"} & told.keys()
    path = f"{told['id']}/"
    trial = call("post", path + "try/", {"prompt": "Hello?"}).json()
    assert (trial["text"], trial["failure"]) == ("Hello, world.", None) and trial["first_token_s"] > 0
    changed = call("patch", path, {"model": "echoes"})
    assert changed.json()["model"] == "echoes"
    failed = call("post", path + "try/", {"prompt": "Hello?"}).json()
    assert failed["failure"]["code"] == "not_accepted" and failed["failure"]["excerpt"] == ""
    for body in (
        {"key": KEY + '"'},
        {"key": 7},
        {"sealed_key": "x"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"base_url": 7},
    ):
        assert call("patch", path, body).status_code == 422
    moved = call("patch", path, {"base_url": "https://api.example.org/v1"})
    assert moved.status_code == 422 and list(moved.json()["fields"]) == ["key"]
    listed = adam.get("/api/endpoints/")
    for response in (made, changed, listed, adam.get(f"/api/endpoints/{path}"), moved):
        assert KEY not in response.text
    assert adam.delete(f"/api/endpoints/{path}").status_code == 204
    assert adam.get(f"/api/endpoints/{path}").status_code == 404
