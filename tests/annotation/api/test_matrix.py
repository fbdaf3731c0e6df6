"""Every route of the API × every role, on own and on foreign objects; a new route without an expectation fails (I-20).

And the other way round: planted words (a policy's name, an e-mail address, another labeler's comment, a gold answer) must
not be in any answer that a labeler gets (I-21).
"""

import copy
import io
import uuid

import pytest
from django.urls import get_resolver

from annotation.adjudication.models import Adjudication
from annotation.assignment.services import lease_next
from annotation.campaigns.services import change_campaign
from annotation.endpoints.models import Endpoint
from annotation.endpoints.services import create_endpoint
from annotation.generation.models import Generation
from annotation.items.imports import upload
from annotation.items.models import Import, Item
from annotation.ledger.models import Payout
from annotation.people.models import User
from annotation.people.services import invite
from annotation.submissions.services import request_hash
from annotation.webhooks.models import Webhook
from annotation.webhooks.services import create_webhook
from tests.annotation.gold.test_services import prefers
from tests.cast import add_some_items, answer, make_campaign, make_user, send

ROLES = (
    "labeler",
    "reviewer",
    "admin",
    "researcher",
    "superuser",
    "stranger",
    "anonymous",
    "suspended",
    "disabled",
)
OUTSIDE = {"stranger": 404, "suspended": 404, "anonymous": 401, "disabled": 401}
FILES = ("items-import", "imports")  # whose body is a file
JSONL = b'{"prompt": "New?", "responses": ["a", "b"]}\n'


def asked(world):
    """The item of the world's lease, with what its expected answers are read by."""
    return Item.objects.select_related("prompt", "campaign__protocol").get(pk=world.lease.item_id)


def everybody(status: int) -> dict[str, int]:
    return {
        "labeler": status,
        "reviewer": status,
        "admin": status,
        "researcher": status,
        "superuser": status,
        **OUTSIDE,
    }


def admins(status: int) -> dict[str, int]:
    return {
        "labeler": 403,
        "reviewer": 403,
        "admin": status,
        "researcher": 403,
        "superuser": status,
        **OUTSIDE,
    }


def overseers(status: int) -> dict[str, int]:
    return {**everybody(status), "labeler": 403}


def reviewers(status: int) -> dict[str, int]:
    return {**overseers(status), "researcher": 403}


def labelers(status: int) -> dict[str, int]:
    return {"labeler": status, "reviewer": 403, "admin": 403, "researcher": 403, "superuser": 403, **OUTSIDE}


def own(status: int) -> dict[str, int]:
    """An assignment of the labeler: nobody else learns that it exists."""
    return {**dict.fromkeys(ROLES, 404), "labeler": status, "anonymous": 401, "disabled": 401}


PEOPLE = {**dict.fromkeys(ROLES, 200), "anonymous": 401, "disabled": 401}

CREATORS = {**dict.fromkeys(ROLES, 403), "admin": 200, "superuser": 200, "anonymous": 401, "disabled": 401}
ENDPOINT = {**dict.fromkeys(ROLES, 404), "admin": 200, "superuser": 200, "anonymous": 401, "disabled": 401}

