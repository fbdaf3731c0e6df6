"""Who gets which object: every function of `annotation/access.py` × every role."""

import inspect
import uuid

import pytest
from django.contrib.auth.models import AnonymousUser

from annotation import access
from annotation.assignment.services import lease_next
from annotation.endpoints.models import Endpoint
from annotation.endpoints.services import create_endpoint
from annotation.errors import Forbidden, NotFound
from annotation.generation.models import Generation, Live
from annotation.webhooks.services import create_webhook
from tests.cast import Cast, make_campaign, make_cast, make_user, send

pytestmark = pytest.mark.django_db

# function: the roles that get the campaign; other members get Forbidden, everybody else NotFound
CAMPAIGN = {
    "campaign_for_labeler": {"lena"},
    "campaign_for_reviewer": {"rita", "adam", "root"},
    "campaign_for_researcher": {"reza", "adam", "root"},
    "campaign_for_admin": {"adam", "root"},
    "campaign_for_overseer": {"rita", "adam", "reza", "root"},
    "campaign_for_any_role": {"lena", "rita", "adam", "reza", "root"},
}
OTHERS = {
    "assignment_for",
    "campaigns_for",
    "endpoint_for_admin",
    "endpoints_for",
    "endpoints_for_runs",
    "generation_for",
    "item_for_overseer",
    "may_administer_site",
    "may_create_campaigns",
    "may_use_endpoints",
    "roles_in",
    "submission_for",
    "webhook_for_admin",
}
MEMBERS = {"lena", "rita", "adam", "reza", "root"}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def people(cast, campaign):
    sven, dora = make_user("sven"), make_user("dora", is_active=False, is_superuser=True)
    campaign.memberships.create(user=sven, role="admin", suspended_at=campaign.created_at)
    campaign.memberships.create(user=dora, role="admin")
    named = {name: getattr(cast, name) for name in ("lena", "rita", "adam", "reza", "stan")}
    return named | {
        "root": make_user("root", is_superuser=True),
        "sven": sven,
        "dora": dora,
        "nobody": AnonymousUser(),
    }


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=3, overlap=2)


def test_every_function_is_tried_here():
    functions = {
        name
        for name, f in inspect.getmembers(access, inspect.isfunction)
        if f.__module__ == access.__name__ and not name.startswith("_")
    }
    assert functions == {*CAMPAIGN, *OTHERS}


@pytest.mark.parametrize("function", CAMPAIGN)
def test_campaigns_by_role(campaign, people, function):
    ask = getattr(access, function)
    for name, user in people.items():
        if name in CAMPAIGN[function]:
            assert ask(user, campaign.slug) == campaign
            assert set(ask(user, campaign.slug).my_roles) >= (
                {"admin"} if name in ("adam", "root") else set()
            )
        else:
            with pytest.raises(Forbidden if name in MEMBERS else NotFound):
                ask(user, campaign.slug)
        for missing in ("nothing", "", "a\x00b"):
            with pytest.raises(NotFound):
                ask(user, missing)


def test_lists_hold_what_a_person_has_a_role_in(cast, campaign, people):
    other = make_campaign(cast, name="Other", items=0)
    other.memberships.filter(user=cast.lena).delete()
    names = lambda user, *roles: {c.slug for c in access.campaigns_for(user, *roles)}  # noqa: E731
    assert names(cast.lena) == names(cast.lena, "labeler") == {campaign.slug}
    assert names(cast.lena, "admin") == set()
    assert (
        names(cast.adam)
        == names(people["root"])
        == names(people["root"], "admin")
        == {campaign.slug, other.slug}
    )
    assert names(people["root"], "labeler") == set()
    for nobody in ("stan", "sven", "dora", "nobody"):
        assert names(people[nobody]) == set()


def test_who_may_make_campaigns_and_run_the_site(people):
    for name, user in people.items():
        if name in ("adam", "root"):
            access.may_create_campaigns(user)
        else:
            with pytest.raises(Forbidden):
                access.may_create_campaigns(user)
        if name == "root":
            access.may_administer_site(user)
        else:
            with pytest.raises(NotFound):
                access.may_administer_site(user)


