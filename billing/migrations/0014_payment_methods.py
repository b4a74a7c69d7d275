"""How payers are charged; attempts say by what."""

import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

METHODS = """
CREATE FUNCTION method_is_removed_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.removed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a payment method that is removed stays so'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'method_is_removed_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER method_is_removed_once BEFORE UPDATE ON billing_paymentmethod
    FOR EACH ROW EXECUTE FUNCTION method_is_removed_once();

CREATE FUNCTION attempt_is_by_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_paymentmethod AS method
        JOIN billing_document AS invoice ON invoice.payer_id = method.payer_id
        WHERE method.id = NEW.method_id AND method.processor_id = NEW.processor_id
          AND invoice.id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'an attempt is by a method of the payer, at its processor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_is_by_its_payer';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_is_by_its_payer AFTER INSERT ON billing_paymentattempt
    FOR EACH ROW WHEN (NEW.method_id IS NOT NULL)
    EXECUTE FUNCTION attempt_is_by_its_payer();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_post_older_documents"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentprocessor",
            name="kind",
            field=models.CharField(
                choices=[("webhook", "signed webhook"), ("stripe", "Stripe")],
                default="webhook",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="paymentprocessor",
            name="sealed_receiving",
            field=models.TextField(
                help_text="Encrypted: signs the events that it sends."
            ),
        ),
        migrations.AlterField(
            model_name="paymentprocessor",
            name="sealed_sending",
            field=models.TextField(
                help_text="Encrypted: signs our requests, or is our key of its API."
            ),
        ),
        migrations.CreateModel(
            name="PaymentMethod",
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
                        unique=True,
                    ),
                ),
                (
                    "customer",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the payer.",
                        max_length=200,
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the method.",
                        max_length=200,
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        blank=True,
                        help_text="Name shown to people, such as visa 4242, 12/2030.",
                        max_length=100,
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("saved_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "payer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_methods",
                        to="seats.agency",
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
        migrations.AddField(
            model_name="paymentattempt",
            name="method",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempts",
                to="billing.paymentmethod",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at", None)),
                fields=("payer",),
                name="one_method_per_payer",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("removed_at", None), models.Q(("reference", ""), _negated=True)
                ),
                fields=("processor", "reference"),
                name="a_method_has_one_payer",
            ),
        ),
        migrations.RunSQL(METHODS, migrations.RunSQL.noop),
        restrict({"billing_paymentmethod": "SELECT, INSERT, UPDATE (removed_at)"}),
    ]
