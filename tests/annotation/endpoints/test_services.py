"""What admins may write, what is written down about it, and that a key goes in and never comes out."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from annotation.endpoints import keys
from annotation.endpoints.models import Endpoint
from annotation.endpoints.services import change_endpoint, create_endpoint, remove_endpoint, try_endpoint
from annotation.errors import Conflict, Invalid, NotFound
from annotation.people.models import AuditEvent
from tests.annotation.endpoints.conftest import KEY
from tests.cast import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam(allow, stub):
    allow(f"http://127.0.0.1:{stub.port}", "api.example.org", "other.example.org")
    return make_user("adam")


def make(adam, **fields) -> Endpoint:
    return create_endpoint(
        actor=adam,
        **{
            "name": "Large",
            "base_url": "https://api.example.org/v1",
            "model": "large-7b",
            "key": KEY,
            **fields,
        },
    )


def test_it_is_kept_with_one_audit_row_and_the_key_is_sealed(adam):
    endpoint = make(adam, total_s=120, continuation="vllm")

    assert (endpoint.model, endpoint.total_s, endpoint.first_token_s, endpoint.may_continue) == (
        "large-7b",
        120,
        60,
        True,
    )
    assert keys.unseal(endpoint.sealed_key) == KEY
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.target) == (adam, "endpoint.create", f"endpoint:{endpoint.pk}")
    assert event.after["key"] == "given" and event.after["base_url"] == "https://api.example.org/v1"


def test_the_key_is_nowhere_in_the_database(adam, stub, caplog):
    endpoint = make(adam, base_url=stub.url, model="echoes")
    with caplog.at_level("DEBUG"):
        try_endpoint(actor=adam, endpoint=endpoint, prompt="Say hello.")
    change_endpoint(actor=adam, endpoint=endpoint, changes={"key": KEY + "2", "name": "Larger"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{KEY[3:]}%"])
            assert cursor.fetchone() == (0,), table
    assert KEY not in caplog.text
    assert stub.asked("echoes")[-1].headers["authorization"] == f"Bearer {KEY}"


BAD_KEYS = ["sk\n", "sk\r\nX-Evil: 1", 'sk"', "sk'", "sk`", "sk\\", "schlüssel", "钥匙", "a b", " sk", "sk\x00", "\ud800",
            "k" * 513,            "k" * 1_000_000, 7, True, ["sk"], {"a": 1}]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: repr(key)[:20])
def test_an_odd_key_is_refused_and_not_repeated(adam, key):
    with pytest.raises(Invalid) as refused:
        make(adam, key=key)

    assert list(refused.value.fields) == ["key"] and refused.value.status == 422
    assert str(key)[:50] not in str(refused.value.fields) + refused.value.message or key in (7, True)
    assert not Endpoint.objects.exists() and not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "  "), ("name", "x" * 81), ("name", "a\nb"), ("name", "a\x00"), ("name", 7),
        ("model", ""), ("model", "x" * 201), ("model", None),
        ("base_url", "http://169.254.169.254/v1"), ("base_url", "https://elsewhere.example/v1"), ("base_url", None),
        ("continuation", "maybe"), ("continuation", ["vllm"]), ("length_field", "n_predict"),
        ("connect_s", 0), ("connect_s", 61), ("connect_s", "5"), ("connect_s", True), ("connect_s", 1.5),
        ("first_token_s", 601), ("between_tokens_s", -1), ("total_s", 3601), ("total_s", 59),
        ("is_shared", "yes"), ("is_active", 1), ("sealed_key", "x"), ("created_by_id", 1), ("removed_at", None),
    ],
)  # fmt: skip
def test_each_bad_value_is_refused_by_name(adam, field, value):
    with pytest.raises(Invalid) as refused:
        make(adam, **{field: value})

    assert list(refused.value.fields) == [field]


def test_two_of_one_name_are_refused_unless_they_are_somebody_elses_or_gone(adam):
    first = make(adam)
    with pytest.raises(Conflict, match="name"):
        make(adam)
    make(make_user("olga"))
    remove_endpoint(actor=adam, endpoint=first)
    make(adam)


def test_a_change_says_what_changed_and_nothing_else(adam):
    endpoint = make(adam)

    changed = change_endpoint(actor=adam, endpoint=endpoint, changes={"model": "small-1b", "total_s": 300})

    assert (changed.model, keys.unseal(changed.sealed_key)) == ("small-1b", KEY)
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.before, event.after) == (
        "endpoint.change",
        {"model": "large-7b"},
        {"model": "small-1b"},
    )
    change_endpoint(actor=adam, endpoint=endpoint, changes={"model": "small-1b"})
    assert AuditEvent.objects.count() == 2  # nothing changed


def test_a_key_is_changed_and_taken_away(adam):
    endpoint = make(adam)
    changed = change_endpoint(actor=adam, endpoint=endpoint, changes={"key": "sk-other"})
    assert keys.unseal(changed.sealed_key) == "sk-other"
    assert AuditEvent.objects.latest("pk").after == {"key": "changed"}
    assert not change_endpoint(actor=adam, endpoint=endpoint, changes={"key": ""}).has_key
    assert AuditEvent.objects.latest("pk").after == {"key": "removed"}


def test_a_key_does_not_follow_to_another_address(adam):
    endpoint = make(adam)
    for address in ("https://other.example.org/v1", "https://api.example.org/v2"):
        with pytest.raises(Invalid) as refused:
            change_endpoint(actor=adam, endpoint=endpoint, changes={"base_url": address})
        assert list(refused.value.fields) == ["key"]

    changed = change_endpoint(
        actor=adam, endpoint=endpoint, changes={"base_url": "https://other.example.org/v1", "key": "sk-other"}
    )
    assert changed.base_url == "https://other.example.org/v1"


def test_one_that_was_removed_has_no_key_and_no_way_back(adam):
    endpoint = make(adam)
    remove_endpoint(actor=adam, endpoint=endpoint)
    remove_endpoint(actor=adam, endpoint=endpoint)

    endpoint.refresh_from_db()
    assert (endpoint.has_key, endpoint.is_active) == (False, False) and endpoint.removed_at
    assert AuditEvent.objects.filter(action="endpoint.remove").count() == 1
    with pytest.raises(NotFound):
        change_endpoint(actor=adam, endpoint=endpoint, changes={"is_active": True})
    with pytest.raises(IntegrityError):
        Endpoint.objects.filter(pk=endpoint.pk).update(is_active=True)


def test_a_trial_shows_what_came_and_how_soon(adam, stub):
    trial = try_endpoint(
        actor=adam, endpoint=make(adam, base_url=stub.url, model="well"), prompt="Say hello."
    )

    assert trial.text == "Hello, world." and trial.failure is None
    assert 0 < trial.first_token_s <= trial.total_s < 5
    assert stub.asked("well")[-1].body["messages"] == [{"role": "user", "content": "Say hello."}]
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.after) == ("endpoint.try", {"outcome": "answered"})


def test_a_trial_that_fails_says_why_and_shows_what_had_come(adam, stub):
    trial = try_endpoint(
        actor=adam, endpoint=make(adam, base_url=stub.url, model="fails_midway"), prompt="Hello?"
    )

    assert (trial.text, trial.failure.code) == ("Hello", "failing")
    assert AuditEvent.objects.latest("pk").after == {"outcome": "failing"}


@pytest.mark.parametrize("prompt", ["", "  ", "x" * 501, "a\x00", None, 7])
def test_an_odd_prompt_is_refused(adam, prompt):
    with pytest.raises(Invalid):
        try_endpoint(actor=adam, endpoint=make(adam), prompt=prompt)


def test_keys_are_sealed_again_by_the_first_secret(adam, settings):
    old, new = (
        "old-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
        "new-secret-9876543210-abcdefghijklmnopqrstuvwxyz-ABC",
    )
    settings.ENCRYPTION_KEYS = [old]
    endpoint = make(adam)
    settings.ENCRYPTION_KEYS = ["nothing-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH"]
    lost = make(adam, name="Lost")
    settings.ENCRYPTION_KEYS = [new, old]
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 keys"):
        call_command("reseal_keys", stdout=out)

    assert out.getvalue().startswith("1 keys")
    settings.ENCRYPTION_KEYS = [new]
    endpoint.refresh_from_db()
    assert keys.unseal(endpoint.sealed_key) == KEY
    before = lost.sealed_key
    lost.refresh_from_db()
    assert lost.sealed_key == before
    assert AuditEvent.objects.latest("pk").after == {"keys": 1, "lost": 1}
