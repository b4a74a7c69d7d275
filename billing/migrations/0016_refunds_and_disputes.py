"""Refunds that processors are asked for, disputes, and processors that change."""

import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

# As the owner where a row is locked that never changes: a lock needs the right to.
RETURNS = """
CREATE OR REPLACE FUNCTION payment_is_spent_once() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    captured numeric;
    digits int;
    used numeric;
    back numeric;
    lost numeric;
    withheld numeric;
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
    SELECT coalesce(sum(amount) FILTER (WHERE state = 'lost'), 0),
           coalesce(sum(amount) FILTER (WHERE state = 'open'), 0)
        INTO lost, withheld
        FROM billing_dispute WHERE payment_id = NEW.payment_id;
    IF used < 0 OR used + back + lost > captured
       OR back + lost + withheld > captured
       OR scale(trim_scale(NEW.amount)) > digits THEN
        RAISE EXCEPTION 'a payment of % cannot cover % and give back %',
            captured, used, back + lost + withheld
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_spent_once';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refund_attempt_begins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payment billing_payment;
    taken numeric;
BEGIN
    SELECT * INTO payment FROM billing_payment
        WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce((SELECT sum(amount) FROM billing_refund
                     WHERE payment_id = payment.id), 0)
         + coalesce((SELECT sum(amount) FROM billing_refundattempt
                     WHERE payment_id = payment.id
                       AND state IN ('created', 'sent', 'pending', 'unknown')), 0)
         + coalesce((SELECT sum(amount) FROM billing_dispute
                     WHERE payment_id = payment.id
                       AND state IN ('open', 'lost')), 0)
        INTO taken;
    IF NEW.state <> 'created' OR taken > payment.amount
       OR NEW.currency <> payment.currency
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (SELECT FROM billing_paymentprocessor
                      WHERE id = NEW.processor_id AND code = payment.processor) THEN
        RAISE EXCEPTION 'a refund begins with what is left of a payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_attempt_begins';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_attempt_begins AFTER INSERT ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION refund_attempt_begins();
CREATE TRIGGER refund_attempt_moves BEFORE UPDATE ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION attempt_moves();

CREATE FUNCTION refund_attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.error <> OLD.error THEN
        INSERT INTO billing_refundattemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_attempt_is_remembered
    AFTER INSERT OR UPDATE ON billing_refundattempt
    FOR EACH ROW EXECUTE FUNCTION refund_attempt_is_remembered();
CREATE TRIGGER refund_attempt_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_refundattemptchange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION dispute_is_of_its_payment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_payment AS payment
        JOIN billing_paymentprocessor AS processor ON processor.code = payment.processor
        WHERE payment.id = NEW.payment_id AND processor.id = NEW.processor_id
          AND payment.currency = NEW.currency) THEN
        RAISE EXCEPTION 'a dispute is at the processor of its payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_is_of_its_payment';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER dispute_is_of_its_payment AFTER INSERT ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_is_of_its_payment();
CREATE TRIGGER payment_is_disputed_once AFTER INSERT OR UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();

-- That money was withheld may be told after it came back; dates are said once.
CREATE FUNCTION dispute_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.opened_at IS NOT NULL AND NEW.opened_at IS DISTINCT FROM OLD.opened_at)
       OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('inquiry', 'open'), ('inquiry', 'won'), ('inquiry', 'lost'),
            ('open', 'won'), ('open', 'lost'))) THEN
        RAISE EXCEPTION 'a dispute does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dispute_moves BEFORE UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_moves();

CREATE FUNCTION dispute_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO billing_disputechange (dispute_id, state, reason, recorded_at)
    VALUES (NEW.id, NEW.state, NEW.reason, NEW.told_at);
    RETURN NULL;
END $$;
CREATE TRIGGER dispute_is_remembered AFTER INSERT OR UPDATE ON billing_dispute
    FOR EACH ROW EXECUTE FUNCTION dispute_is_remembered();
CREATE TRIGGER dispute_change_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_disputechange
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
MOVING = "state, changed_at, error, reference, sends, lookups, first_sent_at, due_at"
CHANGING = (
    "url, sealed_sending, sealed_receiving, sealed_sending_before,"
    " sealed_receiving_before, rotated_at, caught_up_to"
)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_hosted_pages"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentprocessor",
            name="caught_up_to",
            field=models.DateTimeField(
                help_text="The list of events has been read up to this instant.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="paymentprocessor",
            name="rotated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="paymentprocessor",
            name="sealed_receiving_before",
            field=models.TextField(
                blank=True,
                help_text="Encrypted: the previous secret, which is also accepted for a day.",
            ),
        ),
        migrations.AddField(
            model_name="paymentprocessor",
            name="sealed_sending_before",
            field=models.TextField(
                blank=True,
                help_text="Encrypted: the previous secret, which also signs for a day after the change.",
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="account",
            field=models.CharField(
                choices=[
                    ("receivable", "accounts receivable"),
                    ("revenue_seats", "revenue, seats"),
                    ("revenue_usage", "revenue, usage"),
                    ("tax_payable", "Tax Payable"),
                    ("cash", "Cash"),
                    ("disputed", "withheld for disputes"),
                    ("customer_credit", "Customer Credit"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="ledgertransaction",
            name="fact_id",
            field=models.BigIntegerField(
                help_text="Id of the document, payment, allocation, refund or dispute."
            ),
        ),
        migrations.AlterField(
            model_name="ledgertransaction",
            name="kind",
            field=models.CharField(
                choices=[
                    ("issued", "Issued"),
                    ("voided", "Voided"),
                    ("payment", "Payment"),
                    ("allocation", "Allocation"),
                    ("refund", "Refund"),
                    ("dispute_opened", "Dispute Opened"),
                    ("dispute_won", "Dispute Won"),
                    ("dispute_lost", "Dispute Lost"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="paymentattempt",
            name="reference",
            field=models.CharField(
                blank=True,
                help_text="The processor's id of the charge or refund.",
                max_length=200,
            ),
        ),
        migrations.AlterField(
            model_name="paymentattempt",
            name="sends",
            field=models.IntegerField(
                default=0, help_text="Number of calls that may have moved money."
            ),
        ),
        migrations.CreateModel(
            name="Dispute",
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
                    "reference",
                    models.CharField(
                        help_text="The processor's id of the dispute.", max_length=200
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("inquiry", "Inquiry"),
                            ("open", "Open"),
                            ("won", "Won"),
                            ("lost", "Lost"),
                        ],
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=200)),
                (
                    "told_at",
                    models.DateTimeField(
                        help_text="When the processor reported the state."
                    ),
                ),
                ("opened_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="disputes",
                        to="billing.payment",
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
            name="DisputeChange",
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
                ("reason", models.CharField(blank=True, max_length=200)),
                ("recorded_at", models.DateTimeField()),
                (
                    "dispute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="billing.dispute",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="RefundAttempt",
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
                    "changed_at",
                    models.DateTimeField(help_text="When the state was last set."),
                ),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="The processor's id of the charge or refund.",
                        max_length=200,
                    ),
                ),
                (
                    "sends",
                    models.IntegerField(
                        default=0,
                        help_text="Number of calls that may have moved money.",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "Created"),
                            ("sent", "Sent"),
                            ("pending", "pending: in progress at the processor"),
                            ("unknown", "unknown: may have been refunded"),
                            ("succeeded", "Succeeded"),
                            ("failed", "failed: not refunded"),
                        ],
                        default="created",
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "asked_as",
                    models.CharField(
                        blank=True,
                        help_text="The reference in the request for the refund.",
                        max_length=200,
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refund_attempts",
                        to="billing.payment",
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
            name="RefundAttemptChange",
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
                        to="billing.refundattempt",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.UniqueConstraint(
                fields=("processor", "reference"), name="a_dispute_counts_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="a_dispute_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_at", None), ("opened_at", None), ("state", "inquiry")
                    ),
                    models.Q(
                        ("closed_at", None),
                        ("opened_at__isnull", False),
                        ("state", "open"),
                    ),
                    models.Q(("closed_at__isnull", False), ("state", "won")),
                    models.Q(
                        ("closed_at__isnull", False),
                        ("opened_at__isnull", False),
                        ("state", "lost"),
                    ),
                    _connector="OR",
                ),
                name="a_dispute_is_dated_as_its_state",
            ),
        ),
        migrations.AddIndex(
            model_name="refundattempt",
            index=models.Index(fields=["payment"], name="refund_attempts_of_payment"),
        ),
        migrations.AddIndex(
            model_name="refundattempt",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ["created", "sent", "pending", "unknown"])
                ),
                fields=["due_at"],
                name="refund_attempt_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="a_refund_attempt_is_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "created",
                            "sent",
                            "pending",
                            "unknown",
                            "succeeded",
                            "failed",
                        ],
                    )
                ),
                name="a_refund_attempt_has_a_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("first_sent_at", None), ("sends", 0), ("state", "created")
                    ),
                    ("state", "failed"),
                    models.Q(("first_sent_at__isnull", False), ("sends__gt", 0)),
                    _connector="OR",
                ),
                name="a_refund_attempt_is_counted_before_it_is_sent",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "succeeded"), _negated=True),
                    models.Q(("reference", ""), _negated=True),
                    _connector="OR",
                ),
                name="a_refund_that_succeeded_has_its_reference",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reference", ""), _negated=True),
                fields=("processor", "reference"),
                name="a_reference_is_of_one_refund_attempt",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("asked_as", ""), _negated=True),
                fields=("payment", "asked_as"),
                name="a_refund_is_asked_for_once",
            ),
        ),
        migrations.RunSQL(RETURNS, migrations.RunSQL.noop),
        restrict(
            {
                "billing_paymentprocessor": f"SELECT, INSERT, UPDATE ({CHANGING})",
                "billing_refundattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_refundattemptchange": "SELECT",
                "billing_dispute": (
                    "SELECT, INSERT,"
                    " UPDATE (state, reason, told_at, opened_at, closed_at)"
                ),
                "billing_disputechange": "SELECT",
            }
        ),
    ]