# (route name, method): (what each role gets, body)
EXPECTED = {
    ("me", "get"): (PEOPLE, None),
    ("campaigns", "get"): (PEOPLE, None),
    ("campaigns", "post"): (
        {**dict.fromkeys(ROLES, 403), "admin": 201, "superuser": 201, "anonymous": 401, "disabled": 401},
        lambda world: {"name": "New"},
    ),
    ("campaign", "get"): (everybody(200), None),
    ("campaign", "patch"): (admins(200), lambda world: {"name": "Other", "version": world.version()}),
    ("open", "post"): (admins(200), lambda world: {}),
    ("pause", "post"): (admins(200), lambda world: {}),
    ("close", "post"): (admins(200), lambda world: {}),
    ("guidelines", "get"): (everybody(200), None),
    ("guidelines", "post"): (admins(201), lambda world: {"markdown": "Be kind."}),
    ("guidelines-acknowledge", "post"): (labelers(200), lambda world: {"number": world.guidelines()}),
    ("qualification", "get"): (labelers(200), None),
    ("qualification", "post"): (labelers(409), lambda world: {}),  # there was no attempt
    ("protocol", "get"): (everybody(200), None),
    ("protocol", "post"): (admins(201), lambda world: {"questions": [{"key": "a", "type": "comparison"}]}),
    ("progress", "get"): (everybody(200), None),
    ("agreement", "get"): (overseers(200), None),
    ("quality", "get"): (overseers(200), None),
    ("quality", "post"): (overseers(202), lambda world: {}),
    ("consensus", "get"): (overseers(200), None),
    ("items", "get"): (overseers(200), None),
    ("items-import", "post"): (admins(201), lambda world: JSONL),
    ("audit", "get"): (admins(200), None),
    ("item", "get"): (overseers(200), None),
    ("item", "patch"): (admins(200), lambda world: {"overlap": 3}),
    ("disagreements", "get"): (reviewers(200), None),
    ("adjudications", "get"): (reviewers(200), None),
    ("adjudications", "post"): (reviewers(201), lambda world: world.decision()),
    ("imports", "get"): (admins(200), None),
    ("imports", "post"): (admins(201), lambda world: JSONL),
    ("import", "get"): (admins(200), None),
    ("import", "delete"): (admins(204), None),
    ("import-start", "post"): (
        admins(202),
        lambda world: {
            "mapping": {"prompt": "prompt", "response_list": "responses"},
            "update": False,
            "options": {},
        },
    ),
    ("import-errors", "get"): (admins(200), None),
    ("item-assign", "post"): (admins(201), lambda world: {"labeler": world.free_labeler()}),
    ("invitations", "get"): (admins(200), None),
    ("invitations", "post"): (admins(201), lambda world: {"role": "labeler", "max_uses": 3, "days": 7}),
    ("invitations-bulk", "post"): (admins(201), lambda world: {"people": [{"note": "anna"}], "days": 7}),
    ("invitation", "delete"): (admins(204), None),
    ("item-gold", "post"): (
        {**admins(200), "reviewer": 200},
        lambda world: {"answers": [[prefers(asked(world), -3)]], "explanation": "Because."},
    ),
    ("labelers", "get"): (admins(200), None),
    ("labeler", "patch"): (admins(200), lambda world: {"languages": ["en"]}),
    ("feedback", "get"): (overseers(200), None),
    ("next", "post"): (labelers(200), lambda world: {}),
    ("undo", "post"): (labelers(200), lambda world: {}),
    ("assignment", "get"): (own(200), None),
    ("heartbeat", "post"): (own(200), lambda world: {}),
    ("draft", "put"): (own(200), lambda world: {"data": {"a": "b"}}),
    ("submit", "post"): (own(201), lambda world: world.answers()),
    ("skip", "post"): (own(200), lambda world: {"reason": "unclear"}),
    ("flag", "post"): (own(201), lambda world: {"reason": "broken"}),
    ("endpoints", "get"): (CREATORS, None),
    ("endpoints", "post"): (
        {role: 201 if status == 200 else status for role, status in CREATORS.items()},
        lambda world: {
            "name": uuid.uuid4().hex,
            "base_url": "https://api.example.org/v1",
            "model": "large-7b",
        },
    ),
    ("endpoint", "get"): (ENDPOINT, None),
    ("endpoint", "patch"): (ENDPOINT, lambda world: {"model": "small-1b"}),
    ("endpoint", "delete"): (
        {role: 204 if status == 200 else status for role, status in ENDPOINT.items()},
        None,
    ),
    ("endpoint-try", "post"): (ENDPOINT, lambda world: {"prompt": "Hello?"}),
    ("webhooks", "get"): (admins(200), None),
    ("webhooks", "post"): (
        admins(201),
        lambda world: {
            "url": f"https://api.example.org/{uuid.uuid4().hex}",
            "kinds": ["run.finished", "item.completed"],
        },
    ),
    ("webhook", "get"): (admins(200), None),
    ("webhook", "patch"): (admins(200), lambda world: {"kinds": ["flag.created"]}),
    ("webhook", "delete"): (admins(204), None),
    ("webhook-try", "post"): (admins(200), lambda world: {}),  # nobody is there, which it says
    ("webhook-rotate", "post"): (admins(200), lambda world: {}),
    ("deliveries", "get"): (admins(200), None),
    ("delivery-again", "post"): (admins(202), lambda world: {}),
    ("live", "get"): (admins(200), None),
    ("live", "put"): (admins(200), lambda world: {"source": "off"}),
    ("candidates", "get"): (admins(200), None),
    ("candidates", "post"): (admins(409), lambda world: {"n": 2}),  # no policy is live
    ("generate", "post"): (own(409), lambda world: {"question": "better"}),  # no policy is live
    ("generation", "get"): (own(200), None),
    ("generation-stop", "post"): (own(200), lambda world: {}),
    ("terms", "get"): (everybody(200), None),
    ("terms", "put"): (
        admins(200),
        lambda world: {"currency": "EUR", "pay_per": "answer", "rate": "0.1", "version": world.version()},
    ),
    ("costs", "get"): (admins(200), None),
    ("ledger", "get"): (admins(200), None),
    ("ledger", "post"): (
        admins(409),  # nothing is paid here; tests/annotation/api/test_ledger.py pays
        lambda world: {
            "labeler": "lena",
            "kind": "bonus",
            "amount": "1",
            "note": "x",
            "key": str(uuid.uuid4()),
        },
    ),
    ("payouts", "get"): (admins(200), None),
    ("payouts", "post"): (admins(409), lambda world: {"until": "2026-01-31", "key": str(uuid.uuid4())}),
    ("payout-file", "get"): (admins(200), None),
    ("payout-undo", "post"): (admins(200), lambda world: {}),
    ("schema", "get"): (PEOPLE, None),
    ("docs", "get"): (PEOPLE, None),
}


