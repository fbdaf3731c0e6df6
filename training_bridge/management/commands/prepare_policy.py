"""Makes the default policy a checkpoint; the embedded one is trained here, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.errors import Refused
from training_bridge.services.default_policy import prepare_default_policy


class Command(BaseCommand):
    help = "Prepare the default policy (WHETSTONE_POLICY). The embedded one takes about two minutes, the first time."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            policy = prepare_default_policy(say=self.say)
        except Refused as refused:
            raise CommandError(refused.message) from None
        self.say(f"The default policy is ready: {policy.name} {policy.short or policy.path}")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
