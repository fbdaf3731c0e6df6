"""After a backup was restored: `manage.py replay_erasures` erases everybody again who was erased since it was made."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.errors import Refused
from annotation.people.erasure import replay


class Command(BaseCommand):
    help = "Erase again, in a restored database, everybody in the list of erasures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--list", default=str(settings.ERASURE_LIST), help="by default the one in the data directory"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["list"])
        if not path.is_file():
            raise CommandError(f"There is no list of erasures at {path}; name it with --list.")
        found: Counter[str] = Counter()
        try:
            for done in replay(path):
                found[done.what] += 1
                if done.what in ("missing", "other"):
                    self.stderr.write(f"person {done.user_id}: {done.what} in this database, left alone")
        except (ValueError, Refused) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{found['erased']} erased, {found['already']} were erased already.")
        if found["other"]:
            raise CommandError(
                f"{found['other']} numbers belong to somebody else here; is this the right database?"
            )