class World:
    """A campaign with people in every role, an answer sent and a lease out, and the labeler's words on the way."""

    def __init__(self, cast, campaign) -> None:
        self.campaign = campaign
        self.people = {
            "labeler": cast.lena,
            "reviewer": cast.rita,
            "admin": cast.adam,
            "researcher": cast.reza,
            "superuser": make_user("root", is_superuser=True),
            "stranger": cast.stan,
            "anonymous": None,
            "suspended": make_user("sven"),
            "disabled": make_user("dora"),
        }
        campaign.memberships.create(
            user=self.people["suspended"], role="labeler", suspended_at=campaign.created_at
        )
        campaign.memberships.create(user=self.people["disabled"], role="admin")
        self.answered = send(lease_next(labeler=cast.otto, campaign=campaign))
        send(lease_next(labeler=cast.lena, campaign=campaign))
        self.lease = lease_next(labeler=cast.lena, campaign=campaign)
        self.invitation, _token = invite(actor=cast.adam, campaign=campaign)

    def endpoint(self) -> int:
        """One of the admin's, made anew when it was removed."""
        known = Endpoint.objects.filter(created_by=self.people["admin"], removed_at=None).first()
        return (
            known
            or create_endpoint(
                actor=self.people["admin"], name="Large", base_url="http://127.0.0.1:9/v1", model="large-7b"
            )
        ).pk

    def webhook(self) -> Webhook:
        """One that is there, made anew when it was removed; with a message in its log."""
        admin = self.people["admin"]
        known = Webhook.objects.filter(campaign=self.campaign, removed_at=None, url__contains=":9/").first()
        found = (
            known
            or create_webhook(
                actor=admin, campaign=self.campaign, url="http://127.0.0.1:9/hook", kinds=["flag.created"]
            )[0]
        )
        if not found.deliveries.exists():
            found.deliveries.create(kind="flag.created", data={})
        return found

    def decision(self):
        """The next one: each replaces the one before."""
        last = Adjudication.objects.order_by("-id").first()
        return {
            "act": "choose",
            "chosen": str(self.answered.pk),
            "reason": "Because.",
            "idempotency_key": str(uuid.uuid4()),
            "seen": last and last.pk,
        }

    def version(self) -> int:
        self.campaign.refresh_from_db()
        return self.campaign.version

    def guidelines(self) -> int:
        self.campaign.refresh_from_db()
        return self.campaign.guidelines.number

    def free_labeler(self) -> str:
        """Somebody new, and a place for them."""
        name = f"free-{uuid.uuid4().hex[:8]}"
        self.campaign.memberships.create(user=make_user(name), role="labeler")
        self.campaign.refresh_from_db()
        change_campaign(
            actor=self.people["admin"],
            campaign=self.campaign,
            version=self.campaign.version,
            changes={"overlap": self.campaign.overlap + 1},
        )
        return name

    def answers(self, **more):
        said = [
            {"question": a.question, "target": a.target, "payload": a.payload.dump()}
            for a in answer(self.lease)
        ]
        return {"idempotency_key": str(uuid.uuid4()), "answers": said, **more}

    def path(self, route: str) -> str:
        plain = {"me": "me/", "campaigns": "campaigns/", "schema": "schema/", "docs": "docs/"}
        if route in plain:
            return plain[route]
        if route == "endpoints":
            return "endpoints/"
        if route in ("endpoint", "endpoint-try"):
            return f"endpoints/{self.endpoint()}/" + ("try/" if route == "endpoint-try" else "")
        if route in ("webhook", "webhook-try", "webhook-rotate", "deliveries", "delivery-again"):
            found = self.webhook()
            tail = {
                "webhook": "",
                "deliveries": "deliveries/",
                "delivery-again": f"deliveries/{found.deliveries.first().pk}/again/",
            }.get(route, f"{route.removeprefix('webhook-')}/")
            return f"campaigns/{self.campaign.slug}/webhooks/{found.pk}/{tail}"
        if route == "assignment":
            return f"assignments/{self.lease.pk}/"
        if route in ("generation", "generation-stop"):
            row = Generation.objects.create(
                campaign=self.campaign,
                prompt_id=self.lease.item.prompt_id,
                assignment=self.lease,
                messages=[],
                policy={"name": "canary-policy"},
            )
            return f"generations/{row.pk}/" + ("stop/" if route == "generation-stop" else "")
        if route in ("heartbeat", "draft", "submit", "skip", "flag", "generate"):
            return f"assignments/{self.lease.pk}/{route}/"
        if route in ("payout-file", "payout-undo"):
            payout, _made = Payout.objects.get_or_create(
                campaign=self.campaign,
                key=uuid.UUID(int=1),
                defaults={"until": "2026-01-31", "currency": "EUR", "created_by": self.people["admin"]},
            )
            return f"campaigns/{self.campaign.slug}/payouts/{payout.pk}/{route.removeprefix('payout-')}/"
        tail = {
            "campaign": "",
            "items-import": "items/import/",
            "labeler": "labelers/lena/",
            "item-assign": f"items/{self.lease.item_id}/assign/",
            "quality": "quality/leaderboard/",
            "invitations-bulk": "invitations/bulk/",
            "invitation": f"invitations/{self.invitation.pk}/",
            "item": f"items/{self.answered.item_id}/",
            "adjudications": f"items/{self.answered.item_id}/adjudications/",
            "guidelines-acknowledge": "guidelines/acknowledge/",
            "item-gold": f"items/{self.lease.item_id}/gold/",
            "import": "imports/{}/",
            "import-start": "imports/{}/start/",
            "import-errors": "imports/{}/errors/",
        }.get(route, f"{route}/")
        return f"campaigns/{self.campaign.slug}/{tail.format(self.import_id() if '{}' in tail else '')}"

    def import_id(self) -> int:
        """A file that waits; another one when it was started or thrown away."""
        waiting = Import.objects.filter(campaign=self.campaign, status="uploaded").first()
        return (
            waiting
            or upload(
                actor=self.people["admin"],
                campaign=self.campaign,
                stream=io.BytesIO(JSONL),
                file_name="x.jsonl",
            )
        ).pk


