"""Events that wait for their payment; outcomes that stay unknown are reported."""

from django.db import migrations, models

from core.postgres.privileges import restrict

# A success counts after a failure, and a harder decline after a softer one.
ATTEMPTS = """
CREATE OR REPLACE FUNCTION attempt_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sends < OLD.sends OR NEW.lookups < OLD.lookups
       OR (OLD.first_sent_at IS NOT NULL
           AND NEW.first_sent_at IS DISTINCT FROM OLD.first_sent_at)
       OR (OLD.reported_at IS NOT NULL
           AND NEW.reported_at IS DISTINCT FROM OLD.reported_at)
       OR (OLD.reference <> '' AND NEW.reference <> OLD.reference)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('created', 'sent'), ('created', 'failed'),
            ('sent', 'pending'), ('sent', 'succeeded'), ('sent', 'declined_hard'),
            ('sent', 'declined_soft'), ('sent', 'failed'), ('sent', 'unknown'),
            ('pending', 'succeeded'), ('pending', 'declined_hard'),
            ('pending', 'declined_soft'), ('pending', 'failed'),
            ('unknown', 'pending'), ('unknown', 'succeeded'),
            ('unknown', 'declined_hard'), ('unknown', 'declined_soft'),
            ('unknown', 'failed'),
            ('failed', 'declined_soft'), ('failed', 'declined_hard'),
            ('failed', 'succeeded'), ('declined_soft', 'declined_hard'),
            ('declined_soft', 'succeeded'), ('declined_hard', 'succeeded'))) THEN
        RAISE EXCEPTION 'an attempt does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_moves';
    END IF;
    RETURN NEW;
END $$;
"""
MOVING = (
    "state, changed_at, error, reference, sends, lookups, first_sent_at, due_at,"
    " reported_at"
)
WORKED_OFF = (
    "state, reason, attempt_id, tries, due_at, payment_reference, reported_at,"
    " conflicts, conflict_body"
)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_verification_runs"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="processorevent",
            name="processor_event_due",
        ),
        migrations.AddField(
            model_name="paymentattempt",
            name="reported_at",
            field=models.DateTimeField(
                help_text="When staff was notified that the outcome is unknown.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="processorevent",
            name="conflict_body",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="processorevent",
            name="conflicts",
            field=models.IntegerField(
                default=0,
                help_text="Number of refused deliveries under this id with different content.",
            ),
        ),
        migrations.AddField(
            model_name="processorevent",
            name="payment_reference",
            field=models.CharField(
                blank=True,
                help_text="The processor's id of the payment that it waits for.",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="processorevent",
            name="reported_at",
            field=models.DateTimeField(
                help_text="When staff was notified that it was not processed.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="refundattempt",
            name="reported_at",
            field=models.DateTimeField(
                help_text="When staff was notified that the outcome is unknown.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="processorevent",
            name="state",
            field=models.CharField(
                choices=[
                    ("received", "Received"),
                    ("waiting", "waiting for its payment"),
                    ("done", "Done"),
                    ("quarantined", "Quarantined"),
                    ("set_aside", "set aside: no action needed"),
                ],
                default="received",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="processorevent",
            index=models.Index(
                condition=models.Q(("state__in", ["received", "waiting"])),
                fields=["due_at"],
                name="processor_event_due",
            ),
        ),
        migrations.AddIndex(
            model_name="processorevent",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["processor", "payment_reference"],
                name="processor_event_waits_for",
            ),
        ),
        migrations.AddIndex(
            model_name="processorevent",
            index=models.Index(
                condition=models.Q(
                    ("reported_at", None),
                    ("state__in", ["received", "waiting", "quarantined"]),
                ),
                fields=["received_at"],
                name="processor_event_unreported",
            ),
        ),
        migrations.RunSQL(ATTEMPTS, migrations.RunSQL.noop),
        restrict(
            {
                "billing_paymentattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_refundattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_processorevent": f"SELECT, INSERT, UPDATE ({WORKED_OFF})",
            }
        ),
    ]
