"""Every page × every role, on own and on foreign objects; a new route without an expectation fails.

The routes come from the resolver, so the table below cannot forget one.
"""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from annotation.assignment.models import Flag
from annotation.assignment.services import flag, lease_next
from annotation.campaigns.models import Campaign
from annotation.endpoints.services import create_endpoint
from annotation.generation.models import Generation
from annotation.items.imports import upload
from annotation.ledger.models import Payout
from annotation.people.models import ApiToken, Membership, Role, User
from annotation.people.services import create_sign_in_link, grant_role, invite, issue_token, revoke_role
from annotation.views.assets import bundle_urls
from annotation.webhooks.models import Delivery
from annotation.webhooks.services import create_webhook
from feedback_types.registry import consents
from tests.cast import Cast, make_campaign, make_cast, make_user, send
from training_bridge.models import Checkpoint, Run, Snapshot
from training_bridge.services import open_round, promote, start_run, take_snapshot

pytestmark = pytest.mark.django_db

SIGN_IN = "sign in"  # a redirect to the sign-in page; any other redirect is its number
ROLES = (
    "anonymous",
    "stranger",
    "labeler",
    "reviewer",
    "admin",
    "researcher",
    "elsewhere",  # an admin of another campaign
    "suspended",  # a labeler who was sent away
)
Status = int | str
Expected = dict[str, Status]


def public(status: int) -> Expected:
    return dict.fromkeys(ROLES, status)


def signed_in(status: int) -> Expected:
    return {**public(status), "anonymous": SIGN_IN}


def only(status: int, *roles: str, members: int = 403, others: int = 404) -> Expected:
    """These roles are let in; other members are told no, and for everybody else the object does not exist."""
    inside = {"labeler": members, "reviewer": members, "admin": members, "researcher": members}
    return {**signed_in(others), **inside, **dict.fromkeys(roles, status)}


def admins(status: int) -> Expected:
    return only(status, "admin")


def overseers(status: int) -> Expected:
    return only(status, "reviewer", "admin", "researcher")


def reviewers(status: int) -> Expected:
    return only(status, "reviewer", "admin")


def researchers(status: int) -> Expected:
    return only(status, "admin", "researcher")


def labelers(status: int) -> Expected:
    return only(status, "labeler")


def members(status: int) -> Expected:
    return only(status, "labeler", "reviewer", "admin", "researcher")


def own(status: int, role: str = "labeler") -> Expected:
    """Something of one person: nobody else learns that it exists."""
    return only(status, role, members=404)


def research_object(status: int) -> Expected:
    """Found by its id and not by its campaign: it does not exist for members who do not research either."""
    return only(status, "admin", "researcher", members=404)


CREATORS = only(200, "admin", "elsewhere", others=403)
# Whoever was sent away does not come back by an invitation, whose link is of no use to them.
JOINED = {**public(302), "anonymous": 422, "suspended": 410}
SNAPSHOT = {"labeler_kinds": ["human"], "test_percent": "10"}

