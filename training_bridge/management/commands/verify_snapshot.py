"""Checks snapshots against their hashes and names each file that is not as it was written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from training_bridge.exports.snapshot import faults, superseded
from training_bridge.models import Snapshot
from training_bridge.services import mirror


class Command(BaseCommand):
    help = (
        "Check snapshots: every byte against the hash that names it. Without arguments, all of them on this disk; "
        "one that is named and is not here is fetched from the storage of copies."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", nargs="*", help="a directory, or the beginning of a snapshot's hash")

    def handle(self, *args: Any, **options: Any) -> None:
        directories = [d for name in options["snapshot"] for d in self.find(name)] or sorted(
            p for p in settings.SNAPSHOT_DIR.glob("*") if not p.name.startswith(".")
        )
        damaged = 0
        for directory in directories:
            found = list(faults(directory))
            damaged += bool(found)
            for name, fault in found:
                self.stderr.write(self.style.ERROR(f"{directory.name}: {name}: {fault}"))
            if not found and (about := superseded(directory)):
                self.stdout.write(
                    f"{directory.name}: superseded (reason: {about['reason']}); its manifest is whole, its files are gone; "
                    f"successor: {about['successor'] or 'being built'}"
                )
            elif not found:
                self.stdout.write(f"{directory.name}: whole")
        if damaged:
            raise CommandError(f"{damaged} of {len(directories)} snapshots are damaged.")

    def find(self, name: str) -> list[Path]:
        if Path(name).is_dir():
            return [Path(name).resolve()]
        found = [p for p in settings.SNAPSHOT_DIR.glob("*") if p.name.startswith(name)] or self.fetch(name)
        if len(found) != 1:
            raise CommandError(
                f"{len(found)} snapshots are called {name!r}; give more of the hash, or a directory."
            )
        return found

    def fetch(self, name: str) -> list[Path]:
        copied = Snapshot.objects.filter(sha256__startswith=name, erased_at=None).exclude(mirrored_at=None)
        found = {snapshot.sha256: snapshot for snapshot in copied}
        if len(found) == 1:
            (snapshot,) = found.values()
            try:
                mirror.bring_snapshot(snapshot)
            except mirror.Unreachable as error:
                raise CommandError(str(error)) from None
        return [snapshot.path for snapshot in found.values() if snapshot.path.is_dir()]
