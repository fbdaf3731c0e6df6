"""The start is refused on a database that may lose what it acknowledged."""

from django.db import connection

from annotation.project.checks import database_keeps_what_it_acknowledges as check


def test_the_database_of_the_tests_is_not_durable_and_may_be_so(db, settings):
    assert check(databases=["default"]) == []

    settings.DURABLE = True
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        if cursor.fetchone() == ("on",):  # a server of yours
            cursor.execute("SET synchronous_commit = off")
    found = check(databases=["default"])

    assert {error.id for error in found} == {"project.E003"}
    assert all("may lose answers" in error.msg for error in found)
    assert "synchronous_commit" in " ".join(error.msg for error in found)


def test_nothing_is_asked_unless_the_database_is_to_be_checked():
    assert check(databases=None) == []
