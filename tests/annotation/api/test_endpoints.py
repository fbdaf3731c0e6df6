"""The endpoints' own rules: bodies, versions, pages, tokens, limits, and errors in one shape (rows B39-B85)."""

import gzip
import uuid

import psycopg.errors
import pytest
from django.db import DataError, OperationalError

from annotation.api.throttles import RATES
from annotation.assignment.models import Skip
from annotation.assignment.services import lease_next
from annotation.campaigns.models import Campaign
from annotation.items.models import Item
from annotation.people.models import ApiToken, User
from annotation.people.services import issue_token
from annotation.submissions.models import Submission
from tests.cast import add_some_items, answer, make_campaign, make_labelers


def said(assignment, seed=0):
    return [
        {"question": a.question, "target": a.target, "payload": a.payload.dump()}
        for a in answer(assignment, seed)
    ]


def whole(assignment, **more):
    return {"idempotency_key": str(uuid.uuid4()), "answers": said(assignment), **more}


@pytest.fixture
def lease(cast, campaign):
    return lease_next(labeler=cast.lena, campaign=campaign)


@pytest.fixture
def submit_path(lease):
    return f"assignments/{lease.pk}/submit/"


def problem(response, status, code=None):
    """Every refusal has the same shape, and says no more than it should."""
    assert response.status_code == status, response.content
    body = response.json()
    assert set(body) == {"code", "message", "fields", "extra"} and body["message"]
    assert code is None or body["code"] == code
    text = response.content.decode()
    assert not any(
        word in text for word in ("Traceback", "psycopg", "SELECT ", "annotation_", "site-packages")
    )
    assert response["Cache-Control"] == "no-store"
    return body


# --- Labeling --------------------------------------------------------------------------------------------------------


def test_a_shift_of_work(cast, campaign, api):
    lena = api(cast.lena)
    first = lena("post", "campaigns/everyday-answers/next/", {}).json()["assignment"]
    assert [q["key"] for q in first["questions"]] == ["better", "grade"] and len(first["responses"]) == 2
    prepared = lena("post", "campaigns/everyday-answers/next/", {"beyond": [first["id"]]}).json()[
        "assignment"
    ]
    assert prepared["id"] != first["id"]
    assert lena("put", f"assignments/{first['id']}/draft/", {"data": {"x": "y"}}).status_code == 200
    assert lena("get", f"assignments/{first['id']}/").json()["draft"] == {"x": "y"}
    assert lena("post", f"assignments/{first['id']}/heartbeat/", {}).json()["state"] == "leased"
    row = cast.lena.assignments.get(pk=first["id"])
    body = whole(row, next=True, beyond=[prepared["id"]], active_ms=1500)
    sent = lena("post", f"assignments/{first['id']}/submit/", body)
    assert sent.status_code == 201 and sent.json()["submission"]["status"] == "counted"
    third = sent.json()["next"]
    assert third["id"] not in (first["id"], prepared["id"])
    again = lena("post", f"assignments/{first['id']}/submit/", body)
    assert again.json()["submission"] == sent.json()["submission"]
    undone = lena("post", "campaigns/everyday-answers/undo/", {}).json()
    assert undone["submission"]["id"] == sent.json()["submission"]["id"] and len(undone["answers"]) == 3
    body = whole(row, revises=undone["submission"]["id"])
    assert lena("post", f"assignments/{first['id']}/submit/", body).json()["submission"]["revision"] == 1
    assert (
        lena("post", f"assignments/{third['id']}/skip/", {"reason": "unclear"}).json()["state"] == "skipped"
    )
    assert (
        lena("post", f"assignments/{prepared['id']}/flag/", {"reason": "broken", "note": "x"}).status_code
        == 201
    )
    assert lena("get", "campaigns/everyday-answers/progress/").json()["mine"]["total"] == 1
    assert Submission.objects.count() == 2


def test_when_there_is_nothing_the_reason_is_said(cast, api):
    make_campaign(cast, items=0)
    ask = lambda: api(cast.lena)("post", "campaigns/everyday-answers/next/", {}).json()  # noqa: E731
    assert ask() == {"assignment": None, "reason": "empty", "practice": None}
    for state in ("paused", "closed"):
        Campaign.objects.update(state=state)
        assert ask() == {"assignment": None, "reason": state, "practice": None}


