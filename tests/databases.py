"""Test databases that cost little: migrated once and copied, emptied without TRUNCATE.

Migrating takes ten seconds of a core. The first parallel process makes a database `test_migrated_…`, named by a hash of all
migrations, and each one copies it; where the data directory is kept between runs, the next run copies it, too.
"""

import hashlib
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from psycopg import sql

TEMPLATE = "test_migrated_"
KEPT = {"django_content_type", "auth_permission"}  # what migrating fills again by itself
LOCK = 7_402_113


def migrated() -> str:
    """The name of a database to which all migrations were applied; makes it unless another process has."""
    name = TEMPLATE + _hash_of_migrations()
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # until the connection ends
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [TEMPLATE])
        found = {row[0] for row in cursor.fetchall()}
        if name in found:
            return name
        half = f"{name}_half"  # the name says complete: a run that was killed leaves no template
        for old in found:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(half)))
        own = connection.settings_dict["NAME"]
        connection.close()
        connection.settings_dict["NAME"] = half
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            connection.close()
            connection.settings_dict["NAME"] = own
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (half, name))))
    return name


def _hash_of_migrations() -> str:
    found = hashlib.sha256()
    for app in sorted(apps.get_app_configs(), key=lambda app: app.name):
        for file in sorted(Path(app.path, "migrations").glob("*.py")):
            found.update(f"{app.name} {file.name}\n".encode() + file.read_bytes())
    return found.hexdigest()[:12]


def copy_from(name: str) -> None:
    """Lets Django make the test database as a copy; its own `migrate` then finds nothing to do."""
    connection.settings_dict["TEST"]["TEMPLATE"] = name


def empty_quickly() -> None:
    """Lets Django empty the tables after a transactional test by DELETE.

    TRUNCATE makes new files for each of seventy tables and their indexes, full or not. As it does, this waits for
    everybody who is still writing, and asks no trigger and no foreign key; that takes a superuser, else all is as it was.
    """
    truncate = connection.ops.sql_flush

    def sql_flush(style: Any, tables: list[str], **options: Any) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            if cursor.fetchone() != (True,) or options.get("reset_sequences"):
                return truncate(style, tables, **options)
        names = [connection.ops.quote_name(name) for name in sorted(set(tables) - KEPT)]
        return [
            f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE",
            "; ".join(
                ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {name}" for name in names)]
            ),
        ]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]
