"""Erases one person: `manage.py erase_person lena`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import Refused
from annotation.people.erasure import erase_person
from annotation.people.models import User


class Command(BaseCommand):
    help = "Erase a person: rows, drafts, logs, consents, sessions and key; snapshots that held them get a successor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is nobody called {username!r}.")
        try:
            gone = erase_person(user=user, actor=None)
        except Refused as refused:
            raise CommandError(refused.message) from None
        self.stdout.write(
            f"Erased person {user.pk}: {gone.submissions} submissions with {gone.answers} answers, {gone.drafts} drafts, "
            f"{gone.texts} texts. Workers build successors of the snapshots that held them."
        )
