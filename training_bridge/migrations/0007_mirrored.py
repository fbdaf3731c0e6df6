from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training_bridge", "0006_push")]

    operations = [
        *(
            migrations.AddField(model, name, field)
            for model in ("checkpoint", "snapshot")
            for name, field in (
                ("mirrored_at", models.DateTimeField(null=True)),
                ("mirror_tried_at", models.DateTimeField(null=True)),
                ("mirror_error", models.TextField(blank=True, db_default="", default="")),
            )
        ),
        migrations.AddField("snapshot", "unmirrored_at", models.DateTimeField(null=True)),
    ]
