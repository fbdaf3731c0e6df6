"""`manage.py up`: the whole site on this machine, from nothing to a page; Ctrl-C stops all of it, the data stay."""

import time
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.items.models import Item
from annotation.project import embedded
from annotation.project.embedded.supervisor import command
from annotation.project.site import RunningSite, running_site

# What gives a new installation something to label: the policy that is trained here, and its first answers.
FIRST_ITEMS = ("prepare_policy", "fill_starter_items")


class Command(BaseCommand):
    help = "Starts PostgreSQL, the broker, the web server and the workers, and stops them together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-starter", action="store_true", help="do not make the starter campaign")

    def handle(self, *args: Any, no_starter: bool = False, **options: Any) -> None:
        try:
            with running_site(say=self.step) as site:
                try:
                    self.welcome(site, starter=not no_starter)
                    site.supervisor.watch()
                except KeyboardInterrupt:
                    pass
                self.stdout.write("Stopping ...")
                stopping = time.monotonic()
            self.stdout.write(
                f"Stopped in {time.monotonic() - stopping:.1f} s. The data stay in {settings.DATA_DIR}"
            )
        except KeyboardInterrupt:
            raise CommandError("Stopped before it was up.") from None
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from None

    def welcome(self, site: RunningSite, *, starter: bool) -> None:
        """Says where the site is, with a sign-in link for each role; the first time makes the first items."""
        links = call_command("starter_campaign", base_url=site.url, stdout=StringIO()) if starter else ""
        self.stdout.write(f"\nWhetstone is at {self.style.SUCCESS(site.url + '/')}")
        if links:
            self.stdout.write(f"Sign in as\n{links}")
        self.stdout.write("Ctrl-C stops everything.\n")
        self.stdout.flush()
        if starter and not Item.objects.exists():
            for name in FIRST_ITEMS:
                if name in get_commands() and not site.supervisor.run(command(name)):
                    self.stderr.write(
                        f"{name} failed; the site runs on. See {settings.DATA_DIR}/logs/{name}.log"
                    )
                    return

    def step(self, what: str) -> None:
        self.stdout.write(f"  {time.monotonic() - embedded.BEGAN:5.1f} s  {what}")
        self.stdout.flush()
