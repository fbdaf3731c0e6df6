"""Makes the campaign that a new installation begins with, and a sign-in link for one person of each role.

    manage.py starter_campaign                        # people, campaign, links; running it again makes new links only
    manage.py starter_campaign --items items.jsonl    # and imports items (those that are there already are left alone)

The embedded policy fills the campaign with items by a command of its own (`fill_starter_items`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotation.campaigns.models import Campaign
from annotation.campaigns.services import create_campaign, open_campaign
from annotation.errors import Refused
from annotation.items.services import import_items
from annotation.people.models import Role, User
from annotation.people.services import create_sign_in_link, grant_role

SLUG = "everyday-answers"
OVERLAP = 2
ROLES = (Role.LABELER, Role.REVIEWER, Role.ADMIN, Role.RESEARCHER)
PROTOCOL = [
    {"key": "better", "type": "comparison", "title": "Which answer is better?", "required": True},
    {
        "key": "grade",
        "type": "critique",
        "title": "How good is it?",
        "settings": {"criteria": ["overall"]},
        "required": True,
    },
]
GUIDELINES = """\
People ask a small language model everyday questions. You see two of its answers, in random order.

1. **Compare.** Which answer would you rather get? Use the arrow keys; say how much better it is, or that neither is.
2. **Grade.** Then give each answer a grade from 1 (useless) to 7 (could not be better).

What makes an answer good:

- it answers the question that was asked;
- it is true, as far as you can tell without looking it up;
- it is clear and no longer than it needs to be.

There is no right taste. If you like friendly answers better than curt ones, say so: the model learns from you.
Skip an item that you cannot judge, and flag one that should not be here.
"""


class Command(BaseCommand):
    help = "Makes the starter campaign and prints one sign-in link for each role; safe to run again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--items", type=Path, help="JSON lines to import, gzipped or not")
        parser.add_argument(
            "--base-url", default="", help="address to put before the links: http://localhost:8000"
        )

    def handle(self, *args: Any, **options: Any) -> str:
        people = {role: self._person(role) for role in ROLES}
        campaign = self._campaign(people)
        if options["items"]:
            self._import(campaign, options["items"], people[Role.ADMIN])
        address = options["base_url"].rstrip("/")
        width = max(len(role) for role in ROLES)
        return "\n".join(
            f"{role:<{width}}  {address}{create_sign_in_link(user=person)}" for role, person in people.items()
        )

    def _person(self, role: Role) -> User:
        """The person who shows a role; without a password, so that only a link opens the account."""
        person, created = User.objects.get_or_create(username=role.value)
        if created:
            person.set_unusable_password()
            person.save(update_fields=["password"])
        return person

    @transaction.atomic
    def _campaign(self, people: dict[Role, User]) -> Campaign:
        campaign = Campaign.objects.filter(slug=SLUG).first()
        if campaign is not None:
            return campaign
        admin = people[Role.ADMIN]
        campaign = create_campaign(
            actor=admin,
            name="Everyday answers",
            slug=SLUG,
            overlap=OVERLAP,
            guidelines=GUIDELINES,
            protocol=PROTOCOL,
        )
        for role, person in people.items():
            grant_role(actor=admin, user=person, campaign=campaign, role=role)
        return open_campaign(actor=admin, campaign=campaign)

    def _import(self, campaign: Campaign, path: Path, actor: User) -> None:
        try:
            with path.open("rb") as stream:
                import_items(campaign, stream, actor=actor, update=True)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from error
        except Refused as refused:
            raise CommandError(refused.message) from refused
