from django.db import migrations, models
from django.db.models import F


def last_try_was_the_last_reading(apps, schema_editor):
    apps.get_model("annotation", "QualityReport").objects.update(tried_at=F("computed_at"))


class Migration(migrations.Migration):
    dependencies = [("annotation", "0023_qualification")]
    operations = [
        migrations.AddField("qualityreport", "tried_at", models.DateTimeField(null=True)),
        migrations.RunPython(last_try_was_the_last_reading, migrations.RunPython.noop),
    ]
