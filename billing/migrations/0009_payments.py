"""Payments, what they cover, refunds, and the ledger."""

import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

LEDGER = """
-- Each statement that adds entries is balanced in itself ...
CREATE FUNCTION ledger_entries_balance() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh GROUP BY transaction_id HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'the entries of a ledger transaction sum to zero'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balance';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_balance AFTER INSERT ON billing_ledgerentry
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_balance();

-- ... and at the end a transaction has entries, and they sum to zero.
CREATE FUNCTION ledger_transaction_balances() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_ledgerentry WHERE transaction_id = NEW.id
        HAVING count(*) > 0 AND sum(amount) = 0
    ) THEN
        RAISE EXCEPTION 'a ledger transaction has entries that sum to zero'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'ledger_transaction_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_transaction_balances
    AFTER INSERT ON billing_ledgertransaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_transaction_balances();
CREATE TRIGGER ledger_transaction_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgertransaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

PAYMENTS = """
CREATE FUNCTION payment_is_the_payers() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NEW.currency <> (SELECT currency FROM seats_agency WHERE id = NEW.payer_id)
    THEN
        RAISE EXCEPTION 'a payment is an amount in the currency of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_the_payers';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_is_the_payers AFTER INSERT ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION payment_is_the_payers();

-- As the owner, because the lock on a row that never changes needs a right to change it.
-- The lock makes a concurrent refund or allocation wait, and then be counted.
CREATE FUNCTION payment_is_spent_once() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    captured numeric;
    digits int;
    used numeric;
    back numeric;
BEGIN
    IF NEW.payment_id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT amount, currency_digits(currency) INTO captured, digits
        FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) INTO used
        FROM billing_allocation WHERE payment_id = NEW.payment_id;
    SELECT coalesce(sum(amount), 0) INTO back
        FROM billing_refund WHERE payment_id = NEW.payment_id;
    IF used < 0 OR used + back > captured
       OR scale(trim_scale(NEW.amount)) > digits THEN
        RAISE EXCEPTION 'a payment of % cannot cover % and give back %',
            captured, used, back
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_spent_once';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_is_allocated_once AFTER INSERT ON billing_allocation
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();
CREATE TRIGGER payment_is_refunded_once AFTER INSERT ON billing_refund
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();

CREATE FUNCTION allocation_fits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    invoice billing_document;
    note billing_document;
BEGIN
    SELECT * INTO invoice FROM billing_document
        WHERE id = NEW.document_id FOR NO KEY UPDATE;
    IF invoice.kind <> 'invoice' OR invoice.status IN ('draft', 'void')
       OR (SELECT sum(amount) FROM billing_allocation WHERE document_id = invoice.id)
          NOT BETWEEN 0 AND invoice.total
       OR EXISTS (SELECT FROM billing_allocation
                  WHERE document_id = invoice.id AND payment_id = NEW.payment_id
                  HAVING sum(amount) < 0)
       OR EXISTS (SELECT FROM billing_payment
                  WHERE id = NEW.payment_id AND payer_id <> invoice.payer_id) THEN
        RAISE EXCEPTION 'an allocation covers what is owed on an invoice of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    IF NEW.credit_note_id IS NOT NULL THEN
        SELECT * INTO note FROM billing_document
            WHERE id = NEW.credit_note_id FOR NO KEY UPDATE;
        IF note.kind <> 'correction' OR note.status IN ('draft', 'void')
           OR note.payer_id <> invoice.payer_id
           OR scale(trim_scale(NEW.amount)) > currency_digits(note.currency)
           OR (SELECT sum(amount) FROM billing_allocation
               WHERE credit_note_id = note.id) > -note.total THEN
            RAISE EXCEPTION 'a credit note gives what it has, to its payer'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_fits AFTER INSERT ON billing_allocation
    FOR EACH ROW EXECUTE FUNCTION allocation_fits();