# route: (GET, POST, body of the POST); None where the method does not exist: a 405 for everybody
EXPECTED: dict[str, tuple[Expected | None, Expected | None, dict[str, Any]]] = {
    "home": (signed_in(200), None, {}),
    "my_work": (signed_in(200), None, {}),
    "preferences": (None, public(302), {"theme": "dark"}),
    "privacy": (signed_in(200), None, {}),
    "my_data": (signed_in(200), None, {}),
    "erase_me": (None, signed_in(422), {"username": "somebody"}),
    "privacy_act": (None, signed_in(302), {}),
    "sign_in_link": (public(200), public(302), {}),
    "join": (public(200), JOINED, {}),
    "widgets_js": (public(200), public(200), {}),
    "widgets_css": (public(200), public(200), {}),
    "site_audit": ({**signed_in(404)}, None, {}),
    "types": (signed_in(200), signed_in(200), {}),
    # Campaigns
    "campaigns": (signed_in(200), None, {}),
    "campaign_new": (CREATORS, {**CREATORS, "admin": 422, "elsewhere": 422}, {"name": ""}),
    "campaign": (overseers(200), None, {}),
    "campaign_state": (admins(200), admins(302), {}),
    "campaign_questions": (admins(200), admins(200), {"act": "add:critique"}),
    "campaign_types": (admins(200), admins(200), {"count": "0"}),
    "campaign_settings": (admins(200), admins(422), {"name": ""}),
    "campaign_audit": (admins(200), None, {}),
    "campaign_items": (overseers(200), None, {}),
    "campaign_import": (None, admins(302), {}),
    "campaign_import_one": (admins(200), admins(200), {"prompt": "prompt"}),
    "campaign_import_cancel": (None, admins(302), {}),
    "campaign_import_errors": (admins(200), None, {}),
    "campaign_item": (overseers(200), None, {}),
    "campaign_item_overlap": (None, admins(302), {"overlap": "3"}),
    "campaign_review": (reviewers(200), None, {}),
    "campaign_review_item": (reviewers(200), reviewers(422), {"reason": ""}),
    "campaign_review_blind": (reviewers(200), reviewers(422), {}),
    "campaign_review_write": (reviewers(200), reviewers(422), {}),
    "campaign_item_gold": (None, only(302, "reviewer", "admin"), {"purpose": "gold", "source": "consensus"}),
    "campaign_flag": (None, admins(302), {"withdraw": "yes"}),
    "campaign_live": (admins(200), admins(422), {"source": "nobody"}),
    "campaign_candidates": (admins(200), admins(409), {"n": "2"}),  # no policy is live
    "campaign_quality": (overseers(200), None, {}),
    "campaign_money": (admins(200), admins(422), {"pay_per": "word"}),
    "campaign_grant": (None, admins(422), {}),
    "campaign_payouts": (None, admins(422), {}),
    "campaign_payout": (admins(200), None, {}),
    "campaign_payout_undo": (None, admins(302), {}),
    "campaign_labelers": (overseers(200), None, {}),
    "campaign_reliability": (overseers(200), None, {}),
    "campaign_leaderboard": (overseers(200), None, {}),
    "campaign_quality_compute": (None, overseers(302), {"statistic": "leaderboard"}),
    "campaign_people": (admins(200), admins(200), {"role": "labeler", "max_uses": "1", "days": "7"}),
    "campaign_invite_many": (admins(200), admins(200), {"people": "anna", "days": "7"}),
    "campaign_invitation_revoke": (None, admins(302), {}),
    "campaign_membership": (None, admins(302), {}),
    "campaign_routing": (admins(200), admins(302), {"languages": "en"}),
    "tokens": (signed_in(200), signed_in(200), {"name": "mine", "scopes": "label", "days": "7"}),
    "token_revoke": (None, own(302, "admin"), {}),
    # Policies that somebody else serves
    "endpoints": (CREATORS, None, {}),
    "endpoint_new": (CREATORS, {**CREATORS, "admin": 422, "elsewhere": 422}, {"name": ""}),
    "endpoint": (own(200, "admin"), own(422, "admin"), {"name": ""}),
    "endpoint_try": (None, own(200, "admin"), {"prompt": "Hello?"}),  # nobody is there, which the page says
    "endpoint_remove": (None, own(302, "admin"), {}),
    # Where its events are sent
    "campaign_webhooks": (admins(200), admins(422), {"url": ""}),
    "campaign_webhook": (admins(200), admins(422), {"url": ""}),
    "campaign_webhook_try": (None, admins(302), {}),  # nobody is there, which the log says
    "campaign_webhook_rotate": (None, admins(200), {}),
    "campaign_webhook_remove": (None, admins(302), {}),
    "campaign_webhook_again": (None, admins(302), {}),
    # Labeling
    "guidelines": (members(200), None, {}),
    "label": (labelers(200), None, {}),
    "label_next": (labelers(200), None, {}),
    "label_practice": (None, labelers(302), {"act": "on"}),
    "label_acknowledge": (None, labelers(302), {"number": "1"}),
    "label_token": (signed_in(200), None, {}),
    "label_undo": (labelers(200), None, {}),
    "label_change": (labelers(200), None, {}),
    "label_submit": (None, own(422), {}),
    "label_draft": (None, own(200), {"better": "1"}),
    "label_heartbeat": (None, own(200), {}),
    "label_preview": (None, own(422), {}),  # a comparison shows nothing beforehand
    "label_generate": (None, own(409), {}),  # no policy is live
    "label_stop": (None, own(200), {}),
    "label_skip": (None, own(302), {"reason": "unclear"}),
    "label_flag": (None, own(302), {"reason": "broken"}),
    # Research
    "data": (signed_in(200), None, {}),
    "snapshot": (research_object(200), None, {}),
    "snapshot_live": (research_object(200), None, {}),
    "push_snapshot": (None, research_object(422), {"repository": ""}),
    "push_live": (research_object(404), None, {}),  # nobody has put it anywhere
    "snapshot_download": (research_object(409), None, {}),  # it is still queued; test_pages.py downloads one
    "snapshot_exchange": (research_object(409), None, {}),
    "snapshot_answers": (research_object(409), None, {}),
    "snapshot_answer": (research_object(409), None, {}),
    "lineage": (research_object(200), None, {}),
    "compare_snapshots": (research_object(409), None, {}),
    "new_snapshot": (researchers(200), researchers(302), SNAPSHOT),
    "progress": (researchers(200), None, {}),
    "runs": (signed_in(200), None, {}),
    "run": (research_object(200), None, {}),
    "run_live": (research_object(200), None, {}),
    "cancel_run": (None, research_object(302), {}),
    "resume_run": (None, research_object(409), {}),  # it is still queued; test_queue.py resumes one
    "set_run_priority": (None, research_object(302), {"priority": "1"}),
    "compare_runs": (signed_in(422), None, {}),  # two must be named; test_queue.py names them
    "new_run": (researchers(200), researchers(200), {}),
    "models": (signed_in(200), None, {}),
    "model": (research_object(200), None, {}),
    "score": (None, research_object(302), {"prompt": "Why?", "text": "Because."}),
    "score_response": (None, research_object(302), {}),
    "heat": (research_object(200), None, {}),
    "heat_live": (research_object(200), None, {}),
    "promote": (None, researchers(302), {}),
    "undo_promotion": (None, researchers(302), {}),
    "rounds": (signed_in(200), None, {}),
    "begin_rounds": (None, researchers(302), {}),
    "round": (researchers(200), None, {}),
    "round_live": (researchers(200), None, {}),
    "train_reward": (None, researchers(302), {}),
    "refresh_policy": (None, researchers(302), {"method": "dpo"}),
}


