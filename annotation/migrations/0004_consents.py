"""Recorded, versioned consents; and a narrow way in which observed answers may be erased or lose their detail.

The trigger of `annotation_feedback` lets a transaction that names one feedback type in `whetstone.observed_type` delete rows of
this type, or put another payload of the same answer in their place. Everything else stays as it was: no other type, no other
column, no other table.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


OBSERVED = """
CREATE FUNCTION whetstone_refuse_feedback_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('whetstone.erasure', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF current_setting('whetstone.observed_type', true) = OLD.type THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF (NEW.id, NEW.submission_id, NEW.question, NEW.type, NEW.target_id, NEW.choice_set)
           IS NOT DISTINCT FROM (OLD.id, OLD.submission_id, OLD.question, OLD.type, OLD.target_id, OLD.choice_set) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% rows are never changed or deleted; a correction is a new row', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER refuse_change ON annotation_feedback;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON annotation_feedback
    FOR EACH ROW EXECUTE FUNCTION whetstone_refuse_feedback_change();
"""
AS_BEFORE = """
DROP TRIGGER refuse_change ON annotation_feedback;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON annotation_feedback
    FOR EACH ROW EXECUTE FUNCTION whetstone_refuse_change();
DROP FUNCTION whetstone_refuse_feedback_change();
"""
APPEND_ONLY = ("annotation_consenttext", "annotation_consentact", "annotation_erasure")


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0003_stated_rewards'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConsentText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('consent', models.CharField(max_length=40)),
                ('version', models.PositiveSmallIntegerField()),
                ('language', models.CharField(max_length=10)),
                ('sha256', models.CharField(max_length=64)),
                ('text', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('consent', 'version', 'language', 'sha256'), name='consent_text_once')],
            },
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('consent', models.CharField(max_length=40)),
                ('answers', models.PositiveIntegerField()),
                ('drafts', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='erasures', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='ConsentAct',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('consent', models.CharField(max_length=40)),
                ('version', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('granted', 'given'), ('withdrawn', 'withdrawn')], max_length=9)),
                ('source', models.CharField(choices=[('page', 'on the privacy page'), ('published', 'by publishing the data that is answered again here')], default='page', max_length=9)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='consent_acts', to=settings.AUTH_USER_MODEL)),
                ('text', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acts', to='annotation.consenttext')),
            ],
            options={
                'indexes': [models.Index(fields=['user', 'consent', '-id'], name='consent_of_person')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ('granted', 'withdrawn'))), name='consent_act_known')],
            },
        ),
        migrations.RunSQL(OBSERVED, AS_BEFORE),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION whetstone_refuse_change()",
                f"DROP TRIGGER refuse_change ON {table}",
            )
            for table in APPEND_ONLY
        ],
    ]
