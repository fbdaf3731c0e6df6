"""From a model back to every answer it was trained on and the screen that each was given on; checks all of them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.adjudication.models import Adjudication
from annotation.errors import NotFound
from annotation.submissions.models import Feedback
from training_bridge.exports.reader import read_rows
from training_bridge.exports.snapshot import faults
from training_bridge.lineage import Step, ancestry, trace
from training_bridge.models import Checkpoint
from training_bridge.services import mirror


def _is_stored(row: dict[str, Any]) -> bool:
    if "adjudication" in row:
        return Adjudication.objects.filter(pk=row["adjudication"]).exclude(answers=[]).exists()
    return Feedback.objects.filter(pk=row["id"]).exists()


class Command(BaseCommand):
    help = "Walk from a policy or reward model back to the screens of its answers, and check every hash on the way."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="the beginning of its SHA-256, or its number")
        parser.add_argument("--rows", type=int, default=None, help="at most so many answers of each snapshot")
        parser.add_argument("--json", action="store_true", help="the whole walk as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        steps = ancestry(self.find(options["model"]))
        walked: dict[str, dict[str, Any]] = {}
        for step in steps:
            if step.snapshot is not None and step.snapshot_state == "elsewhere":
                try:
                    mirror.bring_snapshot(step.snapshot)
                except mirror.Unreachable as error:
                    raise CommandError(f"Snapshot {step.snapshot.short}: {error}") from None
            if step.snapshot_state in ("whole", "altered") and step.snapshot.sha256 not in walked:  # type: ignore[union-attr]
                walked[step.snapshot.sha256] = self.walk(step, options["rows"])  # type: ignore[union-attr]
        if options["json"]:
            self.stdout.write(
                json.dumps({"steps": [s.dump() for s in steps], "snapshots": walked}, indent=2, default=str)
            )
        else:
            for step in steps:
                self.tell(step, walked)
        bad = sum(len(found["broken"]) + len(found["faults"]) for found in walked.values())
        if bad:
            raise CommandError(f"{bad} things on the way are not what they say.")

    def find(self, name: str) -> Checkpoint:
        found = (
            Checkpoint.objects.filter(sha256__startswith=name)
            if len(name) >= 6
            else Checkpoint.objects.none()
        )
        if not found and name.isascii() and name.isdigit():
            found = Checkpoint.objects.filter(pk=int(name))
        if len({c.sha256 or c.pk for c in found}) != 1:
            raise CommandError(
                f"{found.count()} models are called {name!r}; give more of the hash (6 characters or more)."
            )
        return found[0]

    def walk(self, step: Step, most: int | None) -> dict[str, Any]:
        """Every answer of a snapshot back to its screen."""
        snapshot = step.snapshot
        assert snapshot is not None
        found: dict[str, Any] = {
            "answers": 0, "screens": 0, "erased": 0, "broken": [],
            "faults": [f"{name}: {fault}" for name, fault in faults(snapshot.path)],
        }  # fmt: skip
        screens = set()
        for _, row in read_rows(snapshot.path):
            if most is not None and found["answers"] >= most:
                break
            found["answers"] += 1
            try:
                traced = trace(snapshot, row["id"])
            except NotFound:
                if _is_stored(row):  # it is there, but not where the order of the file says
                    found["broken"].append({"event": row["id"], "failed": ["The file is not in its order."]})
                else:
                    found["erased"] += 1
                continue
            screens.add(row["submission"])
            if not traced.holds:
                failed = [check.what for check in traced.checks if not check.holds]
                found["broken"].append({"event": row["id"], "failed": failed})
        found["screens"] = len(screens)
        return found

    def tell(self, step: Step, walked: dict[str, dict[str, Any]]) -> None:
        self.stdout.write(
            f"{step.role}: {step.checkpoint.name} {step.checkpoint.sha256 or step.checkpoint.path}"
        )
        if step.run:
            self.stdout.write(
                f"  run {step.run.pk}: {step.run.method}, seed {step.run.seed}, code {step.run.code_revision}"
            )
        if step.snapshot:
            self.stdout.write(f"  snapshot {step.snapshot.sha256 or step.snapshot.pk}: {step.snapshot_state}")
            if about := walked.get(step.snapshot.sha256):
                self.stdout.write(
                    f"    {about['answers']:,} answers on {about['screens']:,} screens, each as it was shown: "
                    f"{about['answers'] - about['erased'] - len(about['broken']):,} hold, {len(about['broken']):,} do not, "
                    f"{about['erased']:,} erased since"
                )
                for fault in [
                    *about["faults"],
                    *(f"answer {b['event']}: {' '.join(b['failed'])}" for b in about["broken"]),
                ]:
                    self.stderr.write(self.style.ERROR(f"    {fault}"))
