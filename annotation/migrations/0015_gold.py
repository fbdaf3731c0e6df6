# Gold items: what they are for, how labelers do on them, and what follows.

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


# As in migration 0010, for work alone, and with the answers that items count.
ITEMS = """
  INSERT INTO annotation_tallychange (campaign_id, items, complete, begun, withdrawn, wanted, answers)
  SELECT * FROM (
    SELECT campaign_id, sum(sign) AS items, sum(sign * (withdrawn_at IS NULL AND counted >= overlap)::int) AS complete,
           sum(sign * (withdrawn_at IS NULL AND counted > 0 AND counted < overlap)::int) AS begun,
           sum(sign * (withdrawn_at IS NOT NULL)::int) AS withdrawn,
           sum(CASE WHEN withdrawn_at IS NULL THEN sign * overlap ELSE 0 END) AS wanted,
           sum(sign * counted) AS answers
    FROM ({rows}) i WHERE purpose = 'work' GROUP BY campaign_id) c
  WHERE (items, complete, begun, withdrawn, wanted, answers) <> (0, 0, 0, 0, 0, 0)
"""
ROWS = {
    "insert": "SELECT 1 AS sign, * FROM came",
    "delete": "SELECT -1 AS sign, * FROM went",
    "update": "SELECT 1 AS sign, * FROM came UNION ALL SELECT -1, * FROM went",
}
COUNT = "".join(
    f"CREATE OR REPLACE FUNCTION whetstone_tally_item_{event}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" {ITEMS.format(rows=rows)}; RETURN NULL; END $$;"
    for event, rows in ROWS.items()
)
# The lock holds writers back until what is there has been counted and all of this is committed.
ANSWERS = """
LOCK TABLE annotation_item IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO annotation_tallychange (campaign_id, answers)
SELECT campaign_id, sum(counted) FROM annotation_item GROUP BY campaign_id HAVING sum(counted) <> 0;
"""
# What was marked by hand before: it stands aside from now on.
GOLD = """
DELETE FROM annotation_slot WHERE item_id IN (SELECT id FROM annotation_item WHERE is_gold);
UPDATE annotation_item SET purpose = 'gold', counted = 0, gold_answers = coalesce(gold_answers, '{}') WHERE is_gold;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0014_adjudication'),
    ]

    operations = [
        migrations.CreateModel(
            name='GoldScore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('question', models.CharField(max_length=32)),
                ('type', models.CharField(max_length=40)),
                ('score', models.FloatField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name='campaign',
            name='gold_pause',
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
        migrations.AddField(
            model_name='campaign',
            name='gold_share',
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
        migrations.AddField(
            model_name='campaign',
            name='gold_warn',
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
        migrations.AddField(
            model_name='campaign',
            name='gold_window',
            field=models.PositiveSmallIntegerField(db_default=20, default=20),
        ),
        migrations.AddField(
            model_name='item',
            name='purpose',
            field=models.CharField(choices=[('work', 'work'), ('gold', 'gold: the answer is known, labelers are not told'), ('practice', "practice: the answer is shown after the labeler's own")], db_default='work', default='work', max_length=8),
        ),
        *[
            migrations.AddField(model_name, 'answers', models.BigIntegerField(db_default=0, default=0))
            for model_name in ('campaigntally', 'tallychange')
        ],
        migrations.RunSQL(ANSWERS + COUNT, migrations.RunSQL.noop),
        migrations.RunSQL(GOLD, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name='item',
            name='is_gold',
        ),
        migrations.AddField(
            model_name='labelercursor',
            name='given',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='membership',
            name='gold_since',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='gold_warned_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='paused_by',
            field=models.CharField(blank=True, choices=[('gold', 'gold items')], db_default='', default='', max_length=8),
        ),
        migrations.AddIndex(
            model_name='item',
            index=models.Index(condition=models.Q(('purpose', 'work'), _negated=True), fields=['campaign', 'purpose', 'id'], name='item_aside'),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('gold_pause__gte', 0), ('gold_pause__lte', 1), ('gold_share__gte', 0), ('gold_share__lte', 0.5), ('gold_warn__gte', 0), ('gold_warn__lte', 1), ('gold_window__gte', 1), ('gold_window__lte', 200)), name='campaign_gold_within_limits'),
        ),
        migrations.AddConstraint(
            model_name='item',
            constraint=models.CheckConstraint(condition=models.Q(('purpose__in', ['work', 'gold', 'practice'])), name='item_purpose_known'),
        ),
        migrations.AddConstraint(
            model_name='item',
            constraint=models.CheckConstraint(condition=models.Q(('purpose', 'work'), models.Q(('counted', 0), ('gold_answers__isnull', False)), _connector='OR'), name='item_aside_is_known_and_never_counts'),
        ),
        migrations.AddField(
            model_name='goldscore',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.campaign'),
        ),
        migrations.AddField(
            model_name='goldscore',
            name='labeler',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='gold_scores', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='goldscore',
            name='submission',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='gold_scores', to='annotation.submission'),
        ),
        migrations.AddIndex(
            model_name='goldscore',
            index=models.Index(fields=['campaign', 'labeler', '-id'], name='gold_score_by_labeler'),
        ),
        migrations.AddConstraint(
            model_name='goldscore',
            constraint=models.UniqueConstraint(fields=('submission', 'question'), name='gold_score_once'),
        ),
        migrations.AddConstraint(
            model_name='goldscore',
            constraint=models.CheckConstraint(condition=models.Q(('score__gte', 0), ('score__lte', 1)), name='gold_score_between_0_and_1'),
        ),
    ]
