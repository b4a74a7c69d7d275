"""Fewer indexes on usage days, ids by the block, and a quarantine for events."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from core.postgres.privileges import restrict

KEEP_CONFLICTS = """
INSERT INTO billing_quarantinedevent (
    key, content, owner, agency_id, code, message, event, received_at, state,
    settled_by)
SELECT key, content, agency_id, agency_id, 'conflict',
       'This id was counted with another content.',
       event || '{"supersedes": null}', received_at, 'held', ''
FROM billing_usageconflict
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_corrections"), ("seats", "0004_more_scopes")]

    operations = [
        migrations.RunSQL(
            "ALTER SEQUENCE billing_usageevent_id_seq INCREMENT BY 10000 CACHE 1",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveIndex("usageday", "usage_day_by_cutoff"),
        migrations.RemoveConstraint("usageday", "one_usage_day_per_key_and_cutoff"),
        migrations.AddConstraint(
            "usageday",
            models.UniqueConstraint(
                fields=["agency", "cutoff", "used_on", "meter", "agent", "breakdown"],
                name="one_usage_day_per_key_and_cutoff",
                nulls_distinct=False,
            ),
        ),
        migrations.CreateModel(
            "QuarantinedEvent",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("key", models.UUIDField()),
                ("content", models.UUIDField()),
                (
                    "owner",
                    models.BigIntegerField(
                        help_text="Agency of the key; 0: the platform."
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        help_text="If it is known.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                ("message", models.CharField(max_length=500)),
                ("event", models.JSONField(help_text="The event as it was sent.")),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("held", "Held"),
                            ("released", "counted after all"),
                            ("dropped", "Dropped"),
                        ],
                        default="held",
                        max_length=8,
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.CharField(blank=True, max_length=200)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.AddConstraint(
            "quarantinedevent",
            models.UniqueConstraint(
                fields=["key", "content"], name="one_quarantine_per_content"
            ),
        ),
        migrations.AddConstraint(
            "quarantinedevent",
            models.CheckConstraint(
                condition=Q(state="held", settled_at__isnull=True)
                | Q(state__in=["released", "dropped"], settled_at__isnull=False),
                name="what_left_the_quarantine_says_when",
            ),
        ),
        migrations.RunSQL(KEEP_CONFLICTS, migrations.RunSQL.noop),
        migrations.DeleteModel("UsageConflict"),
        restrict(
            {
                "billing_quarantinedevent": (
                    "SELECT, INSERT, UPDATE (code, message, state, settled_at,"
                    " settled_by)"
                )
            }
        ),
    ]
