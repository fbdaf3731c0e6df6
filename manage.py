#!/usr/bin/env python3
"""Runs a management command; the embedded database is there for as long as the command runs."""

import os
import sys

# Commands that touch no table. Everything else finds PostgreSQL running, or starts it.
WITHOUT_DATABASE = {
    "help", "version", "check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "makemessages",
    "spectacular", "startapp",
}  # fmt: skip
WITH_BROKER = {"up", "loop"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
    from annotation.project import embedded

    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "help")
    starting, services = [], ["postgres"]
    touches_tables = command not in WITHOUT_DATABASE or "--database" in sys.argv
    if touches_tables and "--help" not in sys.argv:
        services += ["valkey"] if command in WITH_BROKER else []
        starting = embedded.begin(*services)

    from django.core.management import execute_from_command_line

    if starting:
        embedded.ensure_running(
            *services
        )  # importing Django took about as long as the servers needed to start
        for start in starting:
            start.forget()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
