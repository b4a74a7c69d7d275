"""Who closed an attempt by hand, which only the beginning of its error said before."""

from django.db import migrations, models

from core.postgres.privileges import restrict

MOVING = (
    "state, changed_at, error, reference, sends, lookups, first_sent_at, due_at,"
    " reported_at, closed_by"
)
# An error was written as "by <actor>: <reason>".
FILL = """
UPDATE billing_paymentattempt SET closed_by = split_part(substr(error, 4), ': ', 1)
WHERE error LIKE 'by %' AND state IN ('succeeded', 'failed');
UPDATE billing_refundattempt SET closed_by = split_part(substr(error, 4), ': ', 1)
WHERE error LIKE 'by %' AND state IN ('succeeded', 'failed');
"""


def closed_by() -> "models.CharField[str, str]":
    return models.CharField(
        blank=True,
        help_text="Who closed it by hand. Empty if its outcome is the processor's.",
        max_length=200,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0027_reconciled_days"),
    ]

    operations = [
        migrations.AddField("paymentattempt", "closed_by", closed_by()),
        migrations.AddField("refundattempt", "closed_by", closed_by()),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        restrict(
            {
                "billing_paymentattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_refundattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
            }
        ),
    ]
