"""Real people's published feedback through our own front door: `manage.py replay --data DIR --url http://127.0.0.1:8000`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.replay.client import ApiError
from annotation.replay.replay import replay
from annotation.replay.sets import SETS


class Command(BaseCommand):
    help = "Imports published sets of human feedback and answers them through HTTP as their pseudonymous labelers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="Folder with one sub-folder a set.")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="The running site.")
        parser.add_argument(
            "--set",
            dest="sets",
            action="append",
            choices=sorted(SETS),
            help="Only this set; may be repeated.",
        )
        parser.add_argument("--limit", type=int, help="Only the first so many rows of each set.")
        parser.add_argument("--report", type=Path, help="Write the counts there, as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        reports = []
        for name in options["sets"] or SETS:
            real = SETS[name]
            missing = [f for f in real.files if not (options["data"] / f).is_file()]
            if missing:
                raise CommandError(
                    f"{name}: {missing[0]} is not in {options['data']}; give the folder that holds the sets."
                )
            try:
                report = replay(
                    real,
                    data=options["data"],
                    url=options["url"],
                    limit=options["limit"],
                    progress=self._progress(name),
                )
            except ApiError as error:
                raise CommandError(f"{name}: {error}") from error
            reports.append(report.as_dict())
            self.stdout.write(
                f"{name}: {report.rows} rows, {report.imported} imported; {report.answers} answers "
                f"of {report.labelers} labelers: {report.stored} stored ({report.late} late), "
                f"{report.already_there} there already"
            )
            self.stdout.write(
                f"  feedback: {', '.join(f'{k} {v}' for k, v in sorted(report.feedback.items())) or 'none'}"
            )
            for reason, n in report.refused.most_common(20):
                self.stdout.write(f"  left out {n}: {reason}")
        if options["report"]:
            options["report"].write_text(json.dumps(reports, indent=2, sort_keys=True) + "\n")

    def _progress(self, name: str) -> Any:
        def show(done: int, total: int) -> None:
            if sys.stderr.isatty() or done == total:
                sys.stderr.write(f"\r{name}: {done} of {total} answers" + ("\n" if done == total else ""))
                sys.stderr.flush()

        return show