BROKEN = {  # name: change of a valid submission
    "B39 unknown question": lambda b: b["answers"][0].update(question="nothing"),
    "B39 unknown field": lambda b: b.update(control="x"),
    "B39 unknown answer field": lambda b: b["answers"][0].update(score=1),
    "B39 unknown payload field": lambda b: b["answers"][0]["payload"].update(extra=1),
    "no key": lambda b: b.pop("idempotency_key"),
    "key no uuid": lambda b: b.update(idempotency_key="1"),
    "key list": lambda b: b.update(idempotency_key=[1]),
    "answers object": lambda b: b.update(answers={}),
    "answers null": lambda b: b.update(answers=None),
    "answers of numbers": lambda b: b.update(answers=[1, 2]),
    "no answers": lambda b: b.update(answers=[]),
    "B55 a required one missing": lambda b: b["answers"].pop(),
    "B59 twice": lambda b: b["answers"].append(b["answers"][0]),
    "foreign target": lambda b: b["answers"][1].update(target=987654321),
    "target true": lambda b: b["answers"][1].update(target=True),
    "target list": lambda b: b["answers"][1].update(target=[1]),
    "payload text": lambda b: b["answers"][1].update(payload="7"),
    "B53 grade 8 of 7": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=8),
    "B53 grade 0": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=0),
    "B53 grade 4.5": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=4.5),
    "B53 grade text": lambda b: b["answers"][1]["payload"]["ratings"].update(overall="5 "),
    "B53 full-width": lambda b: b["answers"][1]["payload"]["ratings"].update(overall="5"),
    "B53 true": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=True),
    "B53 1e0": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=1e0),
    "B53 huge": lambda b: b["answers"][1]["payload"]["ratings"].update(overall=10**17),
    "next text": lambda b: b.update(next="yes"),
    "beyond text": lambda b: b.update(beyond="1"),
    "beyond of texts": lambda b: b.update(beyond=["1"]),
    "revises no uuid": lambda b: b.update(revises="x"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_are_refused_and_change_nothing(cast, lease, submit_path, api, name):
    body = whole(lease)
    BROKEN[name](body)
    problem(api(cast.lena)("post", submit_path, body), 422)
    assert Submission.objects.count() == 0 and Item.objects.get(pk=lease.item_id).counted == 0


BODIES = {  # name: (bytes, content type, status)
    "B73 text/plain": (b"{}", "text/plain", 415),
    "B73 form": (b"a=b", "application/x-www-form-urlencoded", 415),
    "B73 broken multipart": (b"--x", "multipart/form-data; boundary=y", 415),
    "B73 charset": (b"{}", "application/json; charset=utf-16", 415),
    "B73 unknown charset": (b"{}", "application/json; charset=nothing", 415),
    "not utf-8": (b'{"a": "\xff"}', "application/json", 400),
    "cut": (b'{"a": ', "application/json", 400),
    "B11 twice": (b'{"answers": [], "answers": []}', "application/json", 400),
    "B7 NaN": (b'{"active_ms": NaN}', "application/json", 400),
    "B9 digits": (b'{"active_ms": ' + b"9" * 5000 + b"}", "application/json", 400),
    "B57 NUL": (b'{"idempotency_key": "a\\u0000"}', "application/json", 400),
    "B57 NUL in a key": (b'{"a\\u0000": 1}', "application/json", 400),
    "half a surrogate": (b'{"idempotency_key": "\\ud800"}', "application/json", 400),
    "deep": (b"[" * 50_000 + b"]" * 50_000, "application/json", 400),
    "a list": (b"[]", "application/json", 422),
    "a text": (b'"x"', "application/json", 422),
    "B57 six megabytes": (b'{"x": "' + b"y" * 6_000_000 + b'"}', "application/json", 413),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_not_strict_json_are_refused(cast, submit_path, api, name):
    body, content_type, status = BODIES[name]
    problem(api(cast.lena)("post", submit_path, body, content_type=content_type), status)


def test_conflicts_tell_what_to_do(cast, campaign, lease, submit_path, api):
    lena, body = api(cast.lena), whole(lease)
    first = lena("post", submit_path, body).json()["submission"]["id"]
    other = next(a for a in (said(lease, seed) for seed in range(1, 50)) if a != body["answers"])
    assert problem(lena("post", submit_path, {**body, "answers": other}), 409, "key_reused")["extra"] == {
        "submission": first
    }
    assert problem(lena("post", submit_path, whole(lease)), 409, "already_sent")["extra"] == {
        "submission": first
    }
    for act, data in (("heartbeat", {}), ("draft", {"data": {}}), ("skip", {"reason": "other"})):
        method = "put" if act == "draft" else "post"
        problem(lena(method, f"assignments/{lease.pk}/{act}/", data), 409, "already_sent")


@pytest.mark.parametrize("act", ["skip", "flag"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "because"},
        {"reason": ["other"]},
        {"reason": "other", "note": 5},
        {"reason": None},
    ],
)
def test_skip_and_flag_need_a_reason(cast, lease, api, act, body):  # B63
    problem(api(cast.lena)("post", f"assignments/{lease.pk}/{act}/", body), 422)
    assert Skip.objects.count() == 0


def test_a_long_note_is_too_long(cast, lease, api):
    problem(
        api(cast.lena)("post", f"assignments/{lease.pk}/skip/", {"reason": "other", "note": "x" * 3000}), 413
    )


def test_eight_people_on_one_place(cast, api):  # B47
    campaign = make_campaign(cast, items=1, overlap=1)
    got = [
        api(user)("post", "campaigns/everyday-answers/next/", {}).json()["assignment"]
        for user in make_labelers(campaign, 8)
    ]
    assert sum(a is not None for a in got) == 1


# --- Campaigns -------------------------------------------------------------------------------------------------------


def test_a_campaign_from_nothing_to_open(cast, api, campaign):
    adam = api(cast.adam)
    made = adam("post", "campaigns/", {"name": "Second", "overlap": 3})
    assert made.status_code == 201 and made["ETag"] == '"1"'
    assert (made.json()["slug"], made.json()["state"], made.json()["roles"]) == ("second", "draft", ["admin"])
    assert set(problem(adam("post", "campaigns/second/open/", {}), 422, "not_ready")["fields"]) == {
        "guidelines",
        "protocol",
    }
    assert adam("post", "campaigns/second/guidelines/", {"markdown": "# Hi"}).json()["number"] == 1
    questions = [{"key": "better", "type": "comparison", "settings": {"ties": False}}]
    assert adam("post", "campaigns/second/protocol/", {"questions": questions}).status_code == 201
    assert adam("get", "campaigns/second/protocol/").json()["questions"][0]["settings"]["ties"] is False
    data = b'{"id": 1, "prompt": "Q?", "responses": ["a", "b"]}\n'
    for body, kind in (
        (data, "application/x-ndjson"),
        (gzip.compress(data.replace(b"1", b"2")), "application/gzip"),
    ):
        done = adam("post", "campaigns/second/items/import/", body, content_type=kind)
        assert done.status_code == 201 and done.json()["slots"] == 3
    assert adam("post", "campaigns/second/open/", {}).json()["state"] == "open"
    assert [i["external_id"] for i in adam("get", "campaigns/second/items/").json()["results"]] == ["1", "2"]
    assert adam("get", "campaigns/second/progress/").json()["campaign"]["answers_wanted"] == 6
    assert [c["slug"] for c in adam("get", "campaigns/").json()["results"]] == ["everyday-answers", "second"]
    assert adam("post", "campaigns/second/pause/", {}).json()["state"] == "paused"
    problem(adam("post", "campaigns/", {"name": "x", "slug": "second"}), 409, "slug_taken")


def test_changes_need_the_version_that_was_seen(cast, api, campaign):  # B77, F8
    adam = api(cast.adam)
    seen = adam("get", "campaigns/everyday-answers/")
    assert problem(adam("patch", "campaigns/everyday-answers/", {"name": "A"}), 428, "version_required")
    changed = adam("patch", "campaigns/everyday-answers/", {"name": "A"}, headers={"If-Match": seen["ETag"]})
    assert changed.status_code == 200 and changed["ETag"] != seen["ETag"]
    stale = adam("patch", "campaigns/everyday-answers/", {"name": "B"}, headers={"If-Match": seen["ETag"]})
    assert problem(stale, 412, "stale")["extra"]["diff"] == {"name": {"yours": "B", "now": "A"}}
    for odd in ("x", '"1', "-1", "1" * 30, "*"):
        assert adam(
            "patch", "campaigns/everyday-answers/", {"name": "C"}, headers={"If-Match": odd}
        ).status_code in (412, 422)
    for odd in ("1", 1.5, True, None):
        response = adam("patch", "campaigns/everyday-answers/", {"name": "C", "version": odd})
        assert response.status_code in (422, 428)


@pytest.mark.parametrize("overlap", [0, -1, 10**6, "3", 1.5, None, True, [1]])  # B81
def test_an_odd_overlap_is_refused(cast, api, campaign, overlap):
    body = {"overlap": overlap, "version": campaign.version}
    assert "overlap" in problem(api(cast.adam)("patch", "campaigns/everyday-answers/", body), 422)["fields"]


def test_an_overlap_below_what_is_there_is_a_conflict(cast, api, campaign):  # B81, F9
    for user in (cast.lena, cast.otto):
        for _n in range(4):
            lease = lease_next(labeler=user, campaign=campaign)
            assert api(user)("post", f"assignments/{lease.pk}/submit/", whole(lease)).status_code == 201
    body = {"overlap": 1, "version": campaign.version}
    refused = problem(
        api(cast.adam)("patch", "campaigns/everyday-answers/", body), 409, "overlap_below_counted"
    )
    assert refused["extra"] == {"counted": 2}


def test_imports_name_what_is_wrong(cast, api, campaign):
    adam, path = api(cast.adam), "campaigns/everyday-answers/items/import/"
    refused = adam("post", path, b'{"prompt": ""}\n', content_type="application/x-ndjson")
    (error,) = problem(refused, 422, "bad_rows")["extra"]["errors"]
    assert error["line"] == 1 and error["field"] == "prompt"
    problem(adam("post", path, b"\n", content_type="application/x-ndjson"), 422, "empty_file")
    problem(adam("post", path, b"{}", content_type="text/csv"), 415)
    problem(adam("post", path + "?update=maybe", b"{}", content_type="application/x-ndjson"), 400)


# --- Lists -----------------------------------------------------------------------------------------------------------


def test_pages_by_cursor_show_everything_once(cast, api, campaign):
    add_some_items(campaign, 20, start=10)
    adam, seen, path = api(cast.adam), [], "campaigns/everyday-answers/items/?page_size=7"
    while path:
        page = adam("get", path).json()
        seen += [item["id"] for item in page["results"]]
        path = page["next"] and page["next"].split("/api/")[1]
    assert seen == sorted(set(seen)) and len(seen) == 24


QUERIES = [
    "?user__password__startswith=p", "?ordering=password", "?state=nothing", "?round=x", "?round=-1", "?round=" + "9" * 30,
    "?page_size=0", "?page_size=1000000000", "?page_size=-1", "?page_size=x", "?page_size=٣", "?page_size=", "?page=-1",
    "?cursor=", "?cursor=x", "?cursor=%00", "?cursor=cD14", "?cursor=cD0lMDA%3D", "?cursor=bz05OTk%3D",
    "?cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk%3D", "?state=begun&state=complete", "?external_id=%00", "?token=wst_x",
    "?access_token=x", "?format=xml",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)  # B67, B69, B71
def test_odd_questions_are_a_400(cast, api, campaign, query):
    response = api(cast.adam)("get", f"campaigns/everyday-answers/items/{query}")
    problem(response, 404 if "format" in query and response.status_code == 404 else 400)


def test_filters_filter(cast, api, campaign):
    lease = lease_next(labeler=cast.lena, campaign=campaign)
    api(cast.lena)("post", f"assignments/{lease.pk}/submit/", whole(lease))
    reza = api(cast.reza)
    states = {
        s: len(reza("get", f"campaigns/everyday-answers/items/?state={s}").json()["results"])
        for s in ("waiting", "begun")
    }
    assert states == {"waiting": 3, "begun": 1}
    count = lambda query: len(reza("get", f"campaigns/everyday-answers/feedback/?{query}").json()["results"])  # noqa: E731
    assert [
        count(q) for q in ("", "question=grade", "type=comparison", "status=late", f"item={lease.item_id}")
    ] == [3, 2, 1, 0, 3]
    for odd in ("type=nothing", "status=x", "item=x"):
        problem(reza("get", f"campaigns/everyday-answers/feedback/?{odd}"), 400)


# --- Who is calling --------------------------------------------------------------------------------------------------


def test_tokens_open_by_scope_and_all_that_fail_look_the_same(cast, api, campaign):  # B65
    token, text = issue_token(user=cast.adam, name="t", scopes=["read"])
    client = api(None, Authorization=f"Bearer {text}")
    assert client("get", "campaigns/everyday-answers/").status_code == 200
    assert "manage" in problem(client("post", "campaigns/everyday-answers/pause/", {}), 403)["message"]
    messages = set()
    for header in (
        "",
        "Bearer ",
        "Bearer wst_nothing",
        "Bearer x" * 1000,
        "Basic YWRhbTpw",
        f"bearer{text}",
        "Bearer \u00e9",
    ):
        response = api(None, **({"Authorization": header} if header else {}))(
            "get", "campaigns/everyday-answers/"
        )
        messages.add(problem(response, 401, "not_signed_in")["message"])
        assert response["WWW-Authenticate"] == "Bearer"
    ApiToken.objects.update(revoked_at=token.created_at)
    messages.add(problem(client("get", "me/"), 401)["message"])
    ApiToken.objects.update(revoked_at=None, expires_at=token.created_at)
    messages.add(problem(client("get", "me/"), 401)["message"])
    ApiToken.objects.update(expires_at=None)
    User.objects.filter(pk=cast.adam.pk).update(is_active=False)
    messages.add(problem(client("get", "me/"), 401)["message"])
    assert len(messages) == 1
    User.objects.filter(pk=cast.adam.pk).update(is_active=True)
    assert client("get", "me/").status_code == 200
    problem(api(None)("get", f"me/?token={text}"), 400)


def test_a_session_needs_its_csrf_token(cast, campaign):  # B51
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.lena, backend="django.contrib.auth.backends.ModelBackend")
    refused = client.post("/api/campaigns/everyday-answers/next/", data={}, content_type="application/json")
    problem(refused, 403)
    _token, text = issue_token(user=cast.lena, name="t", scopes=["label"])
    bare = Client(enforce_csrf_checks=True)  # a token is no cookie: nothing to forge
    headers = {"Authorization": f"Bearer {text}"}
    sent = bare.post(
        "/api/campaigns/everyday-answers/next/", data={}, content_type="application/json", headers=headers
    )
    assert sent.status_code == 200


