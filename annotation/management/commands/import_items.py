"""Imports a file, or a data set saved by save_to_disk, by the same service as page and API.

manage.py import_items CAMPAIGN answers.parquet --mapping '{"prompt": "question", "responses": ["a", "b"]}'
manage.py import_items CAMPAIGN data/saved/ --dry-run
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.items import import_runs, imports
from annotation.items.models import Import
from annotation.people.models import User


class Command(BaseCommand):
    help = "Imports JSON lines, CSV, Parquet, a saved Hugging Face data set, an export of Label Studio or Argilla."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="its address, as in /campaigns/<address>/")
        parser.add_argument("path", type=Path, help="a file, or the folder that save_to_disk wrote")
        parser.add_argument(
            "--mapping", help="which column is what, as JSON; the guess is printed by --dry-run"
        )
        parser.add_argument("--delimiter", help="between the cells of a CSV")
        parser.add_argument("--update", action="store_true", help="rows whose id is there already replace it")
        parser.add_argument("--actor", help="username for the history")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what the file is and what is wrong with it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._handle(**options)
        except Refused as refused:
            details = [f"  {name}: {text}" for name, texts in refused.fields.items() for text in texts]
            raise CommandError("\n".join([refused.message, *details])) from refused

    def _handle(self, *, campaign: str, path: Path, **options: Any) -> None:
        found = Campaign.objects.select_related("protocol").filter(slug=campaign).first()
        actor = User.objects.filter(username=options["actor"]).first() if options["actor"] else None
        if found is None or (options["actor"] and actor is None):
            raise CommandError("There is no such campaign." if found is None else "There is no such person.")
        if not path.exists():
            raise CommandError(f"{path} is not there.")
        job = imports.register(actor=actor, campaign=found, path=path.resolve(), file_name=path.name)
        try:
            if options["delimiter"]:
                imports.change_options(job=job, options={"delimiter": options["delimiter"]})
            chosen = self._mapping(options["mapping"], job)
            if options["dry_run"]:
                self._look(job, chosen)
                return
            with transaction.atomic():
                imports.start(actor=actor, job=job, mapping=chosen, update=options["update"], wakes=False)
        finally:
            Import.objects.filter(pk=job.pk, status=Import.Status.UPLOADED).delete()
        done = import_runs.run(job.pk, told=self._tell)
        if done is None or done.status != Import.Status.COMPLETE:
            raise CommandError(done.message if done else "Another worker has it.")
        self.stdout.write(json.dumps(done.result))

    def _mapping(self, given: str | None, job: Import) -> Any:
        if given is None:
            return job.mapping
        try:
            return json.loads(given)
        except ValueError as error:
            raise CommandError(f"--mapping is not JSON: {error}") from error

    def _look(self, job: Import, chosen: Any) -> None:
        sample = imports.sample(job)
        seen = imports.preview(job, imports.read_mapping(chosen, sample))
        report = {
            "format": job.format, "columns": sample.columns, "mapping": chosen, "notes": sample.notes,
            "rows_checked": seen.checked, "rows_wrong": seen.wrong, "problems": seen.problems, "ignored": seen.ignored,
        }  # fmt: skip
        self.stdout.write(json.dumps(report, indent=2, ensure_ascii=False))

    def _tell(self, job: Import) -> None:
        self.stderr.write(f"{job.rows:,} rows read, {job.share:.0%} of the file, {job.errors_total:,} errors")
