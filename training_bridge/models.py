"""What was learned from what: snapshots, runs, checkpoints, rounds. None of it is ever edited to mean something else."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    """A row that is its own outbox. The row is the truth; Celery only wakes a worker.

    A worker claims it by a conditional update that counts the attempt first and draws a new fencing token; every later
    write of that attempt must carry the token, so a worker that was given up for dead can change nothing.
    """

    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    fencing_token = models.UUIDField(null=True)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)  # last time a worker was woken for it
    started_at = models.DateTimeField(null=True)
    progress = models.JSONField(null=True)  # last status: stage, step, steps, metrics
    error = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True


class Mirrored(models.Model):
    """A directory that never changes, and its copy in the storage of copies (services/mirror.py)."""

    mirrored_at = models.DateTimeField(null=True)  # since when the copy is whole
    mirror_tried_at = models.DateTimeField(null=True)
    mirror_error = models.TextField(blank=True, default="", db_default="")  # of the last try, if it failed

    class Meta:
        abstract = True


class Snapshot(Job, Mirrored):
    """An immutable, content-addressed cut of a campaign's feedback; the files are in `settings.SNAPSHOT_DIR / sha256`."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        BUILDING = "building", _("building")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("failed")

    ACTIVE = Status.BUILDING

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="snapshots")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    sha256 = models.CharField(
        max_length=64, blank=True
    )  # of manifest.json; the same cut twice has the same one
    filters = models.JSONField(default=dict)  # exports/snapshot.py: Filters
    manifest = models.JSONField(null=True)
    completed_at = models.DateTimeField(null=True)
    # A person who was in it was erased: its files are gone, and another one says of itself that it supersedes this one.
    erased_at = models.DateTimeField(null=True)
    unmirrored_at = models.DateTimeField(null=True)  # and the copy's, too
    supersedes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="successors")

    class Meta:
        indexes = [models.Index(fields=["status", "heartbeat_at"], name="snapshot_by_status")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="complete")
                | (~models.Q(sha256="") & models.Q(manifest__isnull=False)),
                name="snapshot_complete_has_hash_and_manifest",
            ),
            models.CheckConstraint(
                condition=models.Q(attempt__lte=models.F("max_attempts")),
                name="snapshot_attempts_within_limit",
            ),
        ]

    @property
    def path(self) -> Path:
        return settings.SNAPSHOT_DIR / self.sha256

    @property
    def is_finished(self) -> bool:
        return self.status in (self.Status.COMPLETE, self.Status.FAILED)

    @property
    def successor(self) -> Snapshot | None:
        """What took its place after an erasure; the same cut taken twice has the same one."""
        if self.erased_at is None:
            return None
        return Snapshot.objects.filter(supersedes__sha256=self.sha256).order_by("-created_at").first()

    @property
    def short(self) -> str:
        """What people call it: the beginning of its hash, or of its id while there is none."""
        return (self.sha256 or str(self.id))[:12]


class Push(Job):
    """A snapshot on its way to a data set repository of a hub, and where it is since."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    ACTIVE = Status.RUNNING
    OPEN = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="pushes")
    repository = models.CharField(max_length=200)  # owner/name
    hub = models.CharField(max_length=300)  # the address that the token is for
    private = models.BooleanField()
    sealed_token = models.TextField(blank=True)  # annotation/endpoints/keys.py; none when it is over
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    url = models.CharField(max_length=500, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    files = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["status", "heartbeat_at"], name="push_by_status")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=("queued", "running")) | models.Q(sealed_token=""),
                name="push_over_without_token",
            ),
            models.UniqueConstraint(
                fields=["snapshot", "repository"],
                condition=models.Q(status__in=("queued", "running")),
                name="push_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(attempt__lte=models.F("max_attempts")), name="push_attempts_within_limit"
            ),
        ]

    @property
    def is_finished(self) -> bool:
        return self.status not in self.OPEN


class Checkpoint(Mirrored):
    """A reward model or policy on disk, with its hash and where it comes from."""

    class Kind(models.TextChoices):
        REWARD_MODEL = "reward_model", _("reward model")
        POLICY = "policy", _("policy")

    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=120)
    path = models.CharField(
        max_length=500
    )  # a directory under CHECKPOINT_DIR, or a hub id for an outside policy
    sha256 = models.CharField(max_length=64, blank=True)
    # Empty for the default policy and outside ones, which every campaign may use.
    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.PROTECT, null=True, related_name="checkpoints"
    )
    run = models.ForeignKey(
        "training_bridge.Run", on_delete=models.PROTECT, null=True, related_name="checkpoints"
    )
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    lineage = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "kind"], name="checkpoint_once_per_run_and_kind"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def short(self) -> str:
        return self.sha256[:12]

    @property
    def is_kept(self) -> bool:
        """Whether it is stored here under its hash, not at a hub or in a directory of the operator's."""
        return bool(self.sha256) and self.path.endswith(self.sha256)

    @property
    def is_soft_prompt(self) -> bool:
        """Whether it is vectors that stand before the texts of another policy (policy/adapters.py)."""
        return (self.lineage.get("config") or {}).get("adapter") == "prompt"


