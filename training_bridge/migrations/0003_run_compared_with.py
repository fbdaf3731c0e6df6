import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training_bridge", "0002_run_priority_and_samples")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="compared_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="training_bridge.checkpoint",
            ),
        ),
    ]
