"""The real server while its database misbehaves: bounded waits, an honest answer, and no restart by hand."""

import contextlib
import threading
import time

from django.db import connection, connections, transaction

from annotation.models import User

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def test_a_lock_held_for_long_is_answered_by_503_within_seconds_and_other_pages_go_on(site):
    user = User.objects.create_user("ada")
    answers = []
    with site.client(user) as ada, site.client() as anonymous:
        assert ada.get("/accounts/password/change/", follow_redirects=True).status_code == 200
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            waiting = [
                threading.Thread(target=lambda: answers.append(ada.get("/accounts/password/change/")))
                for _ in range(3)
            ]
            for thread in waiting:
                thread.start()
            time.sleep(0.5)
            assert (
                anonymous.get("/healthz").status_code == 200
            )  # the waiting ones did not take every connection
            for thread in waiting:
                thread.join()
            waited = time.monotonic() - began
        after = ada.get("/accounts/password/change/", follow_redirects=True)

    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.headers["Retry-After"] for answer in answers} == {"2"}
    assert 4 < waited < 15
    assert after.status_code == 200


def test_connections_that_the_server_ended_are_renewed_without_an_error(site):
    with site.client() as anonymous:
        assert [anonymous.get("/healthz").status_code for _ in range(5)] == [200] * 5
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(pg_terminate_backend(pid)) {OTHERS}")
            ended = cursor.fetchone()[0]
        after = [anonymous.get("/healthz").status_code for _ in range(5)]
    connections.close_all()

    assert ended >= 1
    assert after == [200] * 5


def test_when_all_connections_of_the_pool_are_taken_requests_are_refused_in_time(site):
    client = site.client(User.objects.create_user("ada"), follow_redirects=True)
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(client.get("/accounts/password/change/").status_code))
        for _ in range(12)  # the pool holds eight
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        waited = time.monotonic() - began
    with contextlib.closing(client):
        after = client.get("/accounts/password/change/").status_code

    assert statuses == [503] * 12
    assert waited < 20
    assert after == 200
