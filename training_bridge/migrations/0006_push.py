import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training_bridge", "0005_run_endpoint"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Push",
            fields=[
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("max_attempts", models.PositiveSmallIntegerField(default=3)),
                ("fencing_token", models.UUIDField(null=True)),
                ("worker", models.CharField(blank=True, max_length=200)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("progress", models.JSONField(null=True)),
                ("error", models.TextField(blank=True)),
                ("advice", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("repository", models.CharField(max_length=200)),
                ("hub", models.CharField(max_length=300)),
                ("private", models.BooleanField()),
                ("sealed_token", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("url", models.CharField(blank=True, max_length=500)),
                ("commit", models.CharField(blank=True, max_length=64)),
                ("files", models.PositiveIntegerField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pushes",
                        to="training_bridge.snapshot",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["status", "heartbeat_at"], name="push_by_status")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ("queued", "running")), ("sealed_token", ""), _connector="OR"
                        ),
                        name="push_over_without_token",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ("queued", "running"))),
                        fields=("snapshot", "repository"),
                        name="push_once_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempt__lte", models.F("max_attempts"))),
                        name="push_attempts_within_limit",
                    ),
                ],
            },
        ),
    ]