def test_assignments_submissions_and_items(cast, campaign, people):
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    sent = send(assignment)
    for name, user in people.items():
        tries = (
            (access.assignment_for, assignment, {"lena"}),
            (access.submission_for, sent, {"lena", "rita", "adam", "reza", "root"}),
            (access.item_for_overseer, assignment.item, {"rita", "adam", "reza", "root"}),
        )
        for ask, thing, allowed in tries:
            if name in allowed:
                assert ask(user, thing.pk) == thing
            else:
                with pytest.raises(NotFound):
                    ask(user, thing.pk)
    for odd in (0, -1, 2**63, 2**64, "1", None, True):
        for ask in (access.assignment_for, access.item_for_overseer):
            with pytest.raises(NotFound):
                ask(cast.adam, odd)
    with pytest.raises(NotFound):
        access.submission_for(cast.lena, uuid.uuid4())
    campaign.memberships.filter(user=cast.lena).update(suspended_at=campaign.created_at)
    for ask, thing in ((access.assignment_for, assignment), (access.submission_for, sent)):
        with pytest.raises(NotFound):
            ask(cast.lena, thing.pk)
    assert (
        access.roles_in(cast.adam, campaign.pk) == {"admin"}
        and access.roles_in(cast.lena, campaign.pk) == frozenset()
    )


def test_endpoints_are_their_makers_and_shared_ones_may_be_used(campaign, people):
    tess = make_user("tess")
    campaign.memberships.create(user=tess, role="admin")
    own, shared = (
        create_endpoint(
            actor=people["adam"],
            name=name,
            base_url="https://api.example.org/v1",
            model="m",
            is_shared=name == "shared",
        )
        for name in ("own", "shared")
    )
    seen = {"adam": {own, shared}, "root": {own, shared}, "tess": {shared}}
    for name, user in {**people, "tess": tess}.items():
        assert set(access.endpoints_for(user)) == seen.get(name, set())
        if name in seen:
            access.may_use_endpoints(user)
        else:
            with pytest.raises(Forbidden):
                access.may_use_endpoints(user)
        for endpoint in (own, shared):
            if name in ("adam", "root"):
                assert access.endpoint_for_admin(user, endpoint.pk) == endpoint
            else:
                with pytest.raises(Forbidden if endpoint in seen.get(name, set()) else NotFound):
                    access.endpoint_for_admin(user, endpoint.pk)
    # In runs: the one that answers on the pages of the campaign for whoever asks, else those that the person may use.
    Live.objects.create(campaign=campaign, source="endpoint", endpoint=own)
    for name, user in {**people, "tess": tess}.items():
        assert set(access.endpoints_for_runs(user, campaign)) == {own} | seen.get(name, set())
    Endpoint.objects.filter(pk=own.pk).update(is_active=False)
    assert set(access.endpoints_for_runs(people["reza"], campaign)) == set()
    assert set(access.endpoints_for_runs(people["adam"], campaign)) == {shared}
    for odd in (0, 2**64, "1", None):
        with pytest.raises(NotFound):
            access.endpoint_for_admin(people["adam"], odd)


def test_a_webhook_is_its_campaigns_admins(cast, campaign, people):
    webhook, _secret = create_webhook(
        actor=cast.adam, campaign=campaign, url="https://api.example.org/hook", kinds=["run.finished"]
    )
    other = make_campaign(cast, name="Other", items=0)
    for name, user in people.items():
        if name in ("adam", "root"):
            assert access.webhook_for_admin(user, campaign.slug, webhook.pk) == webhook
            for odd in (0, 2**64, "1", None, webhook.pk + 1):
                with pytest.raises(NotFound):
                    access.webhook_for_admin(user, campaign.slug, odd)
            with pytest.raises(NotFound):
                access.webhook_for_admin(user, other.slug, webhook.pk)
        else:
            with pytest.raises(Forbidden if name in MEMBERS else NotFound):
                access.webhook_for_admin(user, campaign.slug, webhook.pk)


def test_a_generation_is_its_labelers(cast, campaign, people):
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    written = Generation.objects.create(
        campaign=campaign,
        prompt=assignment.item.prompt,
        assignment=assignment,
        asked_by=cast.lena,
        messages=[],
    )
    for name, user in people.items():
        if name == "lena":
            assert access.generation_for(user, written.pk) == written
        else:
            with pytest.raises(NotFound):
                access.generation_for(user, written.pk)
    with pytest.raises(NotFound):
        access.generation_for(cast.lena, uuid.uuid4())


def test_a_check_is_one_statement(cast, campaign, django_assert_num_queries):
    with django_assert_num_queries(1):
        access.campaign_for_labeler(cast.lena, campaign.slug)
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    with django_assert_num_queries(1):
        assert access.assignment_for(cast.lena, assignment.pk).item.prompt.messages
