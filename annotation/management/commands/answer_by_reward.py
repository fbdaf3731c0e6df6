"""A stated reward answers a campaign: `manage.py answer_by_reward CAMPAIGN --feedback 912`, or `--file proxy.json`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.campaigns.models import Campaign
from annotation.errors import Refused
from annotation.submissions.models import Feedback
from annotation.submissions.stated import BETA, answer_by, reward_in, reward_of


class Command(BaseCommand):
    help = "Lets a reward that somebody stated answer a campaign's comparisons and grades, as a labeler of its own kind."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="The campaign's slug; it has to be open.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--feedback", type=int, help="Number of the feedback row that states it.")
        source.add_argument("--file", type=Path, help='A file with {"type": …, "payload": {…}}.')
        parser.add_argument("--name", help="Of its account; otherwise made from where the reward comes from.")
        parser.add_argument("--limit", type=int, help="At most so many items.")
        parser.add_argument("--beta", type=float, default=BETA, help="Log-odds for each unit of the reward.")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(slug=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']!r}.")
        try:
            if options["feedback"] is not None:
                row = Feedback.objects.filter(pk=options["feedback"]).first()
                if row is None:
                    raise CommandError(f"There is no feedback {options['feedback']}.")
                reward, name = reward_of(row), f"proxy-{row.pk}"
            else:
                if not options["file"].is_file():
                    raise CommandError(f"There is no file {options['file']}.")
                text = options["file"].read_text(encoding="utf-8")
                reward, name = reward_in(text), f"proxy-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            report = answer_by(
                reward,
                actor=None,
                campaign=campaign,
                name=options["name"] or name,
                limit=options["limit"],
                beta=options["beta"],
            )
        except Refused as refused:
            raise CommandError(refused.message) from refused
        said = ", ".join(f"{kind} {n}" for kind, n in sorted(report.feedback.items())) or "none"
        self.stdout.write(f"{options['name'] or name}: {report.answered} items answered; {said}")
