"""How far each processor's days are compared; the days compared so far are kept."""

from django.db import migrations, models

from core.postgres.privileges import restrict

CHANGING = (
    "url, sealed_sending, sealed_receiving, sealed_sending_before,"
    " sealed_receiving_before, rotated_at, caught_up_to, reconciled_through"
)
# Each comparison was published under reconciliation:<code>:<day>.
COMPARED = """
UPDATE billing_paymentprocessor AS processor SET reconciled_through = (
    SELECT max(split_part(event.subject, ':', 3)::date)
    FROM billing_outboxevent AS event
    JOIN billing_outboxstream AS stream ON stream.id = event.stream_id
    WHERE stream.agency_id IS NULL
      AND event.type IN ('payments.reconciled', 'payments.differ')
      AND event.subject LIKE 'reconciliation:%'
      AND split_part(event.subject, ':', 2) = processor.code
);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0026_admin_permissions"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentprocessor",
            name="reconciled_through",
            field=models.DateField(
                help_text="The last UTC day that was reconciled.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="hostedpage",
            name="closed_at",
            field=models.DateTimeField(
                help_text="When the processor was asked to close it, or, if its URL"
                " never came, when it was given up.",
                null=True,
            ),
        ),
        restrict(
            {
                "billing_paymentprocessor": f"SELECT, INSERT, UPDATE ({CHANGING})",
            }
        ),
        migrations.RunSQL(COMPARED, migrations.RunSQL.noop),
    ]
