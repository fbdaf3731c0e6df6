"""Gives the starter campaign its first items: answers of the default policy to everyday questions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from training_bridge.services.default_policy import fill_with_answers, prepare_default_policy


class Command(BaseCommand):
    help = "Fill the starter campaign with answers of the default policy, two to a prompt; does nothing if it has items."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--campaign",
            default="everyday-answers",
            help="slug of the campaign (default: the starter campaign)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(
                f"There is no campaign {options['campaign']!r}. Make it with: manage.py starter_campaign"
            )
        if campaign.items.exists():
            self.say(f"{campaign.name} has items already.")
            return
        try:
            policy = prepare_default_policy(say=self.say)
            n = fill_with_answers(campaign=campaign, policy=policy, say=self.say)
        except Refused as refused:
            raise CommandError(refused.message) from None
        self.say(f"{campaign.name} has {n} items.")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
