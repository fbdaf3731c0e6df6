"""Who gets which object: every function of `annotation/access.py` × every role."""

import inspect
import uuid

import pytest
from django.contrib.auth.models import AnonymousUser

from annotation import access
from annotation.assignment.services import lease_next
from annotation.errors import Forbidden, NotFound
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
    "item_for_overseer",
    "may_administer_site",
    "may_create_campaigns",
    "roles_in",
    "submission_for",
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


def test_a_check_is_one_statement(cast, campaign, django_assert_num_queries):
    with django_assert_num_queries(1):
        access.campaign_for_labeler(cast.lena, campaign.slug)
    assignment = lease_next(labeler=cast.lena, campaign=campaign)
    with django_assert_num_queries(1):
        assert access.assignment_for(cast.lena, assignment.pk).item.prompt.messages