@pytest.fixture
def world(cast, campaign):
    return World(cast, campaign)


def routes() -> dict[str, set[str]]:
    """Route names of the API with the methods that they answer."""
    (api,) = [p for p in get_resolver().url_patterns if getattr(p, "namespace", None) == "api"]
    return {
        pattern.name: {
            m for m in ("get", "post", "put", "patch", "delete") if hasattr(pattern.callback.view_class, m)
        }
        for pattern in api.url_patterns
    }


def test_every_route_has_an_expectation():
    assert {(name, method) for name, methods in routes().items() for method in methods} == set(EXPECTED)


@pytest.mark.parametrize(("route", "method"), EXPECTED)
def test_each_role_gets_what_it_may(world, api, route, method):
    expected, body = EXPECTED[route, method]
    got = {}
    for role in sorted(ROLES, key=lambda r: expected[r] < 300):  # those who change something come last
        client = api(world.people[role])
        if role == "disabled":
            User.objects.filter(pk=world.people[role].pk).update(is_active=False)
        options = {"content_type": "application/x-ndjson"} if route in FILES else {}
        got[role] = client(method, world.path(route), body and body(world), **options).status_code
    assert got == expected


@pytest.mark.parametrize(
    ("route", "method"),
    [key for key in EXPECTED if key[0] not in ("me", "campaigns", "endpoints", "schema", "docs")],
)
def test_a_foreign_campaign_does_not_exist(world, cast, api, route, method):
    """Whoever administers one campaign and labels in it sees nothing of another."""
    other = make_user("olga")
    mine = make_campaign(cast, name="Mine")
    for role in ("admin", "labeler", "researcher", "reviewer"):
        mine.memberships.get_or_create(user=other, role=role)
    _expected, body = EXPECTED[route, method]
    options = {"content_type": "application/x-ndjson"} if route in FILES else {}
    response = api(other)(method, world.path(route), body and body(world), **options)
    assert response.status_code == 404 and response.json()["code"] == "not_found"
    missing = (
        world.path(route).replace(world.campaign.slug, "nothing").replace(str(world.lease.pk), "987654321")
    )
    again = api(other)(method, missing, body and body(world), **options)
    assert (again.status_code, again.json()["message"]) == (404, response.json()["message"])


