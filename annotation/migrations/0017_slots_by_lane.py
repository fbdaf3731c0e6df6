"""Slots by lane: what is there gets a lane for each language of its prompts, and the key begins with campaign and lane.

Each step commits by itself and none locks the queue for longer than a moment, so labelers work on meanwhile.
"""

from django.db import migrations, models

LANES = """
INSERT INTO annotation_lane (campaign_id, number, language, skills)
SELECT campaign_id, row_number() OVER (PARTITION BY campaign_id ORDER BY first_id), language, '{}' FROM (
  SELECT i.campaign_id, lower(p.language) AS language, min(i.id) AS first_id
  FROM annotation_item i JOIN annotation_prompt p ON p.id = i.prompt_id GROUP BY 1, 2) found
"""
EMPTY = """
INSERT INTO annotation_lane (campaign_id, number, language, skills)
SELECT c.id, 1, lower(c.language), '{}' FROM annotation_campaign c
WHERE NOT EXISTS (SELECT 1 FROM annotation_lane l WHERE l.campaign_id = c.id)
"""
ITEMS = """
UPDATE annotation_item i SET lane = l.number
FROM annotation_prompt p, annotation_lane l
WHERE p.id = i.prompt_id AND l.campaign_id = i.campaign_id AND l.language = lower(p.language) AND l.number > 1
"""
SLOTS = """
UPDATE annotation_slot s SET lane = i.lane FROM annotation_item i WHERE i.id = s.item_id AND i.lane > 1
"""
INDEX = "CREATE UNIQUE INDEX CONCURRENTLY slot_by_lane ON annotation_slot (campaign_id, lane, pos, replica)"
KEY = """
ALTER TABLE annotation_slot DROP CONSTRAINT annotation_slot_pkey,
    ADD CONSTRAINT annotation_slot_pkey PRIMARY KEY USING INDEX slot_by_lane
"""
OLD_KEY = """
ALTER TABLE annotation_slot DROP CONSTRAINT annotation_slot_pkey, ADD PRIMARY KEY (campaign_id, pos, replica)
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("annotation", "0016_strategies_and_lanes")]

    operations = [
        migrations.RunSQL(LANES, migrations.RunSQL.noop),
        migrations.RunSQL(EMPTY, migrations.RunSQL.noop),
        migrations.RunSQL(ITEMS, migrations.RunSQL.noop),
        migrations.RunSQL(SLOTS, migrations.RunSQL.noop),
        migrations.RunSQL(INDEX, migrations.RunSQL.noop),
        migrations.RunSQL(
            KEY,
            OLD_KEY,
            state_operations=[
                migrations.AlterField(
                    model_name="slot",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        "campaign_id",
                        "lane",
                        "pos",
                        "replica",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                )
            ],
        ),
    ]
