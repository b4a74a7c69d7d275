"""Pages of processors, and payers as processors know them."""

import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

PAGES = """
CREATE FUNCTION page_is_of_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_paymentattempt AS attempt
        JOIN billing_document AS invoice ON invoice.id = attempt.invoice_id
        WHERE attempt.id = NEW.attempt_id AND attempt.method_id IS NULL
          AND attempt.processor_id = NEW.processor_id
          AND invoice.payer_id = NEW.payer_id) THEN
        RAISE EXCEPTION 'a page is for an attempt of its payer, at its processor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'page_is_of_its_payer';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER page_is_of_its_payer AFTER INSERT ON billing_hostedpage
    FOR EACH ROW WHEN (NEW.attempt_id IS NOT NULL)
    EXECUTE FUNCTION page_is_of_its_payer();

CREATE FUNCTION reference_is_learned_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.reference <> '' AND NEW.reference <> OLD.reference THEN
        RAISE EXCEPTION 'what a processor calls it does not change'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'reference_is_learned_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reference_is_learned_once BEFORE UPDATE ON billing_hostedpage
    FOR EACH ROW EXECUTE FUNCTION reference_is_learned_once();
CREATE TRIGGER reference_is_learned_once BEFORE UPDATE ON billing_processorcustomer
    FOR EACH ROW EXECUTE FUNCTION reference_is_learned_once();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_payment_methods"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.CreateModel(
            name="HostedPage",
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
                        help_text="Idempotency key of the page, if it is not for an invoice.",
                        unique=True,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("setup", "saves a payment method"),
                            ("payment", "pays an invoice"),
                        ],
                        max_length=8,
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                (
                    "customer",
                    models.CharField(
                        help_text="The processor's id of the payer.", max_length=200
                    ),
                ),
                (
                    "return_url",
                    models.CharField(
                        help_text="Where the payer goes afterwards.", max_length=500
                    ),
                ),
                ("url", models.TextField(blank=True)),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the page.",
                        max_length=200,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "sent_until",
                    models.DateTimeField(
                        help_text="No call that may open it is started after this."
                    ),
                ),
                (
                    "attempt",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="page",
                        to="billing.paymentattempt",
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
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
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("attempt", None), ("kind", "setup")),
                            models.Q(("attempt__isnull", False), ("kind", "payment")),
                            _connector="OR",
                        ),
                        name="a_page_that_is_paid_on_is_an_attempt",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reference", ""), ("url", "")),
                            models.Q(
                                models.Q(("url", ""), _negated=True),
                                models.Q(("reference", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="a_page_that_is_known_has_url_and_reference",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("reference", ""), _negated=True),
                        fields=("processor", "reference"),
                        name="a_page_is_opened_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProcessorCustomer",
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
                    "key",
                    models.UUIDField(
                        db_default=core.postgres.columns.UUID7(),
                        editable=False,
                        unique=True,
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the payer.",
                        max_length=200,
                    ),
                ),
                (
                    "sent_at",
                    models.DateTimeField(
                        help_text="When the customer was first requested.", null=True
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
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
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("processor", "payer"), name="one_customer_per_payer"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("reference", ""), _negated=True),
                        fields=("processor", "reference"),
                        name="a_customer_is_one_payer",
                    ),
                ],
            },
        ),
        migrations.RunSQL(PAGES, migrations.RunSQL.noop),
        restrict(
            {
                "billing_hostedpage": (
                    "SELECT, INSERT, UPDATE (url, reference, sent_until)"
                ),
                "billing_processorcustomer": (
                    "SELECT, INSERT, UPDATE (reference, sent_at)"
                ),
                "billing_paymentmethod": "SELECT, INSERT, UPDATE (removed_at, label)",
            }
        ),
    ]