def test_no_cross_origin_header(cast, api, campaign):  # B79
    response = api(cast.adam)("options", "me/", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_limits_answer_429_with_a_time(cast, api, campaign, settings):
    settings.API_RATES = {"read": "2/min"}
    adam = api(cast.adam)
    assert [adam("get", "me/").status_code for _n in range(2)] == [200, 200]
    limited = adam("get", "me/", headers={"X-Forwarded-For": "10.1.1.1"})
    body = problem(limited, 429, "too_many")
    assert 0 < int(limited["Retry-After"]) <= 61 and body["extra"]["retry_after_s"] == int(
        limited["Retry-After"]
    )
    assert api(cast.lena)("get", "me/").status_code == 200  # others are not held up
    assert RATES["read"] == "1200/min"


# --- Never a 500 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("terminating connection: secret SELECT"), 503),
        (psycopg.errors.QueryCanceled("statement timeout"), 503),
        (psycopg.errors.LockNotAvailable("lock timeout"), 503),
        (DataError("value too long for type: secret"), 422),
    ],
    ids=["away", "statement timeout", "lock timeout", "does not fit"],
)
def test_a_busy_database_is_503_with_a_time(cast, api, campaign, monkeypatch, error, status):  # F10-F13
    def fail(*args, **kwargs):
        if isinstance(error, psycopg.Error):
            raise OperationalError(str(error)) from error
        raise error

    monkeypatch.setattr("annotation.api.campaigns.selectors.campaign_progress", fail)
    response = api(cast.adam)("get", "campaigns/everyday-answers/progress/")
    problem(response, status)
    assert "secret" not in response.content.decode() and (status == 422 or response["Retry-After"] == "2")


@pytest.mark.parametrize(
    "path", ["nothing/", "campaigns/%00/", "assignments/99999999999999999999/", "assignments/-1/"]
)
def test_addresses_that_lead_nowhere(cast, api, path):
    assert api(cast.adam)("get", path).status_code == 404


def test_the_document_is_complete(cast, api, campaign, capsys):
    """drf-spectacular finds nothing to complain about, and names every route."""
    import yaml
    from django.core.management import call_command

    call_command("spectacular", validate=True, fail_on_warn=True)
    document = yaml.safe_load(capsys.readouterr().out)
    paths = {path for path in document["paths"] if path.startswith("/api/")}
    assert {"/api/campaigns/{slug}/next/", "/api/assignments/{assignment_id}/submit/"} <= paths
    for path in paths:
        for operation in document["paths"][path].values():
            assert operation["operationId"] and operation["description"]
