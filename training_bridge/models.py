"""What was learned from what: snapshots, runs, checkpoints, rounds. None of it is ever edited to mean something else."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Snapshot(models.Model):
    """An immutable, content-addressed cut of a campaign's feedback; the files are in `settings.SNAPSHOT_DIR / sha256`."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        BUILDING = "building", _("building")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="snapshots")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    sha256 = models.CharField(max_length=64, blank=True)  # content address; the same cut twice has the same one
    filters = models.JSONField(default=dict)
    manifest = models.JSONField(null=True)
    error = models.TextField(blank=True)
    progress = models.JSONField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="complete") | (~models.Q(sha256="") & models.Q(manifest__isnull=False)),
                name="snapshot_complete_has_hash_and_manifest",
            )
        ]

    @property
    def path(self) -> Path:
        return settings.SNAPSHOT_DIR / self.sha256


class Checkpoint(models.Model):
    """A reward model or policy on disk, with its hash and where it comes from."""

    class Kind(models.TextChoices):
        REWARD_MODEL = "reward_model", _("reward model")
        POLICY = "policy", _("policy")

    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=120)
    path = models.CharField(max_length=500)  # a directory under CHECKPOINT_DIR, or a hub id for an outside policy
    sha256 = models.CharField(max_length=64, blank=True)
    run = models.ForeignKey("training_bridge.Run", on_delete=models.PROTECT, null=True, related_name="checkpoints")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    lineage = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One act of learning or evaluation. The row is the truth and its own outbox; Celery only wakes a worker.

    A worker claims it by a conditional update that counts the attempt first and draws a new fencing token; every later write of that
    attempt must carry the token.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="runs")
    method = models.CharField(max_length=40)  # a name in training_bridge/methods.py
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    code_revision = models.CharField(max_length=64)
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="runs")
    reward_model = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, null=True, related_name="+")
    parent = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    fencing_token = models.UUIDField(null=True)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    progress = models.JSONField(null=True)  # last status line: stage, step, steps, metrics
    curve = models.JSONField(default=list)  # [{"step", …metrics}], thinned
    log_tail = models.TextField(blank=True)
    metrics = models.JSONField(null=True)
    error = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)  # last time a worker was woken for it
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["status", "heartbeat_at"], name="run_by_status")]
        constraints = [
            models.CheckConstraint(condition=models.Q(attempt__lte=models.F("max_attempts")), name="run_attempts_within_limit"),
            models.CheckConstraint(
                condition=~models.Q(status="running") | models.Q(fencing_token__isnull=False), name="run_running_has_token"
            ),
        ]

    @property
    def directory(self) -> Path:
        return settings.RUN_DIR / str(self.id)


class Round(models.Model):
    """One turn of the loop: a policy's responses, the feedback on them, what was learned, and whether it got better."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField()
    policy = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, null=True, related_name="rounds")  # wrote this round's responses
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="rounds")
    reward_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    refresh_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    sample_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    evidence = models.JSONField(null=True)  # win rate with interval, reward histograms, KL, samples
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="round_number_once")]
