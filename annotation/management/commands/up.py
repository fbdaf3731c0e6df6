"""`manage.py up`: the whole site on this machine, from nothing to a page; Ctrl-C stops all of it, the data stay."""

import io
import os
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from annotation.project import embedded
from annotation.project.embedded.locks import FileLock
from annotation.project.embedded.supervisor import Supervisor, choose_port, web, workers


class Command(BaseCommand):
    help = "Starts PostgreSQL, the broker, the web server and the workers, and stops them together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-starter", action="store_true", help="do not make the starter campaign")

    def handle(self, *args: Any, no_starter: bool = False, **options: Any) -> None:
        places = embedded.Places(settings.DATA_DIR)
        places.make_data_dir()
        only = FileLock(places.lock("up"))
        if not only.exclusive(wait=False):
            raise CommandError(f"Whetstone is running already: {places.lock('up').read_text().strip()}")
        try:
            strict = bool(os.environ.get("WHETSTONE_PORT", "").strip())
            port = choose_port(settings.PORT, strict=strict)
            url = f"http://127.0.0.1:{port}"
            places.lock("up").write_text(url)
            if port != settings.PORT:
                self.stdout.write(f"Port {settings.PORT} is taken; using {port}.")
            with Supervisor(places, self.start_servers(places), say=self.stdout.write) as supervisor:
                try:
                    self.run(supervisor, url, port, starter=not no_starter)
                except KeyboardInterrupt:
                    pass
                self.stdout.write("Stopping ...")
                stopping = time.monotonic()
            self.stdout.write(
                f"Stopped in {time.monotonic() - stopping:.1f} s. The data stay in {settings.DATA_DIR}"
            )
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from None
        finally:
            only.close()

    def start_servers(self, places: embedded.Places) -> list[embedded.Lease]:
        leases = embedded.ensure_running("postgres", "valkey", places=places)
        for lease in leases:
            self.step(f"{lease.server.name} answers")
        return leases

    def run(self, supervisor: Supervisor, url: str, port: int, *, starter: bool) -> None:
        if self.migrate():
            self.step("database is up to date")
        if self.collect_static():
            self.step("static files are collected")
        supervisor.start(web(port))
        links = self.starter_campaign(url) if starter else ""
        supervisor.wait_for_site(port)
        self.step("pages are served")
        for part in workers():  # after the pages: on two cores all at once would keep the first page waiting
            supervisor.start(part)
        self.stdout.write(f"\nWhetstone is at {self.style.SUCCESS(url + '/')}")
        if links:
            self.stdout.write(links)
        self.stdout.write("Ctrl-C stops everything.\n")
        self.stdout.flush()
        supervisor.watch()

    def migrate(self) -> bool:
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        call_command("migrate", interactive=False, verbosity=0)
        return True

    def collect_static(self) -> bool:
        """Whitenoise serves hashed names from STATIC_ROOT; with DEBUG it serves the sources."""
        if settings.DEBUG:
            return False
        call_command("collectstatic", interactive=False, verbosity=0)
        return True

    def starter_campaign(self, url: str) -> str:
        """What the command `starter_campaign` returns, if there is one: a line per role with its sign-in link.

        The command makes the campaign the first time only, and new links each time.
        """
        app = get_commands().get("starter_campaign")
        if app is None:
            return ""
        command = load_command_class(app, "starter_campaign") if isinstance(app, str) else app
        links = call_command(command, base_url=url, stdout=io.StringIO())  # printed below the address
        self.step("starter campaign is there")
        return str(links or "")

    def step(self, what: str) -> None:
        self.stdout.write(f"  {time.monotonic() - embedded.BEGAN:5.1f} s  {what}")
        self.stdout.flush()
