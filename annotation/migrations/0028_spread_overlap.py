from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0027_imported_gold")]

    operations = [
        migrations.AddField("queuestate", "overlap_to", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("queuestate", "overlap_after", models.BigIntegerField(null=True)),
    ]
