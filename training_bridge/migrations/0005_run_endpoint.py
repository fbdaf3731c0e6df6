import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0023_qualification"), ("training_bridge", "0004_superseded")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="endpoint",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="annotation.endpoint",
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="endpoint_model",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(endpoint=None, endpoint_model="")
                | (models.Q(endpoint__isnull=False, parent=None) & ~models.Q(endpoint_model="")),
                name="run_endpoint_instead_of_parent",
            ),
        ),
    ]
