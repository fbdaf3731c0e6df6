"""Publishes a snapshot as a data set repository: `manage.py push_to_hub 3f9a0c2e otters/feedback`."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotation.errors import Refused
from annotation.people.services import record_audit
from training_bridge.exports.hub import NotPushed
from training_bridge.models import Snapshot
from training_bridge.services.pushes import upload


class Command(BaseCommand):
    help = (
        "Upload a snapshot to a Hugging Face hub. The token comes from the environment, WHETSTONE_HF_TOKEN or HF_TOKEN; "
        "the hub is WHETSTONE_HF_ENDPOINT."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", help="the beginning of its hash")
        parser.add_argument("repository", help="owner/name")
        parser.add_argument("--public", action="store_true", help="a repository that is made now is public")

    def handle(self, *args: Any, **options: Any) -> None:
        token = os.environ.get("WHETSTONE_HF_TOKEN") or os.environ.get("HF_TOKEN") or ""
        if not token:
            raise CommandError("There is no token: set WHETSTONE_HF_TOKEN for this command.")
        found = Snapshot.objects.filter(
            sha256__startswith=options["snapshot"], status=Snapshot.Status.COMPLETE
        )
        if len({snapshot.sha256 for snapshot in found}) != 1:
            raise CommandError(
                f"{found.count()} snapshots are called {options['snapshot']!r}; give more of the hash."
            )
        snapshot = found[0]
        try:
            pushed = upload(
                snapshot, repository=options["repository"], token=token, private=not options["public"]
            )
        except Refused as refused:
            raise CommandError(refused.message) from None
        except NotPushed as error:
            raise CommandError(str(error)) from None
        with transaction.atomic():
            record_audit(
                actor=None,
                campaign=snapshot.campaign,
                action="snapshot.push",
                target=f"snapshot {snapshot.pk}",
                after={
                    "repository": options["repository"],
                    "hub": settings.HF_ENDPOINT,
                    "commit": pushed.commit,
                },
            )
        self.stdout.write(f"{pushed.files} files are at {pushed.url} (commit {pushed.commit}).")
