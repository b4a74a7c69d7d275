"""Events that replace others: reversals are rows, keys may wait for no event."""

from django.db import migrations, models
from django.db.models import Q

from core.postgres.columns import BELOW

EVENTS = """
ALTER TABLE billing_usageevent
    ADD COLUMN supersedes varchar(200),
    ADD COLUMN reverses bigint,
    DROP CONSTRAINT usage_is_a_quantity,
    DROP CONSTRAINT billable_is_a_quantity,
    ADD CONSTRAINT usage_is_a_quantity CHECK (
        raw <> 'NaN' AND CASE WHEN reverses IS NULL THEN raw >= 0 ELSE raw <= 0 END),
    ADD CONSTRAINT billable_is_a_quantity CHECK (
        billable <> 'NaN'
        AND CASE WHEN reverses IS NULL THEN billable >= 0 ELSE billable <= 0 END);
CREATE UNIQUE INDEX an_event_is_reversed_once
    ON billing_usageevent (reverses, used_on) WHERE reverses IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_usage_imports")]

    operations = [
        migrations.RunSQL(EVENTS, migrations.RunSQL.noop),
        migrations.AlterField(
            "eventkey", "event_id", models.BigIntegerField(null=True)
        ),
        migrations.AlterField("eventkey", "used_on", models.DateField(null=True)),
        migrations.AddConstraint(
            "eventkey",
            models.CheckConstraint(
                condition=Q(event_id__isnull=True, used_on__isnull=True)
                | Q(event_id__isnull=False, used_on__isnull=False),
                name="an_event_key_has_an_event_or_waits_for_none",
            ),
        ),
        migrations.RemoveConstraint("usageday", "usage_day_is_a_number"),
        migrations.AddConstraint(
            "usageday",
            models.CheckConstraint(
                condition=Q(raw__lt=BELOW) & Q(billable__lt=BELOW),
                name="usage_day_is_a_number",
            ),
        ),
    ]
