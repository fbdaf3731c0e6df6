"""What the database must be before anybody's answer is acknowledged: `manage.py check --database default`.

Asked by `migrate` and by every start of the site. A server that was told to forget fsync loses acknowledged answers with
the power; no test of ours would show it, so it is refused here.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

OLDEST_VERSION = 150000
DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply", "remote_write", "local"),
}


@register(Tags.database)
def database_keeps_what_it_acknowledges(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Errors for a PostgreSQL that is too old, does not store Unicode, or may lose committed rows."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                           [[*DURABLE, "server_version_num", "server_encoding"]])  # fmt: skip
            shown = dict(cursor.fetchall())
        if int(shown["server_version_num"]) < OLDEST_VERSION:
            found.append(Error("PostgreSQL is older than 15.", hint="Upgrade the server.", id="project.E001"))
        if shown["server_encoding"] != "UTF8":
            hint = "Create the database with ENCODING 'UTF8'."
            found.append(
                Error(
                    f"The database stores {shown['server_encoding']}, not UTF8.", hint=hint, id="project.E002"
                )
            )
        if getattr(settings, "DURABLE", True):
            for name, allowed in DURABLE.items():
                if shown[name] not in allowed:
                    text = f"PostgreSQL runs with {name}={shown[name]}: it may lose answers that were acknowledged."
                    found.append(Error(text, hint=f"Set {name} to {allowed[0]}.", id="project.E003"))
    return found
