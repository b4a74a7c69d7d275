"""A row of a file is accepted, duplicate, rejected or skipped, as results say it."""

from typing import Any

from django.db import migrations, models
from django.db.models import F, Q

COUNTS = {
    "rows": "Rows read so far.",
    "accepted": "Rows counted as usage.",
    "duplicate": "Rows whose event was counted before.",
    "rejected": "Rows that could not be counted, each with its reason.",
    "skipped": "Rows that are not usage, such as a call's other leg.",
}
COUNTED_ONCE = models.CheckConstraint(
    condition=Q(rows=F("accepted") + F("duplicate") + F("rejected") + F("skipped")),
    name="every_row_of_an_import_is_counted_once",
)


def rename(apps: Any, before: str, after: str) -> None:
    """Rename the recurring job and the permissions, which keep their due time and holders."""
    jobs = apps.get_model("billing", "RecurringJob").objects
    old, new = f"metering.{before}_rows", f"metering.{after}_rows"
    if jobs.filter(name=new).exists():
        jobs.filter(name=old).delete()
    jobs.filter(name=old).update(name=new)
    permissions = apps.get_model("auth", "Permission").objects
    for permission in permissions.filter(codename__endswith=f"_{before}row"):
        codename = permission.codename.replace(before, after)
        permissions.filter(
            content_type=permission.content_type, codename=codename
        ).delete()
        permission.codename = codename
        permission.name = permission.name.replace(before, after)
        permission.save()


def forwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, "refused", "rejected")


def backwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, "rejected", "refused")


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0034_state"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RenameModel("RefusedRow", "RejectedRow"),
        migrations.AlterField(
            "rejectedrow",
            "usage_import",
            models.ForeignKey(
                "billing.UsageImport", models.CASCADE, related_name="rejected_rows"
            ),
        ),
        migrations.RenameField("usageimport", "refused", "rejected"),
        migrations.RenameField("usageimport", "left_out", "skipped"),
        migrations.SeparateDatabaseAndState(  # texts only; the check follows its columns
            state_operations=[
                *(
                    migrations.AlterField(
                        "usageimport",
                        name,
                        models.BigIntegerField(default=0, help_text=help_text),
                    )
                    for name, help_text in COUNTS.items()
                ),
                migrations.RemoveConstraint("usageimport", COUNTED_ONCE.name),
                migrations.AddConstraint("usageimport", COUNTED_ONCE),
            ]
        ),
        migrations.RunPython(forwards, backwards),
    ]
