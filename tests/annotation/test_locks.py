"""One worker at a time for each piece of work, and no two kinds of work in each other's way."""

import time

import pytest
from django.db import connections

from annotation.locks import Work, held


@pytest.mark.django_db(transaction=True)
def test_one_at_a_time_and_kinds_keep_apart():
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [Work.IMPORT, 5])
        with held(Work.IMPORT, 5) as is_mine:
            assert not is_mine
        with held(Work.QUALITY, 5) as is_mine, held(Work.IMPORT, 6) as is_mine_too:
            assert is_mine and is_mine_too
    finally:
        other.close()
    assert has_come_free(Work.IMPORT, 5)  # whoever is gone holds nothing


def has_come_free(work: Work, number: int) -> bool:
    """PostgreSQL sees a moment later that a connection has ended."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with held(work, number) as is_mine:
            if is_mine:
                return True
        time.sleep(0.02)
    return False
