"""Processors, attempts to charge invoices, and what processors tell of them."""

import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

ATTEMPTS = """
CREATE FUNCTION attempt_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'created'
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (
           SELECT FROM billing_document
           WHERE id = NEW.invoice_id AND kind = 'invoice' AND currency = NEW.currency
             AND status IN ('open', 'uncollectible') AND NEW.amount <= total) THEN
        RAISE EXCEPTION 'an attempt begins with what is owed on an open invoice'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_begins';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_begins AFTER INSERT ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_begins();

-- The one table of transitions. What is closed stays as it is; a send is counted up.
CREATE FUNCTION attempt_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sends < OLD.sends OR NEW.lookups < OLD.lookups
       OR (OLD.first_sent_at IS NOT NULL
           AND NEW.first_sent_at IS DISTINCT FROM OLD.first_sent_at)
       OR (OLD.reference <> '' AND NEW.reference <> OLD.reference)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('created', 'sent'), ('created', 'failed'),
            ('sent', 'pending'), ('sent', 'succeeded'), ('sent', 'declined_hard'),
            ('sent', 'declined_soft'), ('sent', 'failed'), ('sent', 'unknown'),
            ('pending', 'succeeded'), ('pending', 'declined_hard'),
            ('pending', 'declined_soft'), ('pending', 'failed'),
            ('unknown', 'pending'), ('unknown', 'succeeded'),
            ('unknown', 'declined_hard'), ('unknown', 'declined_soft'),
            ('unknown', 'failed'))) THEN
        RAISE EXCEPTION 'an attempt does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_moves BEFORE UPDATE ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_moves();

-- As the owner: the application may read the history, and not write it.
CREATE FUNCTION attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.error <> OLD.error THEN
        INSERT INTO billing_attemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_is_remembered AFTER INSERT OR UPDATE ON billing_paymentattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_is_remembered();
CREATE TRIGGER attempt_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_attemptchange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION no_void_while_charging() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_paymentattempt WHERE invoice_id = NEW.id
               AND state IN ('created', 'sent', 'pending', 'unknown')) THEN
        RAISE EXCEPTION 'a charge of the document is under way'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'no_void_while_charging';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER no_void_while_charging AFTER UPDATE ON billing_document
    FOR EACH ROW WHEN (NEW.status = 'void' AND OLD.status <> 'void')
    EXECUTE FUNCTION no_void_while_charging();
"""
MOVING = "state, changed_at, error, reference, sends, lookups, first_sent_at, due_at"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_mail_and_budgets"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentProcessor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("code", models.SlugField(max_length=32, unique=True)),
                ("url", models.CharField(max_length=500)),
                (
                    "sealed_sending",
                    models.TextField(help_text="Signs what we tell it."),
                ),
                (
                    "sealed_receiving",
                    models.TextField(help_text="Signs what it answers."),
                ),
                ("added_by", models.CharField(max_length=200)),
                ("added_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["code"],
            },
        ),
        migrations.CreateModel(
            name="PaymentAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        db_default=core.postgres.columns.UUID7(),
                        editable=False,
                        help_text="Idempotency key of the attempt at the processor.",
                        unique=True,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                ("actor", models.CharField(max_length=200)),
                ("requested_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "Created"),
                            ("sent", "Sent"),
                            ("pending", "pending: in progress at the processor"),
                            ("unknown", "unknown: may have been charged"),
                            ("succeeded", "Succeeded"),
                            ("declined_hard", "declined for good"),
                            ("declined_soft", "declined for now"),
                            ("failed", "failed: not charged"),
                        ],
                        default="created",
                        max_length=16,
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(help_text="When the state was last set."),
                ),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the payment.",
                        max_length=200,
                    ),
                ),
                (
                    "sends",
                    models.IntegerField(
                        default=0, help_text="Calls begun that may charge."
                    ),
                ),
                (
                    "lookups",
                    models.IntegerField(
                        default=0,
                        help_text="Number of times the outcome was looked up.",
                    ),
                ),
                ("first_sent_at", models.DateTimeField(null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="When it is next sent or looked up; during a call, when the lease ends."
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="billing.document",
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.paymentprocessor",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="AttemptChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("state", models.CharField(max_length=16)),
                ("error", models.CharField(blank=True, max_length=200)),
                ("recorded_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="billing.paymentattempt",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ProcessorEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("event_id", models.CharField(max_length=200)),
                ("body", models.BinaryField()),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("done", "Done"),
                            ("quarantined", "Quarantined"),
                        ],
                        default="received",
                        max_length=16,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Reason of the state.", max_length=200
                    ),
                ),
                (
                    "tries",
                    models.IntegerField(
                        default=0,
                        help_text="Number of times that processing was started.",
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="When it is next processed; during processing, when the lease ends."
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="told",
                        to="billing.paymentattempt",
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.paymentprocessor",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(fields=["invoice"], name="attempts_of_invoice"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ["created", "sent", "pending", "unknown"])
                ),
                fields=["due_at"],
                name="attempt_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["created", "sent", "pending", "unknown"])
                ),
                fields=("invoice",),
                name="one_open_attempt_per_invoice",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="an_attempt_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("first_sent_at", None), ("sends", 0), ("state", "created")
                    ),
                    ("state", "failed"),
                    models.Q(("first_sent_at__isnull", False), ("sends__gt", 0)),
                    _connector="OR",
                ),
                name="an_attempt_is_counted_before_it_is_sent",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "succeeded"), _negated=True),
                    models.Q(("reference", ""), _negated=True),
                    _connector="OR",
                ),
                name="a_success_has_its_reference",
            ),
        ),
        migrations.AddIndex(
            model_name="processorevent",
            index=models.Index(
                condition=models.Q(("state", "received")),
                fields=["due_at"],
                name="processor_event_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="processorevent",
            constraint=models.UniqueConstraint(
                fields=("processor", "event_id"), name="a_processor_event_counts_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reference", ""), _negated=True),
                fields=("processor", "reference"),
                name="a_reference_pays_for_one_attempt",
            ),
        ),
        migrations.RunSQL(ATTEMPTS, migrations.RunSQL.noop),
        restrict(
            {
                "billing_paymentprocessor": "SELECT, INSERT",
                "billing_paymentattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_attemptchange": "SELECT",
                "billing_processorevent": (
                    "SELECT, INSERT, UPDATE (state, reason, attempt_id, tries, due_at)"
                ),
            }
        ),
    ]
