"""The whole site on this machine, for as long as a `with` block: what `manage.py up` and `manage.py loop` stand on.

with running_site(say=print) as site:
    httpx.get(f"{site.url}/healthz")
    site.supervisor.watch()          # until Ctrl-C; PartEnded if a part ends by itself
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from annotation.project import embedded
from annotation.project.embedded.locks import FileLock
from annotation.project.embedded.supervisor import Supervisor, choose_port, policy, web, worker


@dataclass(frozen=True)
class RunningSite:
    url: str
    supervisor: Supervisor


@contextmanager
def running_site(*, say: Callable[[str], object]) -> Iterator[RunningSite]:
    """Servers, database schema, static files, web and workers, in this order; everything is stopped at the end.

    say: hears about each step that is done. Raises EmbeddedError if the site of this data directory runs already (the
    message has its address), if a port that was asked for is taken, or if a part does not start.
    """
    places = embedded.Places(settings.DATA_DIR)
    places.make_data_dir()
    with FileLock(places.lock("up")) as only:
        if not only.exclusive(wait=False):
            raise embedded.EmbeddedError(
                f"Whetstone is running already: {places.lock('up').read_text().strip()}"
            )
        port = choose_port(settings.PORT, strict=bool(os.environ.get("WHETSTONE_PORT", "").strip()))
        if port != settings.PORT:
            say(f"port {settings.PORT} is taken; using {port}")
        url = f"http://127.0.0.1:{port}"
        places.lock("up").write_text(url)
        leases = embedded.ensure_running("postgres", "valkey", places=places)
        for lease in leases:
            say(f"{lease.server.name} answers")
        with Supervisor(places, leases, say=say) as supervisor:
            if _migrate():
                say("database is up to date")
            call_command("check", databases=["default"], tags=["database"], stdout=StringIO())
            if not settings.DEBUG:  # then Whitenoise serves hashed names from STATIC_ROOT, else the sources
                call_command("collectstatic", interactive=False, verbosity=0)
                say("static files are collected")
            supervisor.start(web(port))
            supervisor.wait_for_site(port)
            say("pages are served")
            # After the pages: on two cores, all at once would keep the first page waiting.
            supervisor.start(worker("default", beat=True))
            supervisor.start(worker("train", queue=settings.TRAIN_QUEUE))
            if find_spec("torch"):  # a web-only installation asks endpoints alone
                supervisor.start(policy())
            yield RunningSite(url, supervisor)


def _migrate() -> bool:
    """Brings the schema up to date; false if it was (asking costs 50 ms, the command a second)."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True
