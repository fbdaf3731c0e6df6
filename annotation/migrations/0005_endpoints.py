"""Policies that somebody else serves; removing one takes its key away and keeps the row for what came from it."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0004_consents'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('base_url', models.CharField(max_length=300)),
                ('model', models.CharField(max_length=200)),
                ('sealed_key', models.TextField(blank=True, default='')),
                ('continuation', models.CharField(choices=[('none', 'It cannot'), ('vllm', 'As vLLM: continue_final_message'), ('prefill', 'As llama.cpp: a last message of the assistant is continued')], default='none', max_length=8)),
                ('length_field', models.CharField(choices=[('max_tokens', 'max_tokens'), ('max_completion_tokens', 'max_completion_tokens')], default='max_tokens', max_length=24)),
                ('connect_s', models.PositiveSmallIntegerField(default=5)),
                ('first_token_s', models.PositiveSmallIntegerField(default=60)),
                ('between_tokens_s', models.PositiveSmallIntegerField(default=30)),
                ('total_s', models.PositiveSmallIntegerField(default=300)),
                ('is_shared', models.BooleanField(default=False)),
                ('is_active', models.BooleanField(default=True)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('removed_at', None)), fields=('created_by', 'name'), name='endpoint_name_once'), models.CheckConstraint(condition=models.Q(('continuation__in', ('none', 'vllm', 'prefill'))), name='endpoint_continuation_known'), models.CheckConstraint(condition=models.Q(('between_tokens_s__gte', 1), ('connect_s__gte', 1), ('first_token_s__gte', 1), ('total_s__gte', models.F('first_token_s')), ('total_s__lte', 3600)), name='endpoint_waits_for_a_bounded_time'), models.CheckConstraint(condition=models.Q(('removed_at', None), models.Q(('is_active', False), ('sealed_key', '')), _connector='OR'), name='endpoint_removed_without_key')],
            },
        ),
    ]
