
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


# Whoever is at work knows the version that their latest item came under.
TOLD = """
UPDATE annotation_labelercursor c SET told_id = (
  SELECT a.guidelines_id FROM annotation_assignment a
  WHERE a.campaign_id = c.campaign_id AND a.labeler_id = c.labeler_id ORDER BY a.id DESC LIMIT 1)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0019_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='labelercursor',
            name='told_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunSQL(TOLD, migrations.RunSQL.noop),
        migrations.CreateModel(
            name='GuidelinesAcknowledged',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('guidelines', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acknowledgements', to='annotation.guidelines')),
                ('labeler', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acknowledgements', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('labeler', 'guidelines'), name='guidelines_acknowledged_once')],
            },
        ),
    ]
