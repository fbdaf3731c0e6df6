"""Lists go on behind a row, each by an index: items in order, items taken back, open reports, a labeler's days."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0018_quality_reports'),
    ]

    operations = [
        migrations.AlterField(
            model_name='item',
            name='campaign',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='annotation.campaign'),
        ),
        migrations.AddIndex(
            model_name='flag',
            index=models.Index(condition=models.Q(('resolved_at__isnull', True)), fields=['assignment'], name='flag_open'),
        ),
        migrations.AddIndex(
            model_name='item',
            index=models.Index(fields=['campaign', '-id'], name='item_in_order'),
        ),
        migrations.AddIndex(
            model_name='item',
            index=models.Index(condition=models.Q(('withdrawn_at__isnull', False)), fields=['campaign', '-id'], name='item_withdrawn'),
        ),
        migrations.AddIndex(
            model_name='labelerday',
            index=models.Index(fields=['labeler_id', 'day'], name='labelerday_own'),
        ),
    ]
