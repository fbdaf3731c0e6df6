from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0026_quality_tallies'),
    ]

    operations = [
        migrations.AddField(
            model_name='stagedrow',
            name='gold',
            field=models.JSONField(null=True),
        ),
    ]