CREATE FUNCTION status_says_what_is_covered() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    covered numeric;
BEGIN
    SELECT coalesce(sum(amount), 0) INTO covered FROM billing_allocation
        WHERE document_id = NEW.id OR credit_note_id = NEW.id;
    IF (CASE NEW.status
            WHEN 'paid' THEN covered <> abs(NEW.total)
            WHEN 'open' THEN covered = abs(NEW.total)
            WHEN 'void' THEN covered <> 0
            ELSE false END) THEN
        RAISE EXCEPTION '% of % are covered, so the document is not %',
            covered, NEW.total, NEW.status
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'status_says_what_is_covered';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER status_says_what_is_covered AFTER UPDATE ON billing_document
    FOR EACH ROW WHEN (OLD.status <> 'draft' AND OLD.status <> NEW.status)
    EXECUTE FUNCTION status_says_what_is_covered();

CREATE TRIGGER payment_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refund_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER allocation_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_allocation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_archived_months"),
        ("seats", "0006_payment_scopes"),
    ]

    operations = [
        migrations.CreateModel(
            name="LedgerTransaction",
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
                    "kind",
                    models.CharField(
                        choices=[
                            ("issued", "Issued"),
                            ("voided", "Voided"),
                            ("payment", "Payment"),
                            ("allocation", "Allocation"),
                            ("refund", "Refund"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "fact_id",
                    models.BigIntegerField(
                        help_text="Of the document, payment, allocation or refund."
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("recorded_at", models.DateTimeField()),
                (
                    "payer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
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
                    "account",
                    models.CharField(
                        choices=[
                            ("receivable", "accounts receivable"),
                            ("revenue_seats", "revenue, seats"),
                            ("revenue_usage", "revenue, usage"),
                            ("tax_payable", "Tax Payable"),
                            ("cash", "Cash"),
                            ("customer_credit", "Customer Credit"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "processor",
                    models.CharField(
                        blank=True,
                        help_text="Processor that holds the cash.",
                        max_length=32,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                (
                    "transaction",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="billing.ledgertransaction",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "ordering": ["transaction", "account"],
            },
        ),
        migrations.CreateModel(
            name="Payment",
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
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                ("processor", models.CharField(max_length=32)),
                (
                    "reference",
                    models.CharField(
                        help_text="The processor's id of the payment, or the bank's reference.",
                        max_length=200,
                    ),
                ),
                ("method", models.CharField(blank=True, max_length=64)),
                ("actor", models.CharField(blank=True, max_length=200)),
                ("received_at", models.DateTimeField()),
                (
                    "payer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Allocation",
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
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("recorded_at", models.DateTimeField()),
                (
                    "credit_note",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="given",
                        to="billing.document",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="covered_by",
                        to="billing.document",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allocations",
                        to="billing.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Refund",
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
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("reference", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("refunded_at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="billing.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.UniqueConstraint(
                fields=("kind", "fact_id"), name="a_fact_is_posted_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                fields=("transaction", "account"),
                name="one_entry_per_account_and_transaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount", 0), _negated=True),
                    ("amount__lt", 100000000000000),
                ),
                name="an_entry_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account", "cash"), models.Q(("processor", ""), _negated=True)
                    ),
                    models.Q(
                        models.Q(("account", "cash"), _negated=True), ("processor", "")
                    ),
                    _connector="OR",
                ),
                name="cash_lies_at_a_processor",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("processor", "reference"), name="a_payment_counts_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="a_payment_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("credit_note__isnull", True), ("payment__isnull", False)),
                    models.Q(
                        ("amount__gt", 0),
                        ("credit_note__isnull", False),
                        ("payment__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="an_allocation_has_one_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount", 0), _negated=True),
                    ("amount__lt", 100000000000000),
                ),
                name="an_allocation_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                fields=("payment", "reference"), name="a_refund_counts_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="a_refund_is_an_amount",
            ),
        ),
        migrations.RunSQL(LEDGER, migrations.RunSQL.noop),
        migrations.RunSQL(PAYMENTS, migrations.RunSQL.noop),
        restrict(
            {
                "billing_payment": "SELECT, INSERT",
                "billing_refund": "SELECT, INSERT",
                "billing_allocation": "SELECT, INSERT",
                "billing_ledgertransaction": "SELECT, INSERT",
                "billing_ledgerentry": "SELECT, INSERT",
            }
        ),
    ]
