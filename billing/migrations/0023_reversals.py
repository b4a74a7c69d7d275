"""Bank transfers and cheques that were recorded by mistake may be reversed."""

from django.db import migrations, models

from core.postgres.privileges import restrict

# As the owner where a row is locked: a lock needs the right to change the row.
REVERSALS = """
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
    SELECT CASE WHEN reversed_at IS NULL THEN amount ELSE 0 END,
           currency_digits(currency) INTO captured, digits
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

-- A payment changes by its reversal alone, once, while it covers nothing.
CREATE FUNCTION payment_is_reversed_once() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before billing_payment := OLD;
BEGIN
    before.reversed_at := NEW.reversed_at;
    before.reversed_by := NEW.reversed_by;
    before.reversal_reason := NEW.reversal_reason;
    IF OLD.reversed_at IS NOT NULL OR NEW.reversed_at IS NULL OR before IS DISTINCT FROM NEW
       OR (SELECT coalesce(sum(amount), 0) FROM billing_allocation
           WHERE payment_id = NEW.id) <> 0
       OR EXISTS (SELECT FROM billing_refund WHERE payment_id = NEW.id)
       OR EXISTS (SELECT FROM billing_dispute WHERE payment_id = NEW.id) THEN
        RAISE EXCEPTION 'a payment changes by its reversal alone, and only as a whole'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_reversed_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_is_reversed_once BEFORE UPDATE ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION payment_is_reversed_once();
DROP TRIGGER payment_is_append_only ON billing_payment;
CREATE TRIGGER payment_is_append_only
    BEFORE DELETE OR TRUNCATE ON billing_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
REVERSING = "reversed_at, reversed_by, reversal_reason"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0022_waiting_events"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payment",
            options={
                "ordering": ["id"],
                "permissions": [
                    (
                        "reverse_payment",
                        "Can reverse a payment that was recorded by mistake",
                    )
                ],
            },
        ),
        migrations.RemoveConstraint(model_name="payment", name="a_payment_counts_once"),
        migrations.AddField(
            model_name="payment",
            name="reversal_reason",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="payment",
            name="reversed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="reversed_by",
            field=models.CharField(blank=True, max_length=200),
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
                    ("reversal", "Reversal"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reversed_at", None)),
                fields=("processor", "reference"),
                name="a_payment_counts_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reversal_reason", ""),
                        ("reversed_at", None),
                        ("reversed_by", ""),
                    ),
                    models.Q(
                        ("processor", "manual"),
                        ("reversed_at__isnull", False),
                        models.Q(("reversed_by", ""), _negated=True),
                        models.Q(("reversal_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="a_reversal_is_of_a_manual_payment_and_says_why",
            ),
        ),
        migrations.RunSQL(REVERSALS, migrations.RunSQL.noop),
        restrict({"billing_payment": f"SELECT, INSERT, UPDATE ({REVERSING})"}),
    ]