def routes() -> dict[str, list[str]]:
    """Names of the page routes with those of their arguments; the API and the accounts have tests of their own."""
    found: dict[str, list[str]] = {}
    for part in get_resolver().url_patterns:
        if isinstance(part, URLPattern) or str(part.pattern):  # healthz; accounts/, api/
            continue
        for route in part.url_patterns:
            assert isinstance(route, URLPattern) and route.name
            if not str(route.pattern).startswith("api/"):
                arguments = getattr(route.pattern, "converters", None) or route.pattern.regex.groupindex
                found[route.name] = list(arguments)
    return found


@pytest.fixture
def cast() -> Cast:
    return make_cast()


class World:
    """A campaign with one of everything that an address can name, and somebody in every role."""

    def __init__(self, cast: Cast) -> None:
        self.campaign: Campaign = make_campaign(cast, items=3, overlap=2)
        self.people: dict[str, User | None] = {
            "anonymous": None,
            "stranger": cast.stan,
            "labeler": cast.lena,
            "reviewer": cast.rita,
            "admin": cast.adam,
            "researcher": cast.reza,
            "elsewhere": make_user("olga"),
            "suspended": make_user("sven"),
        }
        self.other = make_campaign(cast, items=1, name="Elsewhere")
        grant_role(actor=None, user=self.person("elsewhere"), campaign=self.other, role=Role.ADMIN)
        sven = grant_role(
            actor=None, user=self.person("suspended"), campaign=self.campaign, role=Role.LABELER
        )
        revoke_role(actor=cast.adam, user=sven.user, campaign=self.campaign, role=Role.LABELER)
        self.values = self._annotation(cast, sven) | self._research(cast)
        # Arguments that mean another thing on another page.
        self.special = {
            "sign_in_link": {"token": create_sign_in_link(user=cast.stan).strip("/").split("/")[-1]},
            "widgets_css": {"digest": self.values["css_digest"]},
            "promote": {"checkpoint_id": self.newer.pk},
            "privacy_act": {"slug": next(iter(consents())), "act": "withdraw"},
        }

    def _annotation(self, cast: Cast, sven: Membership) -> dict[str, Any]:
        for person in (cast.otto, cast.lena):
            first = lease_next(labeler=person, campaign=self.campaign)
            assert first is not None
            submission = send(first)
        lease = lease_next(labeler=cast.lena, campaign=self.campaign)
        assert lease is not None
        report: Flag = flag(labeler=cast.lena, assignment_id=lease.pk, reason="broken")
        invitation, token = invite(actor=cast.adam, campaign=self.campaign, max_uses=100)
        mine, _text = issue_token(user=cast.adam, name="mine", scopes=[ApiToken.Scope.values[0]], days=7)
        endpoint = create_endpoint(
            actor=cast.adam, name="Large", base_url="http://127.0.0.1:9/v1", model="large-7b"
        )
        webhook, _secret = create_webhook(
            actor=cast.adam, campaign=self.campaign, url="http://127.0.0.1:9/hook", kinds=["flag.created"]
        )
        message = Delivery.objects.create(webhook=webhook, kind="flag.created", data={})
        waiting = upload(
            actor=cast.adam,
            campaign=self.campaign,
            stream=io.BytesIO(b"prompt,a,b\nQ?,A,B\n"),
            file_name="x.csv",
        )
        urls = bundle_urls()
        return {
            "slug": self.campaign.slug,
            "act": "pause",
            "token": token,
            "language": "en",
            "digest": urls["js"].split(".")[-2],
            "css_digest": urls["css"].split(".")[-2],
            "item_id": lease.item_id,
            "flag_id": report.pk,
            "import_id": waiting.pk,
            "invitation_id": invitation.pk,
            "membership_id": sven.pk,
            "token_id": mine.pk,
            "payout_id": Payout.objects.create(
                campaign=self.campaign,
                key=uuid.uuid4(),
                until="2026-01-31",
                currency="EUR",
                created_by=cast.adam,
            ).pk,
            "endpoint_id": endpoint.pk,
            "webhook_id": webhook.pk,
            "delivery_id": message.pk,
            "submission_id": submission.pk,
            "assignment_id": lease.pk,
            "response_id": lease.response_order[0],
            "question": "better",
            "generation_id": Generation.objects.create(
                campaign=self.campaign, prompt_id=lease.item.prompt_id, assignment=lease, messages=[]
            ).pk,
        }

    def _research(self, cast: Cast) -> dict[str, Any]:
        snapshot: Snapshot = take_snapshot(campaign=self.campaign, actor=cast.reza)
        old, live, self.newer = (
            Checkpoint.objects.create(kind="policy", name=name, path=f"hub/{name}", campaign=self.campaign)
            for name in ("old", "live", "newer")
        )
        for policy in (old, live):
            promote(campaign=self.campaign, policy=policy, actor=cast.reza)
        model = Checkpoint.objects.create(
            kind="reward_model", name="judge", path="hub/judge", campaign=self.campaign
        )
        text = {"messages": [{"role": "user", "content": "Why?"}], "text": "Because."}
        run: Run = start_run(
            campaign=self.campaign,
            actor=cast.reza,
            method="score",
            config={"texts": [text]},
            reward_model=model,
        )
        opened = open_round(campaign=self.campaign, actor=cast.reza, policy=live)
        return {
            "snapshot_id": snapshot.pk,
            "other_id": snapshot.pk,
            "event_id": 1,
            "name": "csv",
            "split": "train",
            "run_id": run.pk,
            "checkpoint_id": model.pk,
            "number": opened.number,
        }

    def person(self, role: str) -> User:
        user = self.people[role]
        assert user is not None
        return user

    def address(self, route: str, arguments: list[str], **changed: Any) -> str:
        values = self.values | self.special.get(route, {}) | changed
        return reverse(route, kwargs={name: values[name] for name in arguments})


