"""After a new secret was put in front of WHETSTONE_ENCRYPTION_KEYS: `manage.py reseal_keys`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.endpoints.services import reseal_keys


class Command(BaseCommand):
    help = "Encrypts the keys of endpoints by the first of the encryption keys, so that the others can be taken away."

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = reseal_keys()
        self.stdout.write(f"{done} keys are encrypted by the first encryption key.")
        if lost:
            raise CommandError(
                f"{lost} keys were opened by none of the encryption keys and were left as they are."
            )
