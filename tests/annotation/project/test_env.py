"""Readers of the environment: what they accept, and that a bad value stops with the variable's name."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from annotation.project.env import envbool, envdb, envint, envlist, envpath, envsecret, envstorage, envstr

NAME = "WHETSTONE_SAMPLE"
SECRET = "qWertyuiopAsdfghjklZxcvbnm0123456789-qwertyuiopasdf"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", True),
        ("true", True),
        ("Yes", True),
        ("ON", True),
        ("0", False),
        ("False", False),
        ("no", False),
        ("off", False),
    ],
)
def test_envbool_reads_words_for_yes_and_no(monkeypatch, text, expected):
    monkeypatch.setenv(NAME, text)

    assert envbool(NAME, not expected) is expected


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_variable_counts_as_not_set(monkeypatch, text):
    monkeypatch.setenv(NAME, text)

    assert envbool(NAME, True) is True
    assert envint(NAME, 7) == 7
    assert envstr(NAME, "x") == "x"
    assert envlist(NAME, ["a"]) == ["a"]
    assert envpath(NAME, Path("/d")) == Path("/d")
    assert envsecret(NAME) is None
    assert envdb(NAME) is None
    assert envstorage(NAME) is None


def test_good_values_are_read(monkeypatch):
    monkeypatch.setenv(NAME, " 42 ")
    assert envint(NAME, 1, low=42, high=42) == 42
    monkeypatch.setenv(NAME, "a.example, b.example ,")
    assert envlist(NAME, []) == ["a.example", "b.example"]
    monkeypatch.setenv(NAME, "~/data")
    assert envpath(NAME, Path("/")) == Path.home() / "data"
    monkeypatch.setenv(NAME, SECRET)
    assert envsecret(NAME) == SECRET


@pytest.mark.parametrize(
    ("reader", "text", "said"),
    [
        (lambda: envbool(NAME, False), "maybe", "neither true nor false"),
        (lambda: envint(NAME, 1), "1.5", "not a whole number"),
        (lambda: envint(NAME, 1, low=1, high=65535), "70000", "from 1 to 65535"),
        (lambda: envlist(NAME, []), " , ", "lists nothing"),
        (lambda: envpath(NAME, Path("/")), "data", "absolute path"),
        (lambda: envsecret(NAME), "short", "at least 50"),
        (lambda: envsecret(NAME), "a" * 60, "1 of them different"),
        (lambda: envdb(NAME), "mysql://u:p@h/db", "postgresql://"),
        (lambda: envdb(NAME), "postgresql://u:p@h", "names no database"),
        (lambda: envdb(NAME), "postgresql://u:p@h/db?sslmod=require", "not a PostgreSQL address"),
    ],
)
def test_a_bad_value_stops_with_the_name_and_the_remedy(monkeypatch, reader, text, said):
    monkeypatch.setenv(NAME, text)

    with pytest.raises(ImproperlyConfigured, match=NAME) as caught:
        reader()

    assert said in str(caught.value)


@pytest.mark.parametrize(
    "address", ["postgresql://u:s3cr et@h/db", "postgresql://u:s3cr%zzet@h/db", "s3cret"]
)
def test_the_message_about_a_bad_address_does_not_repeat_the_password(monkeypatch, address):
    monkeypatch.setenv(NAME, address)

    with pytest.raises(ImproperlyConfigured) as caught:
        envdb(NAME)

    assert "s3cr" not in str(caught.value)


def test_the_message_about_a_weak_secret_does_not_repeat_it(monkeypatch):
    monkeypatch.setenv(NAME, "hunter2")

    with pytest.raises(ImproperlyConfigured) as caught:
        envsecret(NAME)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "user", "password", "host", "port", "options"),
    [
        (
            "postgresql://ada:p%40ss@db.example:6543/w?sslmode=require",
            "ada",
            "p@ss",
            "db.example",
            "6543",
            {"sslmode": "require"},
        ),
        ("postgres:///w?host=/run/pg", "", "", "/run/pg", "", {}),
    ],
)
def test_envdb_reads_addresses_as_libpq_does(monkeypatch, address, user, password, host, port, options):
    monkeypatch.setenv(NAME, address)

    assert envdb(NAME) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "w",
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
    }
