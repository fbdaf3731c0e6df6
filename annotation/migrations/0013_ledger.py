"""What labelers earn and are paid: terms of a campaign, the ledger, payouts; an answer says what it earns when it comes."""

from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


BEFORE = import_module("annotation.migrations.0010_rollups")
_NEW_TABLE, CAME = BEFORE.EVENTS["INSERT"]

# By the terms at the moment at which the answer is stored: people only, first answers only, and no more time than there was
# between the first look and the answer, by this clock.
EARNED = """
  INSERT INTO annotation_tallychange (campaign_id, labeler_id, at, counted, late, revised, timed, active_ms, idle_ms,
                                      earned_micros, submission_id, pay_per)
  SELECT campaign_id, labeler_id, submitted_at, (revision = 0 AND status = 'counted')::int,
         (revision = 0 AND status = 'late')::int, (revision > 0)::int,
         (revision = 0 AND active_ms IS NOT NULL)::int,
         CASE WHEN revision = 0 THEN coalesce(active_ms, 0) ELSE 0 END,
         CASE WHEN revision = 0 AND active_ms IS NOT NULL
              THEN greatest(coalesce(total_ms, active_ms) - active_ms, 0) ELSE 0 END,
         micros, CASE WHEN micros > 0 THEN id END, CASE WHEN micros > 0 THEN pay_per ELSE '' END
  FROM (
    SELECT s.*, c.pay_per, CASE
      WHEN s.revision > 0 OR s.labeler_kind <> 'human' OR (s.status = 'late' AND NOT c.pays_late) THEN 0
      WHEN c.pay_per = 'answer' THEN c.rate_micros
      WHEN c.pay_per = 'hour' AND s.active_ms IS NOT NULL
        THEN round(c.rate_micros::numeric * least(s.active_ms, s.total_ms) / 3600000)::bigint
      ELSE 0 END AS micros
    FROM ({rows}) s JOIN annotation_campaign c ON c.id = s.campaign_id) s
"""
GRANTED = """
  INSERT INTO annotation_tallychange (campaign_id, labeler_id, at, earned_micros)
  SELECT campaign_id, labeler_id, at, micros FROM came WHERE kind IN ('bonus', 'adjustment')
"""


def body(sql):
    return (
        "CREATE OR REPLACE FUNCTION whetstone_tally_submission_insert() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN {sql.format(rows=CAME)}; RETURN NULL; END $$"
    )


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0012_webhooks'),
    ]

    operations = [
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('submission_id', models.UUIDField(null=True)),
                ('kind', models.CharField(choices=[('answer', 'answer'), ('hour', 'time of an answer'), ('bonus', 'bonus'), ('adjustment', 'adjustment'), ('payout', 'payout'), ('undo', 'payout taken back')], max_length=10)),
                ('micros', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('answers', models.PositiveIntegerField(db_default=0, default=0)),
                ('active_ms', models.BigIntegerField(db_default=0, default=0)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('key', models.UUIDField(null=True)),
                ('note', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField()),
                ('since', models.DateField(null=True)),
                ('until', models.DateField()),
                ('currency', models.CharField(max_length=3)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name='campaign',
            name='budget_micros',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='campaign',
            name='currency',
            field=models.CharField(blank=True, db_default='', default='', max_length=3),
        ),
        migrations.AddField(
            model_name='campaign',
            name='paused_for',
            field=models.CharField(blank=True, db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='campaign',
            name='pay_per',
            field=models.CharField(blank=True, choices=[('answer', 'each answer'), ('hour', 'each active hour')], db_default='', default='', max_length=6),
        ),
        migrations.AddField(
            model_name='campaign',
            name='pays_late',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name='campaign',
            name='rate_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='campaignhour',
            name='earned_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='campaigntally',
            name='earned_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='labelerday',
            name='earned_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='labelertally',
            name='earned_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='tallychange',
            name='earned_micros',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='tallychange',
            name='pay_per',
            field=models.CharField(blank=True, db_default='', default='', max_length=6),
        ),
        migrations.AddField(
            model_name='tallychange',
            name='submission_id',
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('pay_per', ''), ('rate_micros', 0)), models.Q(('currency__regex', '^[A-Z]{3}$'), ('pay_per__in', ('answer', 'hour')), ('rate_micros__gt', 0)), _connector='OR'), name='campaign_pays_a_rate_in_a_currency'),
        ),
        migrations.AddField(
            model_name='ledgerentry',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='annotation.campaign'),
        ),
        migrations.AddField(
            model_name='ledgerentry',
            name='created_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ledgerentry',
            name='labeler',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='payout',
            name='campaign',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='annotation.campaign'),
        ),
        migrations.AddField(
            model_name='payout',
            name='created_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ledgerentry',
            name='payout',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='annotation.payout'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(fields=('campaign', 'key'), name='payout_once_per_key'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(fields=['campaign', '-id'], name='ledger_by_campaign'),
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('kind__in', ('payout', 'undo'))), fields=['campaign', 'labeler'], include=('micros',), name='ledger_paid'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(fields=('submission_id',), name='ledger_once_per_submission'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(condition=models.Q(('key__isnull', False)), fields=('campaign', 'key'), name='ledger_once_per_key'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(fields=('payout', 'labeler', 'kind'), name='ledger_once_per_payout'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ('answer', 'hour')), ('payout', None), ('submission_id__isnull', False)), models.Q(('kind__in', ('payout', 'undo')), ('payout__isnull', False), ('submission_id', None)), models.Q(('kind__in', ('bonus', 'adjustment')), ('payout', None), ('submission_id', None)), _connector='OR'), name='ledger_entry_says_what_for'),
        ),
        migrations.RunSQL(body(EARNED), body(BEFORE.SUBMISSIONS)),
        migrations.RunSQL(
            "CREATE FUNCTION whetstone_tally_ledger_insert() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN {GRANTED}; RETURN NULL; END $$; CREATE TRIGGER tally_insert AFTER INSERT ON annotation_ledgerentry"
            " REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION whetstone_tally_ledger_insert()",
            "DROP TRIGGER tally_insert ON annotation_ledgerentry; DROP FUNCTION whetstone_tally_ledger_insert()",
        ),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION whetstone_refuse_change()",
                f"DROP TRIGGER refuse_change ON {table}",
            )
            for table in ("annotation_ledgerentry", "annotation_payout")
        ],
    ]
