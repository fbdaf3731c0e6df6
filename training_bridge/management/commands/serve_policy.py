"""Serves the live policies to the pages, as a process of its own: `manage.py up` starts it and starts it again."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from annotation.campaigns.models import Campaign
from annotation.project import embedded
from training_bridge.policy.generator import Server, Source
from training_bridge.programs import Problem
from training_bridge.selectors import live_policy
from training_bridge.services.checkpoints import damage
from training_bridge.services.rounds import default_policy


def live_source(campaign_id: int) -> Source:
    """The promoted policy of a campaign, else the default one, checked on disk. Raises Problem when there is none."""
    close_old_connections()
    try:
        campaign = Campaign.objects.filter(pk=campaign_id).first()
        promotion = live_policy(campaign) if campaign else None
        policy = promotion.policy if promotion else default_policy()
        if policy is None:
            raise Problem("There is no policy yet.", "Promote one, or run manage.py prepare_policy.")
        key = (policy.pk, policy.sha256)
        if key not in _checked:
            if fault := damage(policy):
                raise Problem(fault, "Promote another policy.")
            _checked.add(key)
        return Source(policy.path, {"id": policy.pk, "name": policy.name, "sha256": policy.sha256})
    finally:
        close_old_connections()


_checked: set[tuple[int, str]] = set()  # what was found whole on disk; hashing a large one takes seconds


class Command(BaseCommand):
    help = "Serve the live policies on the unix socket that the pages ask."

    def handle(self, *args: Any, **options: Any) -> None:
        os.nice(5)  # pages come first
        leases = embedded.ensure_running("postgres")
        places = embedded.Places(settings.DATA_DIR)
        if not places.socket_dir.exists():  # neither server is embedded here
            places.make_socket_dir(owner=os.getuid())
        try:
            asyncio.run(self._serve())
        finally:
            for lease in leases:
                lease.release()

    async def _serve(self) -> None:
        server = Server(live_source, pace=settings.LIVE_TOKENS_PER_S)
        task = asyncio.ensure_future(server.serve(settings.POLICY_SOCKET))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        self.stdout.write(f"The live policy answers at {settings.POLICY_SOCKET}")
        self.stdout.flush()
        try:
            await task
        except asyncio.CancelledError:
            pass
