"""Invitations, roles, tokens, sign-in links, and the audit row that each act leaves."""

import datetime as dt

import pytest
from django.utils import timezone

from annotation.errors import Conflict, Gone, Invalid, NotFound
from annotation.people import services
from annotation.people.models import ApiToken, AuditEvent, Invitation, Membership, SignInLink, User
from annotation.people.selectors import audit_trail, invitations, members, open_invitations, tokens_of
from tests.cast import Cast, make_campaign, make_cast

pytestmark = pytest.mark.django_db
PAST = timezone.now() - dt.timedelta(seconds=1)


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def campaign(cast):
    return make_campaign(cast, items=0)


def test_an_invitation_makes_a_member_once(cast, campaign):
    invitation, token = services.invite(actor=cast.adam, campaign=campaign, role="reviewer", max_uses=2)
    assert token not in str(Invitation.objects.values()) and list(open_invitations(campaign)) == [invitation]
    assert services.find_invitation(token=token).role == "reviewer"
    member = services.accept_invitation(user=cast.stan, token=token)
    assert member.role == "reviewer" and services.accept_invitation(user=cast.stan, token=token) == member
    assert Invitation.objects.get().uses == 1  # coming again uses nothing up
    services.accept_invitation(user=cast.lena, token=token)
    for act in (
        services.find_invitation,
        lambda token: services.accept_invitation(user=cast.otto, token=token),
    ):
        with pytest.raises(Gone):
            act(token=token)


@pytest.mark.parametrize("change", [{"expires_at": PAST}, {"revoked_at": PAST}])  # B83
def test_an_expired_or_revoked_invitation_is_gone(cast, campaign, change):
    _invitation, token = services.invite(actor=cast.adam, campaign=campaign)
    Invitation.objects.update(**change)
    with pytest.raises(Gone):
        services.accept_invitation(user=cast.stan, token=token)
    with pytest.raises(NotFound):
        services.accept_invitation(user=cast.stan, token=token + "x")


def test_every_invitation_is_listed_with_its_state(cast, campaign):
    made = {}
    for state in ("open", "used_up", "expired", "revoked"):
        invitation, token = services.invite(actor=cast.adam, campaign=campaign)
        made[invitation.pk] = state
        if state == "used_up":
            services.accept_invitation(user=cast.stan, token=token)
        elif state == "expired":
            Invitation.objects.filter(pk=invitation.pk).update(expires_at=PAST)
        elif state == "revoked":
            services.revoke_invitation(actor=cast.adam, invitation=invitation)
    rows = list(invitations(campaign))
    assert {row.pk: row.state for row in rows} == made and [row.uses for row in rows] == [0, 0, 1, 0]
    assert [row.pk for row in open_invitations(campaign)] == [rows[-1].pk]


def test_a_suspended_member_cannot_come_back_by_an_old_invitation(cast, campaign):
    _invitation, token = services.invite(actor=cast.adam, campaign=campaign, max_uses=5)
    services.revoke_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="labeler")
    with pytest.raises(Gone):
        services.accept_invitation(user=cast.lena, token=token)
    services.grant_role(actor=cast.adam, user=cast.lena, campaign=campaign, role="labeler")
    assert Membership.objects.get(user=cast.lena, role="labeler").suspended_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "owner"),
        ("role", ["admin"]),
        ("max_uses", 0),
        ("max_uses", "1"),
        ("max_uses", True),
        ("days", 0),
        ("days", 10**6),
    ],
)
def test_odd_invitations_are_refused(cast, campaign, field, value):
    with pytest.raises(Invalid) as refused:
        services.invite(actor=cast.adam, campaign=campaign, **{field: value})
    assert field in refused.value.fields


def test_an_account_comes_from_an_invitation(cast, campaign):
    _invitation, token = services.invite(actor=cast.adam, campaign=campaign)
    for fields, wrong in (
        ({"username": "lena", "password": "correct horse battery"}, "username"),
        ({"username": "nova", "password": "short"}, "password"),
        ({"username": "no spaces", "password": "correct horse battery"}, "username"),
        ({"username": "nova", "password": "correct horse battery", "email": "x"}, "email"),
    ):
        with pytest.raises(Invalid) as refused:
            services.sign_up_by_invitation(token=token, **fields)
        assert wrong in refused.value.fields
    assert Invitation.objects.get().uses == 0 and not User.objects.filter(username="nova").exists()
    user, membership = services.sign_up_by_invitation(
        token=token, username="nova", password="correct horse battery"
    )
    assert user.check_password("correct horse battery") and membership.role == "labeler"


