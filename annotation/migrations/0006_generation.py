"""What live policies write: a row is written when a stream begins and once more when it ends, and refused every other change."""

import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0005_endpoints'),
    ]

    operations = [
        migrations.CreateModel(
            name='Generation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ('question', models.CharField(blank=True, max_length=60)),
                ('messages', models.JSONField()),
                ('prefix', models.TextField(blank=True)),
                ('text', models.TextField(blank=True)),
                ('spans', models.JSONField(default=list)),
                ('tokens', models.JSONField(default=list)),
                ('policy', models.JSONField(null=True)),
                ('sampling', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('running', 'running'), ('finished', 'finished'), ('stopped', 'stopped'), ('failed', 'failed')], default='running', max_length=8)),
                ('finish', models.CharField(blank=True, max_length=10)),
                ('error', models.JSONField(null=True)),
                ('served_chars', models.PositiveIntegerField(default=0)),
                ('served_tokens', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('first_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('stop_asked_at', models.DateTimeField(null=True)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('assignment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='generations', to='annotation.assignment')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='generations', to='annotation.campaign')),
                ('continues', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='continued_by', to='annotation.generation')),
                ('endpoint', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.endpoint')),
                ('prompt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='generations', to='annotation.prompt')),
                ('response', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.response')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'running')), fields=['created_at'], name='generation_running'), models.Index(fields=['assignment'], name='generation_by_assignment')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state', 'running'), ('ended_at__isnull', False), _connector='OR'), name='generation_ended_has_time')],
            },
        ),
        migrations.CreateModel(
            name='Live',
            fields=[
                ('campaign', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='live', serialize=False, to='annotation.campaign')),
                ('source', models.CharField(choices=[('off', 'None'), ('policy', "The campaign's own policy"), ('endpoint', 'An endpoint')], default='off', max_length=8)),
                ('sampling', models.JSONField(default=dict)),
                ('endpoint', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.endpoint')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('endpoint__isnull', False), ('source', 'endpoint')), models.Q(('endpoint', None), ('source__in', ('off', 'policy'))), _connector='OR'), name='live_endpoint_is_named')],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER refuse_change BEFORE UPDATE ON annotation_generation FOR EACH ROW "
            "WHEN (OLD.state <> 'running') EXECUTE FUNCTION whetstone_refuse_change(); "
            "CREATE TRIGGER refuse_delete BEFORE DELETE ON annotation_generation FOR EACH ROW "
            "EXECUTE FUNCTION whetstone_refuse_change()",
            "DROP TRIGGER refuse_change ON annotation_generation; DROP TRIGGER refuse_delete ON annotation_generation",
        ),
    ]
