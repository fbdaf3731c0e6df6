"""manage.py recount [--repair]: counts every answer, skip, report, item, gold answer and error again and compares the counts
that pages read.

Ends with 1 if there is a difference that was not repaired. People may work meanwhile.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.adjudication import tallies as errors
from annotation.gold import tallies as gold
from annotation.rollups import services

COUNTS = (services, gold, errors)


class Command(BaseCommand):
    help = "Compares the counts that pages read with the rows themselves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="add what is missing")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [row for counts in COUNTS for row in counts.differences()]
        for row in found[:100]:
            self.stdout.write(f"{row.table} {row.keys}: missing {row.missing}")
        if not found:
            self.stdout.write(self.style.SUCCESS("The counts are what the rows say."))
        elif options["repair"]:
            self.stdout.write(
                self.style.SUCCESS(f"{sum(counts.repair() for counts in COUNTS)} rows of counts repaired.")
            )
        else:
            raise CommandError(f"{len(found)} rows of counts are wrong; --repair mends them.")