@pytest.fixture
def world(cast: Cast) -> World:
    return World(cast)


class Door:
    """One person's browser. Each request runs in a savepoint that is rolled back, cookies too: nothing of it stays."""

    def __init__(self, user: User | None) -> None:
        self.client = Client()
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.cookies = copy(self.client.cookies)

    def ask(self, method: str, address: str, body: dict[str, Any] | None = None) -> HttpResponseBase:
        with transaction.atomic():
            response = self.client.get(address) if method == "GET" else self.client.post(address, body)
            transaction.set_rollback(True)
        self.client.cookies = copy(self.cookies)
        return response


def status_of(response: HttpResponseBase) -> Status:
    is_door = response.status_code == 302 and response["Location"].startswith(reverse("account_login"))
    return SIGN_IN if is_door else response.status_code


def requests() -> Iterator[tuple[str, list[str], str, Expected, dict[str, Any]]]:
    for route, arguments in routes().items():
        get, post, body = EXPECTED[route]
        for method, expected in (("GET", get), ("POST", post)):
            yield route, arguments, method, expected or public(405), body


def test_every_page_has_an_expectation() -> None:
    assert set(routes()) == set(EXPECTED)
    assert len(EXPECTED) > 50  # the resolver was read


def test_each_role_gets_what_it_may(world: World) -> None:
    wrong = []
    doors = {role: Door(world.people[role]) for role in ROLES}
    for route, arguments, method, expected, body in requests():
        address = world.address(route, arguments)
        # A method that does not exist is refused before anybody is looked at; two are enough to see that.
        tried = ROLES if 405 not in expected.values() else ("anonymous", "admin")
        got = {role: status_of(doors[role].ask(method, address, body)) for role in tried}
        differences = {role: (got[role], expected[role]) for role in tried if got[role] != expected[role]}
        if differences:
            wrong.append(f"{method} {route}: (got, expected) {differences}")
    assert not wrong, "\n".join(wrong)


