"""One transaction for one use case, tried again when PostgreSQL says that two of them collided.

@in_transaction
def skip(*, labeler, assignment_id, reason, note=""): ...
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import psycopg.errors
from django.db import OperationalError, transaction

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 3
COLLISIONS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def in_transaction(service: Callable[P, R]) -> Callable[P, R]:
    """Runs a service in a transaction; after a deadlock or serialization failure it starts again, three times in all.

    Inside another transaction it is a savepoint: what a refused service wrote is undone, and the outermost one commits.
    """

    @functools.wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if transaction.get_connection().in_atomic_block:
            with transaction.atomic():
                return service(*args, **kwargs)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with transaction.atomic():
                    return service(*args, **kwargs)
            except OperationalError as error:
                if attempt == ATTEMPTS or not isinstance(error.__cause__, COLLISIONS):
                    raise
                time.sleep(random.uniform(0.005, 0.02) * attempt)
        raise AssertionError("unreachable")

    return run
