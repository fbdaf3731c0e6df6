"""Periodic work: what the schedule names exists, and each task does its one thing."""

import datetime as dt

import pytest
from django.utils import timezone

from annotation import tasks
from annotation.assignment.models import Assignment, QueueState, Slot
from annotation.assignment.services import lease_next
from annotation.project.celery import app
from annotation.rollups.models import CampaignTally
from tests.cast import make_campaign, make_cast, make_labelers

pytestmark = pytest.mark.django_db


def test_the_schedule_names_tasks_that_exist():
    app.loader.import_default_modules()
    for entry in tasks.BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert (
            entry["options"]["expires"] <= entry["schedule"]
        )  # a worker that was away does not do it twice in a row


def test_expired_leases_are_released_batch_by_batch(monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 2)
    campaign = make_campaign(make_cast(), items=5)
    for labeler in make_labelers(campaign, 5):
        lease_next(labeler=labeler, campaign=campaign)
    assert Slot.objects.count() == 0
    Assignment.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert tasks.release_expired() == 5
    assert Slot.objects.count() == 5


def test_upkeep_and_counts():
    campaign = make_campaign(make_cast(), items=2)
    assert tasks.tend_queues() == 0 and tasks.fold_counts() > 0 and tasks.fold_counts() == 0
    assert QueueState.objects.get(campaign_id=campaign.pk).low_pos > 0
    assert CampaignTally.objects.get(campaign_id=campaign.pk).items == 2
