from django.db import migrations, models

# What there is already, as `gold/tallies.py` and `adjudication/tallies.py` count it.
GOLD = """
INSERT INTO annotation_goldtally (campaign_id, labeler_id, answers, mean, latest_answers, latest_mean)
SELECT a.campaign_id, a.labeler_id, count(*), avg(a.score), count(*) FILTER (WHERE a.place <= c.gold_window),
       avg(a.score) FILTER (WHERE a.place <= c.gold_window)
FROM (
  SELECT g.campaign_id, g.labeler_id, avg(g.score) AS score,
         row_number() OVER (PARTITION BY g.campaign_id, g.labeler_id ORDER BY max(g.id) DESC) AS place
  FROM annotation_goldscore g
  WHERE NOT EXISTS (SELECT 1 FROM annotation_submission n WHERE n.supersedes_id = g.submission_id)
  GROUP BY g.campaign_id, g.labeler_id, g.submission_id
) a JOIN annotation_campaign c ON c.id = a.campaign_id
GROUP BY a.campaign_id, a.labeler_id
"""
ERRORS = """
INSERT INTO annotation_errortally (campaign_id, labeler_id, category, n)
SELECT e.campaign_id, e.labeler_id, c.category, count(*)
FROM annotation_answererror e CROSS JOIN LATERAL unnest(ARRAY[e.category, '']) AS c (category)
WHERE NOT EXISTS (SELECT 1 FROM annotation_adjudication n WHERE n.supersedes_id = e.adjudication_id)
GROUP BY 1, 2, 3
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0025_invitation_notes'),
    ]

    operations = [
        migrations.CreateModel(
            name='ErrorTally',
            fields=[
                ('pk', models.CompositePrimaryKey('campaign_id', 'labeler_id', 'category', blank=True, editable=False, primary_key=True, serialize=False)),
                ('campaign_id', models.BigIntegerField()),
                ('labeler_id', models.BigIntegerField()),
                ('category', models.CharField(blank=True, max_length=60)),
                ('n', models.IntegerField()),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('category', ''), ('n__gt', 0)), fields=['campaign_id', '-n', 'labeler_id'], name='error_tally_most')],
            },
        ),
        migrations.CreateModel(
            name='GoldTally',
            fields=[
                ('pk', models.CompositePrimaryKey('campaign_id', 'labeler_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('campaign_id', models.BigIntegerField()),
                ('labeler_id', models.BigIntegerField()),
                ('answers', models.IntegerField()),
                ('mean', models.FloatField()),
                ('latest_answers', models.IntegerField()),
                ('latest_mean', models.FloatField()),
            ],
            options={
                'indexes': [models.Index(fields=['campaign_id', 'latest_mean', 'labeler_id'], name='gold_tally_lowest')],
            },
        ),
        migrations.RunSQL(GOLD, migrations.RunSQL.noop),
        migrations.RunSQL(ERRORS, migrations.RunSQL.noop),
    ]
