"""Who works on what: open slots, leases, and where each labeler is in the queue.

A `Slot` is one judgement still wanted. Leasing deletes it, an expired or skipped lease puts one back at the tail. The SQL
that does it is in `queue.py`; these models give it tables, constraints and reads.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SkipReason(models.TextChoices):
    UNCLEAR = "unclear", _("I cannot tell what is asked")
    EXPERTISE = "expertise", _("I do not know enough about this")
    LANGUAGE = "language", _("I do not read this language well enough")
    UNCOMFORTABLE = "uncomfortable", _("I would rather not judge this")
    OTHER = "other", _("another reason")


class FlagReason(models.TextChoices):
    HARMFUL = "harmful", _("harmful or illegal content")
    PRIVATE = "private", _("somebody's private data")
    BROKEN = "broken", _("broken or empty text")
    DUPLICATE = "duplicate", _("the same item as before")
    OTHER = "other", _("something else")


class Lane(models.Model):
    """A language and a set of skills: the items of a campaign that ask the same of a labeler. Numbered from 1, without gaps.

    Lanes are few (`lanes.MAX_LANES`), are never changed, and stay. Lane 1 is in the campaign's first language.
    """

    campaign = models.ForeignKey("annotation.Campaign", on_delete=models.CASCADE, related_name="lanes")
    number = models.SmallIntegerField()
    language = models.CharField(max_length=10, blank=True)  # in small letters; empty: anybody's
    skills = ArrayField(models.CharField(max_length=40), default=list)  # sorted

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="lane_number_once"),
            models.UniqueConstraint(fields=["campaign", "language", "skills"], name="lane_once"),
        ]


class Slot(models.Model):
    """campaign × lane × pos × replica → item. No foreign keys: the hot table locks nothing but itself."""

    pk = models.CompositePrimaryKey("campaign_id", "lane", "pos", "replica")
    campaign_id = models.BigIntegerField()
    lane = models.SmallIntegerField(default=1, db_default=1)
    pos = models.BigIntegerField()
    replica = models.SmallIntegerField(default=0)
    item_id = models.BigIntegerField()
    # Who put it where it stands: a strategy's slug, or `control`; goes over to the assignment.
    chosen_by = models.CharField(max_length=20, default="", db_default="")

    class Meta:
        indexes = [models.Index(fields=["item_id"], name="slot_by_item")]


class LabelerCursor(models.Model):
    """How far one labeler has come in each lane of one campaign's queue; that only rises, so no item comes twice.

    `pos` is where the labeler began, `lanes[n]` where they are in lane n; NULL or missing: still where they began
    (read it by subscript: the array may begin above 1). `held`
    lists the leases the labeler has now (at most two: on screen, and prepared behind it). The row's lock serialises one
    labeler.
    """

    pk = models.CompositePrimaryKey("campaign_id", "labeler_id")
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()
    pos = models.BigIntegerField()
    lanes = ArrayField(models.BigIntegerField(null=True), default=list, db_default=[])
    held = ArrayField(models.BigIntegerField(), default=list)
    swept_at = models.DateTimeField(null=True)  # last look behind the cursor
    # The guidelines that the labeler began under or acknowledged last.
    told_id = models.BigIntegerField(null=True)
    given = models.PositiveIntegerField(
        default=0, db_default=0
    )  # leases so far; seeds the draw of gold items


class QueueState(models.Model):
    """Where the live part of a campaign's queue begins; a newcomer starts there instead of walking a dead head."""

    campaign_id = models.BigIntegerField(primary_key=True)
    low_pos = models.BigIntegerField(default=0)
    # When the open places are to be put in order again, at the earliest; NULL: they stand as they should.
    order_due_at = models.DateTimeField(null=True)
    ordered_at = models.DateTimeField(null=True)
    order_seed = models.BigIntegerField(null=True)  # of the last order: its shuffle and its control places
    # The overlap that is being given to the items one after the other, and the last item that has it; NULL: all have it.
    overlap_to = models.PositiveSmallIntegerField(null=True)
    overlap_after = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["order_due_at"],
                name="queue_order_due",
                condition=models.Q(order_due_at__isnull=False),
            )
        ]


class ItemScore(models.Model):
    """How much an answer about an item is worth to a reward model; written by what knows reward models."""

    item = models.OneToOneField(
        "annotation.Item", on_delete=models.CASCADE, primary_key=True, related_name="score"
    )
    value = models.FloatField()
    source = models.CharField(max_length=100)  # the run or model that says so
    scored_at = models.DateTimeField(db_default=Now())


class Assignment(models.Model):
    """item × labeler: the lease, and exactly what was put on the screen."""

    class State(models.IntegerChoices):
        LEASED = 1, _("leased")
        SUBMITTED = 2, _("submitted")
        SKIPPED = 3, _("skipped")
        EXPIRED = 4, _("expired")

    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.CASCADE, related_name="assignments", db_constraint=False
    )
    item = models.ForeignKey("annotation.Item", on_delete=models.CASCADE, related_name="assignments")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="assignments"
    )
    state = models.SmallIntegerField(choices=State, default=State.LEASED)
    leased_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField()
    requeued_pos = models.BigIntegerField(
        null=True
    )  # where the slot went when the lease ended without an answer
    protocol = models.ForeignKey(
        "annotation.Protocol", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    guidelines = models.ForeignKey(
        "annotation.Guidelines", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    response_order = ArrayField(models.BigIntegerField())  # response ids as shown
    order_seed = models.BigIntegerField()
    # The strategy's slug, `control` for a place drawn at random, `assigned` by an admin; empty: from before this was noted.
    chosen_by = models.CharField(max_length=20, blank=True, default="", db_default="")
    first_render_at = models.DateTimeField(null=True)
    draft = models.JSONField(null=True)  # form fields as typed
    draft_saved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "labeler"], name="assignment_once_per_labeler")
        ]
        indexes = [
            models.Index(fields=["lease_until"], name="assignment_due", condition=models.Q(state=1)),
            models.Index(fields=["campaign", "labeler", "-id"], name="assignment_by_labeler"),
            models.Index(fields=["campaign", "labeler"], name="assignment_out", condition=models.Q(state=1)),
        ]


class Skip(models.Model):
    """Why a labeler passed an item by."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="skip")
    reason = models.CharField(max_length=30, choices=SkipReason)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())


class Flag(models.Model):
    """A report that something is wrong with an item (harmful, broken, private data)."""

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="flags")
    reason = models.CharField(max_length=30, choices=FlagReason)
    note = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment", "reason"], name="flag_once_per_reason")]
        indexes = [
            models.Index(
                fields=["assignment"], name="flag_open", condition=models.Q(resolved_at__isnull=True)
            )
        ]
