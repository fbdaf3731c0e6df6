"""Counts that pages read instead of counting rows: of a campaign, its hours, its labelers, their days.

A write leaves a `TallyChange` in its own transaction, by a trigger of the table that it changes, so no write path can forget
it. A worker folds the changes into the tables of counts. What is so at any moment is the table plus what is not folded yet:

    TallyChange(campaign 3, labeler 17, at 12:07:51, counted +1, timed +1, active_ms +4200, idle_ms +800)

A day is a day in UTC. There are no foreign keys: what an erased person's number counts is gone by changes of its own.
"""

from __future__ import annotations

from django.db import models

# What labelers do. `timed` answers are those whose active time is known; `idle_ms` is total less active time of these.
# `earned_micros` is what the ledger owes them for answers, and as bonus or adjustment, in millionths of the currency.
WORK = ("counted", "late", "revised", "skipped", "flagged", "timed", "active_ms", "idle_ms", "earned_micros")
# What a campaign has of work; gold and practice items are no part of it. Withdrawn items are in `items`, `withdrawn` and
# `answers` alone; `wanted` is the overlap of all others, `answers` how many answers the items count.
STOCK = ("items", "complete", "begun", "withdrawn", "wanted", "answers", "open_flags")


class _Work(models.Model):
    """Sums of first answers (counted and late), corrections, skips, reports, and time of first answers in ms."""

    counted = models.BigIntegerField(default=0, db_default=0)
    late = models.BigIntegerField(default=0, db_default=0)
    revised = models.BigIntegerField(default=0, db_default=0)
    skipped = models.BigIntegerField(default=0, db_default=0)
    flagged = models.BigIntegerField(default=0, db_default=0)
    timed = models.BigIntegerField(default=0, db_default=0)
    active_ms = models.BigIntegerField(default=0, db_default=0)
    idle_ms = models.BigIntegerField(default=0, db_default=0)
    earned_micros = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True


class _Stock(models.Model):
    items = models.BigIntegerField(default=0, db_default=0)
    complete = models.BigIntegerField(default=0, db_default=0)
    begun = models.BigIntegerField(default=0, db_default=0)
    withdrawn = models.BigIntegerField(default=0, db_default=0)
    wanted = models.BigIntegerField(default=0, db_default=0)
    answers = models.BigIntegerField(default=0, db_default=0)
    open_flags = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True


class TallyChange(_Work, _Stock):
    """What one write changed; gone once it is folded."""

    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField(null=True)  # null: about items
    at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40, blank=True, default="", db_default="")  # "skip:unclear"
    # What was earned by an answer: folding enters it into the ledger.
    submission_id = models.UUIDField(null=True)
    pay_per = models.CharField(max_length=6, blank=True, default="", db_default="")


class CampaignTally(_Work, _Stock):
    campaign_id = models.BigIntegerField(primary_key=True)


class CampaignHour(_Work):
    pk = models.CompositePrimaryKey("campaign_id", "hour")
    campaign_id = models.BigIntegerField()
    hour = models.DateTimeField()


class LabelerTally(_Work):
    pk = models.CompositePrimaryKey("campaign_id", "labeler_id")
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()


class LabelerDay(_Work):
    pk = models.CompositePrimaryKey("campaign_id", "labeler_id", "day")
    campaign_id = models.BigIntegerField()
    labeler_id = models.BigIntegerField()
    day = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["labeler_id", "day"], name="labelerday_own")]


class ReasonTally(models.Model):
    """How often something was skipped or reported for a reason: "skip:unclear", "flag:broken", "open:broken"."""

    pk = models.CompositePrimaryKey("campaign_id", "reason")
    campaign_id = models.BigIntegerField()
    reason = models.CharField(max_length=40)
    n = models.BigIntegerField(default=0, db_default=0)
