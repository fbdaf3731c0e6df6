"""What the browser tests share."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

QUIET_S = 5


@pytest.fixture(autouse=True)
def quiet_site(site: Any) -> Iterator[None]:
    """A closed page may leave its last request with the server; the tables are emptied when that is done, not before."""
    from django.db import connection

    yield
    deadline, calm = time.monotonic() + QUIET_S, 0
    while calm < 2 and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            calm = calm + 1 if cursor.fetchone()[0] == 0 else 0
        time.sleep(0.05)
