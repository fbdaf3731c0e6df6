"""The closed loop without hands: `manage.py loop`; people are synthetic, everything else is real."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.errors import Refused
from annotation.project import embedded
from annotation.project.site import running_site
from training_bridge.loop.report import as_html, as_text
from training_bridge.loop.run import LoopFailed, Plan, run_loop
from training_bridge.policy.tastes import TASTES


class Command(BaseCommand):
    help = "Runs the closed loop with synthetic labelers on a site of its own, and writes a report."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--taste", default=Plan.taste, choices=sorted(TASTES), help="What the labelers like."
        )
        parser.add_argument("--people", type=int, default=Plan.people, help="How many labelers.")
        parser.add_argument(
            "--refresh", default=Plan.refresh, choices=["dpo", "rloo"], help="How the policy is refreshed."
        )
        parser.add_argument("--seed", type=int, default=Plan.seed)
        parser.add_argument(
            "--no-arms", action="store_true", help="Leave out the comparison at equal labeler-seconds."
        )
        parser.add_argument(
            "--out", type=Path, help="Folder of the report (default: reports/ in the data directory)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        plan = Plan(
            taste=options["taste"], people=options["people"], refresh=options["refresh"], seed=options["seed"],
            arms=not options["no_arms"],
        )  # fmt: skip
        began = time.monotonic()
        try:
            with running_site(say=lambda text: self.stdout.write(f"  {text}")) as site:
                result = run_loop(site.url, plan, say=self.say, live=self.live)
        except (LoopFailed, Refused, embedded.EmbeddedError) as error:
            raise CommandError(str(error)) from error
        result.stages.append({"stage": "in all", "seconds": round(time.monotonic() - began, 1), "note": ""})
        out = options["out"] or settings.DATA_DIR / "reports" / f"loop-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        out.mkdir(parents=True, exist_ok=True)
        (out / "result.json").write_text(json.dumps(dataclasses.asdict(result), indent=2, default=str) + "\n")
        (out / "report.html").write_text(as_html(result), encoding="utf-8")
        self.stdout.write(as_text(result))
        self.stdout.write(f"Report: {out / 'report.html'}")

    def say(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        self.stdout.write(f"  {text}")
        self.stdout.flush()

    def live(self, text: str) -> None:
        """What is going on now, on a line that is written over; silent where nobody looks."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K  {text[:110]}")
            sys.stderr.flush()