class Run(Job):
    """One act of learning or evaluation: a method with its inputs, and what came of it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    class Priority(models.IntegerChoices):
        """The queue is worked off from the top; among equals the oldest first."""

        HIGH = 1, _("high")
        NORMAL = 0, _("normal")
        LOW = -1, _("low")

    ACTIVE = Status.RUNNING

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="runs")
    method = models.CharField(max_length=40)  # a name in training_bridge/methods.py
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    code_revision = models.CharField(max_length=64)
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="runs")
    reward_model = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, null=True, related_name="+")
    parent = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, related_name="+"
    )  # the policy it starts from
    baseline = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, related_name="+"
    )  # the policy it compares with
    compared_with = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, related_name="+"
    )  # another reward model
    prompts_from = models.ForeignKey(
        "training_bridge.Round", on_delete=models.PROTECT, null=True, related_name="+"
    )
    endpoint = models.ForeignKey(
        "annotation.Endpoint", on_delete=models.PROTECT, null=True, related_name="+"
    )  # answers in the place of the parent
    endpoint_model = models.CharField(
        max_length=200, blank=True, default="", db_default=""
    )  # what it was asked for when the run was started; an endpoint may be changed later
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL, db_default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    release_requested_at = models.DateTimeField(
        null=True
    )  # its worker shuts down: save, and back into the queue
    curve = models.JSONField(default=list)  # [{"step", …metrics}], thinned
    samples = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField())
    )  # [{"step", "prompt", "text", "reward"}], thinned
    log_tail = models.TextField(blank=True)
    metrics = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="run_by_status"),
            models.Index(fields=["campaign", "-created_at"], name="run_by_campaign"),
            models.Index(
                fields=["-priority", "created_at"], name="run_queue", condition=models.Q(status="queued")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(attempt__lte=models.F("max_attempts")), name="run_attempts_within_limit"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="running") | models.Q(fencing_token__isnull=False),
                name="run_running_has_token",
            ),
            models.CheckConstraint(
                condition=models.Q(endpoint=None, endpoint_model="")
                | (models.Q(endpoint__isnull=False, parent=None) & ~models.Q(endpoint_model="")),
                name="run_endpoint_instead_of_parent",
            ),
        ]

    @property
    def directory(self) -> Path:
        return settings.RUN_DIR / str(self.id)

    @property
    def attempt_directory(self) -> Path:
        return self.directory / f"attempt-{self.attempt}"

    @property
    def is_finished(self) -> bool:
        return self.status in (self.Status.SUCCEEDED, self.Status.FAILED, self.Status.CANCELLED)

    @property
    def short(self) -> str:
        return str(self.id)[:8]


class Round(models.Model):
    """One turn of the loop: a policy's responses, the feedback on them, what was learned, and whether it got better.

    The runs of a round are its state: each button starts a chain, each outcome the next run of it (services/rounds.py).
    """

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField()
    policy = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, related_name="rounds"
    )  # wrote this round's responses
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="rounds")
    reward_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    refresh_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    sample_run = models.ForeignKey(
        Run, on_delete=models.PROTECT, null=True, related_name="+"
    )  # by the new policy
    baseline_run = models.ForeignKey(
        Run, on_delete=models.PROTECT, null=True, related_name="+"
    )  # by the old one
    evaluate_run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    evidence = models.JSONField(null=True)  # win rate with interval, reward histograms, KL, samples
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="round_number_once")]


class Promotion(models.Model):
    """Which policy is live in a campaign: the newest row says it, so going back is one more row and never an edit."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.PROTECT, related_name="promotions")
    policy = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="promotions")
    undoes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="undone_by")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["campaign", "-id"], name="promotion_by_campaign")]
