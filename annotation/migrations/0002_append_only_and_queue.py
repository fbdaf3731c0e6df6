"""Append-only tables refuse UPDATE and DELETE; the queue gets its sequence and storage settings."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION whetstone_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Erasure of a person is the one exception; it says so in its own transaction.
    IF current_setting('whetstone.erasure', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% rows are never changed or deleted; a correction is a new row', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""
TABLES = ("annotation_submission", "annotation_feedback", "annotation_auditevent")

QUEUE = """
CREATE SEQUENCE annotation_slot_pos_seq;
ALTER TABLE annotation_slot SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
ALTER TABLE annotation_labelercursor SET (fillfactor = 50);
ALTER TABLE annotation_item SET (fillfactor = 80);
"""


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, "DROP FUNCTION whetstone_refuse_change()"),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION whetstone_refuse_change()",
                f"DROP TRIGGER refuse_change ON {table}",
            )
            for table in TABLES
        ],
        migrations.RunSQL(QUEUE, "DROP SEQUENCE annotation_slot_pos_seq"),
    ]
