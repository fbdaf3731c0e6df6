"""Writes a snapshot in the columns of another program to standard output or a file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import Refused
from training_bridge import selectors
from training_bridge.exports.exchange import EXCHANGES, SPLITS
from training_bridge.models import Snapshot


class Command(BaseCommand):
    help = "Write a snapshot as another program reads it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", help="the beginning of its hash")
        parser.add_argument("format", choices=sorted(EXCHANGES))
        parser.add_argument("--split", choices=SPLITS, default="train")
        parser.add_argument("--out", help="a file; standard output without it")

    def handle(self, *args: Any, **options: Any) -> None:
        found = Snapshot.objects.filter(
            sha256__startswith=options["snapshot"], status=Snapshot.Status.COMPLETE
        )
        if len({snapshot.sha256 for snapshot in found}) != 1:
            raise CommandError(
                f"{found.count()} snapshots are called {options['snapshot']!r}; give more of the hash."
            )
        snapshot, exchange = found[0], EXCHANGES[options["format"]]
        try:
            directory = selectors.files_of(snapshot)
        except Refused as refused:
            raise CommandError(refused.message) from None
        if not exchange.is_in(snapshot.manifest or {}):
            raise CommandError(f"This snapshot has no rows of the view {exchange.view}.")
        target = open(Path(options["out"]), "xb") if options["out"] else sys.stdout.buffer
        try:
            for piece in exchange.rows(directory, options["split"]):
                target.write(piece)
            target.flush()
        finally:
            if options["out"]:
                target.close()