def test_what_is_elsewhere_is_not_found_through_a_campaign_of_ones_own(world: World) -> None:
    """Somebody with every role in one campaign names objects of another under the slug of their own, and bare."""
    olga = world.person("elsewhere")
    door = Door(olga)
    for role in Role.values:
        grant_role(actor=None, user=olga, campaign=world.other, role=role)
    of_people = {"token", "token_id", "language", "digest", "act", "slug"}
    wrong, tried = [], 0
    for route, arguments, method, expected, body in requests():
        if not set(arguments) - of_people or 405 in expected.values():
            continue
        tried += 1
        status = door.ask(method, world.address(route, arguments, slug=world.other.slug), body).status_code
        if status != 404:
            wrong.append(f"{method} {route}: {status}")
    assert not wrong, "\n".join(wrong)
    assert tried > 25


MISSING: dict[str, Any] = {
    "slug": "nothing",
    "submission_id": "00000000-0000-4000-8000-000000000000",
    "snapshot_id": "00000000-0000-4000-8000-000000000000",
    "run_id": "00000000-0000-4000-8000-000000000000",
    **dict.fromkeys(
        (
            "item_id",
            "flag_id",
            "import_id",
            "invitation_id",
            "membership_id",
            "token_id",
            "assignment_id",
            "payout_id",
            "checkpoint_id",
            "response_id",
            "webhook_id",
            "delivery_id",
            "number",
        ),
        987654321,
    ),
}


def test_a_foreign_page_reads_like_one_that_is_not_there(world: World) -> None:
    """The stranger learns no more from a foreign object's address than from one that was made up (404, the same words)."""
    door = Door(world.person("stranger"))
    wrong, tried = [], 0
    for route, arguments, method, expected, body in requests():
        if expected["stranger"] != 404:
            continue
        tried += 1
        there, not_there = (
            door.ask(method, world.address(route, arguments, **changed), body)
            for changed in ({}, {name: MISSING[name] for name in arguments if name in MISSING})
        )
        if not_there.status_code != 404 or words(there) != words(not_there):
            wrong.append(f"{method} {route}")
    assert not wrong, "\n".join(wrong)
    assert tried > 35


def words(response: Any) -> str:
    """What a person reads in the body of the page; tokens and the address itself differ from request to request."""
    main = re.search(r"<main.*?</main>", response.content.decode(), re.S)
    assert main is not None
    return re.sub(r"<[^>]*>|\s+", " ", main[0])


def test_scripts_are_told_in_json(world: World) -> None:
    """A script gets 401, 403 and 404 with a code, and no page."""
    cases: list[tuple[str, Callable[[], str], int]] = [
        ("anonymous", lambda: reverse("home"), 401),
        ("labeler", lambda: reverse("campaign", args=[world.campaign.slug]), 403),
        ("stranger", lambda: reverse("campaign", args=[world.campaign.slug]), 404),
    ]
    for role, address, status in cases:
        client = Client(headers={"accept": "application/json"})
        if (user := world.people[role]) is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        response = client.get(address())
        assert response.status_code == status
        assert json.loads(response.content)["code"] and response["Content-Type"] == "application/json"
