"""Counts for pages: tables, and triggers that leave a change in the transaction of each write; what is there is counted once."""

from django.db import migrations, models

WORK = ("counted", "late", "revised", "skipped", "flagged", "timed", "active_ms", "idle_ms")
STOCK = ("items", "complete", "begun", "withdrawn", "wanted", "open_flags")


def sums(*names):
    return [(name, models.BigIntegerField(db_default=0, default=0)) for name in names]


# One statement of a trigger for each statement that writes, however many rows: an import is one change for each batch.
SUBMISSIONS = """
  INSERT INTO annotation_tallychange (campaign_id, labeler_id, at, counted, late, revised, timed, active_ms, idle_ms)
  SELECT campaign_id, labeler_id, submitted_at, sign * (revision = 0 AND status = 'counted')::int,
         sign * (revision = 0 AND status = 'late')::int, sign * (revision > 0)::int,
         sign * (revision = 0 AND active_ms IS NOT NULL)::int,
         CASE WHEN revision = 0 THEN sign * coalesce(active_ms, 0) ELSE 0 END,
         CASE WHEN revision = 0 AND active_ms IS NOT NULL
              THEN sign * greatest(coalesce(total_ms, active_ms) - active_ms, 0) ELSE 0 END
  FROM ({rows}) s
"""
SKIPS = """
  INSERT INTO annotation_tallychange (campaign_id, labeler_id, at, reason, skipped)
  SELECT a.campaign_id, a.labeler_id, s.created_at, 'skip:' || s.reason, sign
  FROM ({rows}) s JOIN annotation_assignment a ON a.id = s.assignment_id
"""
FLAGS = """
  INSERT INTO annotation_tallychange (campaign_id, labeler_id, at, reason, flagged)
  SELECT a.campaign_id, a.labeler_id, f.created_at, 'flag:' || f.reason, sum(sign)
  FROM ({rows}) f JOIN annotation_assignment a ON a.id = f.assignment_id
  GROUP BY a.campaign_id, a.labeler_id, f.created_at, f.reason HAVING sum(sign) <> 0;
  INSERT INTO annotation_tallychange (campaign_id, reason, open_flags)
  SELECT a.campaign_id, 'open:' || f.reason, sum(sign)
  FROM ({rows}) f JOIN annotation_assignment a ON a.id = f.assignment_id
  WHERE f.resolved_at IS NULL GROUP BY a.campaign_id, f.reason HAVING sum(sign) <> 0
"""
ITEMS = """
  INSERT INTO annotation_tallychange (campaign_id, items, complete, begun, withdrawn, wanted)
  SELECT * FROM (
    SELECT campaign_id, sum(sign) AS items, sum(sign * (withdrawn_at IS NULL AND counted >= overlap)::int) AS complete,
           sum(sign * (withdrawn_at IS NULL AND counted > 0 AND counted < overlap)::int) AS begun,
           sum(sign * (withdrawn_at IS NOT NULL)::int) AS withdrawn,
           sum(CASE WHEN withdrawn_at IS NULL THEN sign * overlap ELSE 0 END) AS wanted
    FROM ({rows}) i GROUP BY campaign_id) c
  WHERE (items, complete, begun, withdrawn, wanted) <> (0, 0, 0, 0, 0)
"""
BODIES = {
    "annotation_submission": SUBMISSIONS,
    "annotation_skip": SKIPS,
    "annotation_flag": FLAGS,
    "annotation_item": ITEMS,
}
EVENTS = {
    "INSERT": ("NEW TABLE AS came", "SELECT 1 AS sign, * FROM came"),
    "DELETE": ("OLD TABLE AS went", "SELECT -1 AS sign, * FROM went"),
    "UPDATE": (
        "OLD TABLE AS went NEW TABLE AS came",
        "SELECT 1 AS sign, * FROM came UNION ALL SELECT -1, * FROM went",
    ),
}


def triggers(table, body):
    for event, (tables, rows) in EVENTS.items():
        name = f"whetstone_tally_{table.removeprefix('annotation_')}_{event.lower()}"
        yield migrations.RunSQL(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body.format(rows=rows)};"
            f" RETURN NULL; END $$; CREATE TRIGGER tally_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
            f"DROP TRIGGER tally_{event.lower()} ON {table}; DROP FUNCTION {name}()",
        )


def begin(table, body):
    """What is there already; the trigger that was just made holds writers back until all of this is committed."""
    return migrations.RunSQL(body.format(rows=f"SELECT 1 AS sign, * FROM {table}"), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0009_person_erasure")]

    operations = [
        migrations.CreateModel(
            name="TallyChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                *sums(*WORK, *STOCK),
                ("campaign_id", models.BigIntegerField()),
                ("labeler_id", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=40)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="CampaignTally",
            fields=[
                *sums(*WORK, *STOCK),
                ("campaign_id", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="CampaignHour",
            fields=[
                *sums(*WORK),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id", "hour", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("campaign_id", models.BigIntegerField()),
                ("hour", models.DateTimeField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="LabelerTally",
            fields=[
                *sums(*WORK),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id", "labeler_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("campaign_id", models.BigIntegerField()),
                ("labeler_id", models.BigIntegerField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="LabelerDay",
            fields=[
                *sums(*WORK),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id", "labeler_id", "day", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("campaign_id", models.BigIntegerField()),
                ("labeler_id", models.BigIntegerField()),
                ("day", models.DateField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="ReasonTally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id", "reason", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("campaign_id", models.BigIntegerField()),
                ("reason", models.CharField(max_length=40)),
                *sums("n"),
            ],
        ),
        # Every lease comes and goes; the counts of a campaign are one row that is written again and again.
        migrations.RunSQL(
            "ALTER TABLE annotation_tallychange SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);"
            "ALTER TABLE annotation_campaigntally SET (fillfactor = 50)",
            migrations.RunSQL.noop,
        ),
        *[operation for table, body in BODIES.items() for operation in triggers(table, body)],
        *[begin(table, body) for table, body in BODIES.items()],
        # How many leases a campaign has out, without a look at all that it ever had.
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(condition=models.Q(("state", 1)), fields=["campaign", "labeler"], name="assignment_out"),
        ),
        # Code of the release before still reads these two columns; they go with the next one.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("queuestate", "progress"),
                migrations.RemoveField("queuestate", "progress_at"),
            ]
        ),
    ]
