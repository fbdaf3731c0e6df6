"""Stated rewards answer as labelers of a kind of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0002_append_only_and_queue"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="kind",
            field=models.CharField(
                choices=[
                    ("human", "person"),
                    ("simulated", "simulated labeler"),
                    ("ai", "AI judge"),
                    ("proxy", "stated reward"),
                ],
                default="human",
                max_length=10,
            ),
        ),
    ]
