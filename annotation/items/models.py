"""What is judged: a prompt with its candidate responses."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Prompt(models.Model):
    """Chat messages `[{"role": "user", "content": "…"}, …]`, the last one from the user."""

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="prompts")
    messages = models.JSONField()
    language = models.CharField(max_length=10, blank=True)
    external_id = models.CharField(max_length=200, null=True, blank=True)
    sha256 = models.CharField(
        max_length=64
    )  # of the normalised messages; decides the split where there is no group
    split_group = models.CharField(
        max_length=200, blank=True, default="", db_default=""
    )  # on one side together
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["campaign", "sha256"], name="prompt_by_hash"),
            models.Index(
                fields=["campaign", "sha256"], name="prompt_in_group", condition=~models.Q(split_group="")
            ),
        ]


class Response(models.Model):
    """One candidate continuation, never edited; what was on a screen can always be shown again."""

    class Source(models.TextChoices):
        POLICY = "policy", _("policy")
        PERSON = "person", _("person")
        IMPORT = "import", _("import")

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="responses")
    text = models.TextField()
    n_codepoints = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    source = models.CharField(max_length=8, choices=Source)
    source_name = models.CharField(max_length=200, blank=True)  # never shown to labelers
    checkpoint_id = models.BigIntegerField(
        null=True, blank=True
    )  # training_bridge.Checkpoint; that app is above this one
    sampling = models.JSONField(null=True, blank=True)  # parameters, seed, log-probability, finish reason
    created_at = models.DateTimeField(db_default=Now())


class Purpose(models.TextChoices):
    """What an item is for. All but work stand aside: no places in the queue, never counted, never in training."""

    WORK = "work", _("work")
    GOLD = "gold", _("gold: the answer is known, labelers are not told")
    PRACTICE = "practice", _("practice: the answer is shown after the labeler's own")


class Item(models.Model):
    """A prompt with its responses, to be judged by `overlap` labelers.

    `counted` is how many counted submissions there are; the constraint is the promise that it never exceeds `overlap`.
    `gold_answers` is what is expected of an item that is not work: see `annotation/gold/answers.py`.
    """

    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.CASCADE, related_name="items", db_index=False
    )  # `item_in_order` begins with it
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="items")
    responses = models.ManyToManyField(Response, through="annotation.ItemResponse", related_name="items")
    external_id = models.CharField(max_length=200, null=True, blank=True)
    round_number = models.PositiveIntegerField(default=1)
    priority = models.SmallIntegerField(default=0)
    overlap = models.PositiveSmallIntegerField()
    has_own_overlap = models.BooleanField(default=False, db_default=False)  # not the campaign's
    lane = models.SmallIntegerField(default=1, db_default=1)  # language and skills, as `Lane`
    counted = models.PositiveSmallIntegerField(default=0, db_default=0)
    purpose = models.CharField(
        max_length=8, choices=Purpose, default=Purpose.WORK, db_default=Purpose.WORK.value
    )
    gold_answers = models.JSONField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)  # taken back for good: in nobody's queue
    held_at = models.DateTimeField(
        null=True, blank=True
    )  # reported: in nobody's queue until an admin has looked
    metadata = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(counted__lte=models.F("overlap")), name="item_never_counts_beyond_overlap"
            ),
            models.CheckConstraint(condition=models.Q(purpose__in=Purpose.values), name="item_purpose_known"),
            models.CheckConstraint(
                condition=models.Q(purpose=Purpose.WORK) | models.Q(counted=0, gold_answers__isnull=False),
                name="item_aside_is_known_and_never_counts",
            ),
            models.UniqueConstraint(fields=["campaign", "external_id"], name="item_external_id_once"),
        ]
        indexes = [
            models.Index(fields=["campaign", "round_number", "id"], name="item_by_round"),
            models.Index(fields=["campaign", "-id"], name="item_in_order"),
            models.Index(
                fields=["campaign", "-id"],
                name="item_withdrawn",
                condition=models.Q(withdrawn_at__isnull=False),
            ),
            models.Index(
                fields=["campaign", "-id"], name="item_held", condition=models.Q(held_at__isnull=False)
            ),
            models.Index(
                fields=["campaign", "purpose", "id"], name="item_aside", condition=~models.Q(purpose="work")
            ),
        ]


class ItemResponse(models.Model):
    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    response = models.ForeignKey(Response, on_delete=models.CASCADE)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["item", "position"], name="item_position_once"),
            models.UniqueConstraint(fields=["item", "response"], name="item_response_once"),
        ]


class Import(models.Model):
    """A file on its way in: uploaded, mapped, read by a worker, and all of it there at once or nothing.

    The row is its own outbox; Celery only wakes a worker. `reached` and the waiting rows are committed together, batch by
    batch, so another worker goes on where one was killed.
    """

    class Status(models.TextChoices):
        UPLOADED = "uploaded", _("waiting to be started")
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("refused")
        CANCELLED = "cancelled", _("cancelled")

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="imports")
    status = models.CharField(max_length=10, choices=Status, default=Status.UPLOADED)
    file_name = models.CharField(max_length=300)  # as it was called; only ever shown
    size = models.BigIntegerField()
    path = models.CharField(
        max_length=1000
    )  # below settings.IMPORT_DIR, or absolute where a command named it
    format = models.CharField(max_length=20)
    options = models.JSONField(default=dict)
    mapping = models.JSONField(default=dict)  # mapping.py
    update = models.BooleanField(default=False)
    language = models.CharField(
        max_length=10, blank=True
    )  # of whoever started it: what is wrong is told in it
    # Where the reading is
    reached = models.BigIntegerField(default=0)  # number of the last row that was read
    rows = models.BigIntegerField(default=0)
    staged = models.BigIntegerField(default=0)
    share = models.FloatField(default=0)  # of the file
    published = models.BigIntegerField(default=0)
    ignored = models.JSONField(default=dict)  # what the file holds and an import leaves out: how often
    errors = models.JSONField(default=list)  # the first hundred
    errors_total = models.BigIntegerField(default=0)
    only_duplicates = models.BooleanField(default=True)
    errors_bytes = models.BigIntegerField(default=0)  # of the file with all of them
    # How it ended
    result = models.JSONField(null=True)
    message = models.TextField(blank=True)
    code = models.CharField(max_length=40, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)  # last time a worker was woken for it
    started_at = models.DateTimeField(null=True)
    publishing_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["sent_at"], name="import_open", condition=models.Q(status__in=("queued", "running"))
            ),
            models.Index(fields=["campaign", "-id"], name="import_by_campaign"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="complete") | models.Q(result__isnull=False),
                name="import_complete_has_result",
            )
        ]

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)


class StagedRow(models.Model):
    """A row of an import that waits for the others. Not logged: it may be gone after a crash, and is then read again."""

    pk = models.CompositePrimaryKey("import_id", "n")
    import_id = models.BigIntegerField()
    n = models.BigIntegerField()
    external_id = models.CharField(max_length=200, null=True)
    messages = models.JSONField()
    prompt_sha256 = models.CharField(max_length=64)
    responses = models.JSONField()  # [[text, sha256, source], …]
    metadata = models.JSONField(null=True)
    language = models.CharField(max_length=10, null=True)  # null: not said, as with the next two
    skills = models.JSONField(null=True)
    priority = models.SmallIntegerField(null=True)
    split_group = models.CharField(max_length=200)
    gold = models.JSONField(null=True)  # what is expected, its responses called 1, 2, …