def test_a_labeler_never_sees_who_wrote_it_or_what_others_said(world, cast, api):
    """Planted words do not come back in any answer to a labeler."""
    Item.objects.update(
        purpose="gold",
        counted=0,
        gold_answers={"explanation": "gold-canary"},
        metadata={"k": "metadata-canary"},
    )
    others = {str(s.pk) for s in world.campaign.submissions.exclude(labeler=cast.lena)}
    canaries = {
        "canary-policy",
        "gold-canary",
        "metadata-canary",
        "canary.example",
        "gold",
        "purpose",
        "expected",
        "source",
        "otto",
    } | others
    client, bodies = api(cast.lena), []
    for (route, method), (expected, body) in EXPECTED.items():
        if route in ("schema", "docs", "skip") or expected["labeler"] >= 300:
            continue
        data = body and body(world)
        if route == "submit":
            data |= {"next": True}
        response = client(method, world.path(route), data)
        assert response.status_code < 300, (route, response.content)
        bodies.append(response.content.decode())
    assert len(bodies) >= 10
    for text in bodies:
        assert not [canary for canary in canaries if canary in text]
    assert any("Answer " in text for text in bodies)  # the texts themselves are there


def test_overseers_see_pseudonyms_only(world, cast, api):
    for person in (cast.rita, cast.adam, cast.reza):
        rows = api(person)("get", world.path("feedback")).json()["results"]
        assert {row["labeler"] for row in rows} == {
            u.pseudonym(world.campaign.pk) for u in (cast.lena, cast.otto)
        }
        assert all(word not in str(rows) for word in ("lena", "otto", "canary.example"))


