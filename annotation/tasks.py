"""Periodic work of the annotation app. Each task calls one service; running twice or late does no harm."""

from __future__ import annotations

from celery import shared_task

from annotation.adjudication import services as adjudication
from annotation.assignment import services as assignment
from annotation.consents import services as consents
from annotation.generation import candidates
from annotation.generation import services as generation
from annotation.items import import_runs
from annotation.ledger import budget
from annotation.quality import reports
from annotation.rollups import services as rollups
from annotation.webhooks import relay as webhooks

BEAT_SCHEDULE = {
    "release-expired": {
        "task": "annotation.tasks.release_expired",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "tend-queues": {"task": "annotation.tasks.tend_queues", "schedule": 120.0, "options": {"expires": 120}},
    "fold-counts": {"task": "annotation.tasks.fold_counts", "schedule": 10.0, "options": {"expires": 10}},
    "compare-answers": {
        "task": "annotation.tasks.compare_answers",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "order-queues": {"task": "annotation.tasks.order_queues", "schedule": 60.0, "options": {"expires": 60}},
    "wake-candidates": {
        "task": "annotation.tasks.wake_candidates",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "wake-imports": {"task": "annotation.tasks.wake_imports", "schedule": 60.0, "options": {"expires": 60}},
    "give-up-lost": {"task": "annotation.tasks.give_up_lost", "schedule": 300.0, "options": {"expires": 300}},
    # Messages are sent when they are written; this finds those that a broker lost, and those that are to be tried again.
    "send-webhooks": {
        "task": "annotation.tasks.send_webhooks",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "prune-webhooks": {
        "task": "annotation.tasks.prune_webhooks",
        "schedule": 6 * 3600.0,
        "options": {"expires": 3600},
    },
    "refresh-quality": {
        "task": "annotation.tasks.refresh_quality",
        "schedule": 120.0,
        "options": {"expires": 120},
    },
    "condense-observed": {
        "task": "annotation.tasks.condense_observed",
        "schedule": 6 * 3600.0,
        "options": {"expires": 3600},
    },
}
BATCH = 1000


@shared_task(time_limit=300)
def release_expired() -> int:
    """Gives places of overdue leases back, batch by batch."""
    total = 0
    while (released := assignment.release_expired(limit=BATCH)) > 0:
        total += released
        if released < BATCH:
            break
    return total


@shared_task(time_limit=300)
def tend_queues() -> int:
    """Upkeep of the queues."""
    return assignment.tend_queues()


@shared_task(time_limit=3600)
def order_queues() -> int:
    """Puts the open places of campaigns in the order of their strategy, where that is due."""
    return assignment.order_queues()


@shared_task(time_limit=300)
def fold_counts() -> int:
    """Changes that writes left behind go into the counts that pages read and into the ledger; budgets are watched."""
    folded = rollups.fold_all()
    budget.stop_all()
    return folded


@shared_task(time_limit=300)
def compare_answers() -> int:
    """How far labelers are apart on the items that got new answers, batch by batch."""
    total = 0
    while (taken := adjudication.compare_answers()) > 0:
        total += taken
    return total


@shared_task(time_limit=2 * 3600)
def write_candidates(batch_id: int) -> int:
    """Responses of the live policy to every prompt of a campaign; what a killed worker left is written by the next."""
    return candidates.write(batch_id)


@shared_task(time_limit=300)
def wake_candidates() -> int:
    """Batches that no worker has finished."""
    return candidates.wake_all()


@shared_task(time_limit=6 * 3600)
def run_import(import_id: int) -> None:
    """An uploaded file becomes items; what a killed worker left is gone on with by the next."""
    import_runs.run(import_id)


@shared_task(time_limit=300)
def wake_imports() -> int:
    """Imports that no worker has in hand, and files that nobody needs any more."""
    return import_runs.wake_all()


@shared_task(time_limit=300)
def give_up_lost() -> int:
    """Streams whose process died with them."""
    return generation.give_up_lost()


@shared_task(time_limit=3600)
def condense_observed() -> int:
    """Takes the detail off observed answers that are older than their type keeps it, batch by batch."""
    total = 0
    while (condensed := consents.condense_old(limit=BATCH)) > 0:
        total += condensed
    return total


@shared_task(time_limit=300)
def send_webhooks() -> int:
    """Messages to webhooks that are due, for a minute at most."""
    return webhooks.relay()


@shared_task(time_limit=3600)
def prune_webhooks() -> int:
    """Old messages leave the log."""
    return webhooks.prune()


@shared_task(time_limit=3600)
def compute_quality(campaign_id: int, statistic: str) -> bool:
    """One statistic of a campaign's answers, for its pages."""
    return reports.compute(campaign_id, statistic)


@shared_task(time_limit=300)
def refresh_quality() -> int:
    """Statistics that somebody waits for, or that new answers have made old."""
    return reports.refresh()
