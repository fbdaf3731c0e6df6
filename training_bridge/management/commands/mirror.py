"""Copies what is missing to the storage of copies that WHETSTONE_ARTIFACT_STORAGE names; --verify, --repair, --follow."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, close_old_connections

from annotation.project.artifacts import Unavailable
from training_bridge import artifacts
from training_bridge.artifacts import SNAPSHOTS
from training_bridge.models import Snapshot
from training_bridge.services import erasure, mirror


class Command(BaseCommand):
    help = (
        "Copy complete snapshots and kept checkpoints of this host that are not in the storage of copies yet, and remove "
        "the copies of erased snapshots."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--verify",
            action="store_true",
            help="read every copy and compare it with its hashes; changes nothing",
        )
        how.add_argument(
            "--repair",
            action="store_true",
            help="the same, and send again from this host what is not as it was written",
        )
        how.add_argument(
            "--follow",
            action="store_true",
            help="go on until stopped: on each host that shares its data directory with no worker of the queue `default`",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not artifacts.is_configured():
            raise CommandError("There is no storage of copies: set WHETSTONE_ARTIFACT_STORAGE.")
        if options["follow"]:
            self.follow()
            return
        try:
            if options["verify"] or options["repair"]:
                self.verify(repair=options["repair"])
            else:
                self.copy()
        except Unavailable as error:
            raise CommandError(f"{settings.ARTIFACT_PLACE}: {error}") from None

    def copy(self) -> None:
        mirror.recheck(self.say)
        left = mirror.mirror_due(now=True, say=self.say)
        for rows in (mirror.to_remove(), *(mirror.to_copy(kind) for kind in mirror.KINDS)):
            for row in rows.exclude(mirror_error=""):
                self.stderr.write(self.style.ERROR(f"{row.sha256}: {row.mirror_error}"))
        if left:
            raise CommandError(
                "Not everything is copied; call this again. Workers try again by themselves, too."
            )
        self.say("Everything is copied.")

    def verify(self, *, repair: bool) -> None:
        if repair:
            mirror.recheck(self.say)
            mirror.mirror_due(now=True, say=self.say)  # what only other hosts have waits for them
        damaged = checked = 0
        for kind in mirror.KINDS:
            for sha256 in mirror.copied(kind):
                faults = list(artifacts.copy_faults(kind, sha256))
                self.told(f"{kind}/{sha256}", faults)
                if (
                    faults
                    and repair
                    and mirror.mend(kind, sha256, [file for file, _fault in faults], self.say)
                ):
                    faults = list(artifacts.copy_faults(kind, sha256))
                    self.told(f"{kind}/{sha256}", faults, "whole again")
                damaged, checked = damaged + bool(faults), checked + 1
        erased = Snapshot.objects.exclude(erased_at=None)
        for sha256 in erased.values_list("sha256", flat=True).distinct().order_by("sha256"):
            left = mirror.left_of_erased(sha256)
            faults = [(name, "still there, though a person who was in it was erased") for name in left]
            damaged, checked = damaged + bool(faults), checked + 1
            self.told(f"{SNAPSHOTS}/{sha256}", faults, "superseded; its files are gone")
        waiting = sum(mirror.to_copy(kind).count() for kind in mirror.KINDS)
        if waiting:
            self.say(f"{waiting} are not copied yet: manage.py mirror")
        if damaged:
            raise CommandError(
                f"{damaged} of {checked} copies are not as they should be. manage.py mirror --repair, on a host that has "
                "their directories, sends again what is damaged, and removes what is left of the erased."
            )

    def told(self, name: str, faults: list[tuple[str, str]], otherwise: str = "whole") -> None:
        for file, fault in faults:
            self.stderr.write(self.style.ERROR(f"{name}: {file}: {fault}"))
        if not faults:
            self.say(f"{name}: {otherwise}")

    def follow(self) -> None:
        """As workers do on hosts that share a data directory: copies what appears here, and removes what is erased."""
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        self.say(f"What appears in {settings.DATA_DIR} is copied to {settings.ARTIFACT_PLACE}.")
        while not stopped.is_set():
            try:
                erasure.bury_erased()
                mirror.mirror_due()
            except OperationalError as error:
                self.stderr.write(f"The database does not answer; waiting for it: {error}")
            finally:
                close_old_connections()
            stopped.wait(settings.RUN_SWEEP_S)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