def test_request_hash_does_not_depend_on_order(world):
    said = answer(world.lease)
    assert request_hash(said) == request_hash(said[::-1]) != request_hash(said[:-1])


def test_lists_do_not_cost_more_for_more_rows(world, cast, api, django_assert_max_num_queries):
    add_some_items(world.campaign, 30, start=50)
    for route, most in (("items", 5), ("feedback", 4)):
        client = api(cast.adam)
        with django_assert_max_num_queries(most):
            assert len(client("get", world.path(route)).json()["results"]) > 3


NASTY = [
    None,
    True,
    -1,
    0,
    1.5,
    10**17,
    "",
    "x" * 1000,
    "٣",
    "%s{}'\"",
    [],
    [[1]],
    {},
    {"a": None},
    [None],
    "2026-11-20",
]


def bodies(body):
    """The body with each of its values, at every depth, replaced by each nasty one; then with each of its keys gone."""

    def spots(value, path=()):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield (*path, key)
                yield from spots(inner, (*path, key))
        elif isinstance(value, list) and value:
            yield (*path, 0)
            yield from spots(value[0], (*path, 0))

    for path in spots(body):
        for nasty in [*NASTY, ...]:
            changed = copy.deepcopy(body)
            place = changed
            for step in path[:-1]:
                place = place[step]
            if nasty is ...:
                del place[path[-1]]
            else:
                place[path[-1]] = nasty
            yield changed


@pytest.mark.parametrize(
    ("route", "method"),
    [(r, m) for (r, m), (_e, body) in EXPECTED.items() if body and r not in ("skip", *FILES)],
)
def test_no_body_gives_a_5xx(world, api, route, method, monkeypatch, settings):  # I-34
    """Also: no body makes a labeler's lease disappear, or says more than what to mend."""
    settings.API_RATES = {"change": "100000/min", "label": "100000/min"}
    role = "admin" if EXPECTED[route, method][0]["labeler"] == 403 else "labeler"
    client, path = api(world.people[role]), world.path(route)
    good = EXPECTED[route, method][1](world)
    for body in [*NASTY, *bodies(good)]:
        if body is None:
            continue
        response = client(method, path, body)
        assert response.status_code < 500, body
        if response.status_code >= 400:
            told = response.json()
            assert set(told) == {"code", "message", "fields", "extra"} and told["message"]
            assert "Traceback" not in str(told) and "psycopg" not in str(told)


def test_no_address_or_query_gives_a_5xx(world, api):
    client = api(world.people["admin"])
    for odd in (
        "%00",
        "..%2f",
        "x" * 3000,
        "0",
        "-1",
        str(2**63),
        str(2**64),
        "١",
        "%F0%9F%A6%A6",
        "%ff",
        "'--",
    ):
        for path in (
            f"campaigns/{odd}/",
            f"campaigns/{odd}/items/",
            f"assignments/{odd}/",
            f"assignments/{odd}/submit/",
        ):
            for method in ("get", "post", "patch", "delete"):
                assert client(method, path).status_code < 500
        for name in (
            "state",
            "cursor",
            "page_size",
            "external_id",
            "round",
            "question",
            "type",
            "status",
            "item",
            odd,
        ):
            for route in ("items", "feedback"):
                assert client("get", f"{world.path(route)}?{name}={odd}").status_code < 500