def test_the_last_admin_stays(cast, campaign):
    with pytest.raises(Conflict) as refused:
        services.revoke_role(actor=cast.adam, user=cast.adam, campaign=campaign, role="admin")
    assert refused.value.code == "last_admin"
    services.grant_role(actor=cast.adam, user=cast.rita, campaign=campaign, role="admin")
    services.revoke_role(actor=cast.rita, user=cast.adam, campaign=campaign, role="admin")
    with pytest.raises(NotFound):
        services.revoke_role(actor=cast.rita, user=cast.adam, campaign=campaign, role="admin")
    admins, _after = members(campaign, "admin")
    assert {m.user.username for m in admins if not m.suspended_at} == {"rita"}


def test_a_token_is_shown_once_and_opens_until_it_ends(cast):
    token, text = services.issue_token(user=cast.lena, name="script", scopes=["label", "read"], days=1)
    assert text.startswith("wst_") and len(text) > 40 and token.prefix == text[:12]
    assert text not in str(ApiToken.objects.values())
    user, found = services.user_for_token(text)
    assert (user, found) == (cast.lena, token)
    first = ApiToken.objects.get().last_used_at
    services.user_for_token(text)
    assert ApiToken.objects.get().last_used_at == first  # noted once a minute
    for wrong in ("", "wst_", text + "x", text.upper(), "x" * 10_000, "wst_\x00", "wst_\ud800"):
        assert services.user_for_token(wrong) is None
    for end in ({"expires_at": PAST}, {"revoked_at": PAST}):
        ApiToken.objects.update(expires_at=None, revoked_at=None)
        assert services.user_for_token(text) is not None
        ApiToken.objects.update(**end)
        assert services.user_for_token(text) is None
    ApiToken.objects.update(revoked_at=None, expires_at=None)
    User.objects.filter(pk=cast.lena.pk).update(is_active=False)
    assert services.user_for_token(text) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 101), ("scopes", []), ("scopes", ["root"]), ("days", -1), ("days", 1.5)],
)
def test_odd_tokens_are_refused(cast, field, value):
    with pytest.raises(Invalid) as refused:
        services.issue_token(**({"user": cast.lena, "name": "x", "scopes": ["read"]} | {field: value}))
    assert field in refused.value.fields


def test_a_sign_in_link_opens_once(cast):
    path = services.create_sign_in_link(user=cast.lena)
    token = path.removeprefix("/sign-in/").rstrip("/")
    assert token not in str(SignInLink.objects.values())
    assert services.redeem_sign_in_link(token=token) == cast.lena
    for wrong in (token, token + "x", ""):
        with pytest.raises(Gone):
            services.redeem_sign_in_link(token=wrong)
    other = services.create_sign_in_link(user=cast.lena).removeprefix("/sign-in/").rstrip("/")
    User.objects.filter(pk=cast.lena.pk).update(is_active=False)
    with pytest.raises(Gone):
        services.redeem_sign_in_link(token=other)
    User.objects.filter(pk=cast.lena.pk).update(is_active=True)
    SignInLink.objects.update(expires_at=PAST)
    with pytest.raises(Gone):
        services.redeem_sign_in_link(token=other)


def test_an_audit_row_needs_the_transaction_of_its_act(monkeypatch):
    class Outside:
        in_atomic_block = False

    monkeypatch.setattr("annotation.people.services.transaction.get_connection", Outside)
    with pytest.raises(RuntimeError, match="transaction"):
        services.record_audit(actor=None, action="x")


def test_each_act_leaves_one_audit_row(cast, campaign):  # I-27
    invitation, token = services.invite(actor=cast.adam, campaign=campaign)
    issued, _text = services.issue_token(user=cast.adam, name="x", scopes=["read"])
    acts = [
        ("invitation.accept", lambda: services.accept_invitation(user=cast.stan, token=token)),
        ("invitation.revoke", lambda: services.revoke_invitation(actor=cast.adam, invitation=invitation)),
        (
            "role.grant",
            lambda: services.grant_role(actor=cast.adam, user=cast.stan, campaign=campaign, role="admin"),
        ),
        (
            "role.revoke",
            lambda: services.revoke_role(actor=cast.adam, user=cast.stan, campaign=campaign, role="admin"),
        ),
        ("token.revoke", lambda: services.revoke_token(actor=cast.adam, token=issued)),
        ("invitation.create", lambda: services.invite(actor=cast.adam, campaign=campaign)),
        ("token.issue", lambda: services.issue_token(user=cast.adam, name="y", scopes=["read"])),
        ("sign_in_link.create", lambda: services.create_sign_in_link(user=cast.stan, actor=cast.adam)),
    ]
    for action, act in acts:
        before = AuditEvent.objects.count()
        act()
        assert AuditEvent.objects.count() == before + 1
        assert AuditEvent.objects.latest("id").action == action
    for again in (acts[1][1], acts[4][1]):  # what is done already leaves nothing
        before = AuditEvent.objects.count()
        again()
        assert AuditEvent.objects.count() == before
    text = str(list(AuditEvent.objects.values("before", "after", "target")))
    assert token not in text and "wst_" not in text
    assert audit_trail(campaign).first().action == "invitation.create" and not tokens_of(cast.lena)
