"""Cases of payers that owe; suspensions have a cause, and reach whom a payer carries."""

import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict

MOVING = "invoice_id, state, since, retries, retry_at, escalate_at, closed_at"
CASES = """
CREATE FUNCTION dunning_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state NOT IN ('retrying', 'waiting', 'overdue') THEN
        RAISE EXCEPTION 'a case does not begin as %', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_begins';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dunning_begins BEFORE INSERT ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_begins();

-- The one table of transitions. What is closed stays as it is, and nobody is suspended
-- before he was told, or for what is not past its due date.
CREATE FUNCTION dunning_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed'
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('retrying', 'waiting'), ('retrying', 'overdue'), ('retrying', 'closed'),
            ('waiting', 'retrying'), ('waiting', 'overdue'), ('waiting', 'closed'),
            ('overdue', 'retrying'), ('overdue', 'waiting'), ('overdue', 'suspended'),
            ('overdue', 'closed'),
            ('suspended', 'retrying'), ('suspended', 'waiting'),
            ('suspended', 'overdue'), ('suspended', 'closed'))) THEN
        RAISE EXCEPTION 'a case does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    IF NEW.state = 'suspended' AND OLD.state <> 'suspended' AND NOT EXISTS (
        SELECT FROM billing_document
        WHERE payer_id = NEW.payer_id AND kind = 'invoice' AND status = 'open'
          AND due_at <= NEW.since) THEN
        RAISE EXCEPTION 'nothing is overdue'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dunning_moves BEFORE UPDATE ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_moves();

CREATE FUNCTION dunning_is_of_its_payer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM billing_document
                   WHERE id = NEW.invoice_id AND payer_id = NEW.payer_id
                     AND kind = 'invoice') THEN
        RAISE EXCEPTION 'a case is about an invoice of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_is_of_its_payer';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER dunning_is_of_its_payer AFTER INSERT OR UPDATE ON billing_dunningcase
    FOR EACH ROW EXECUTE FUNCTION dunning_is_of_its_payer();

CREATE TRIGGER dunning_step_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_dunningstep
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER dunning_hold_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_dunninghold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_refunds_and_disputes"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.CreateModel(
            name="DunningCase",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("retrying", "retrying: is charged again"),
                            ("waiting", "waiting for another payment method"),
                            ("overdue", "overdue: suspended when the grace is over"),
                            ("suspended", "Suspended"),
                            ("closed", "Closed"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "since",
                    models.DateTimeField(help_text="When the case entered this state."),
                ),
                (
                    "retries",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Retries planned so far."
                    ),
                ),
                ("retry_at", models.DateTimeField(null=True)),
                (
                    "escalate_at",
                    models.DateTimeField(
                        help_text="When the case becomes overdue, or calls are suspended.",
                        null=True,
                    ),
                ),
                (
                    "next_step_at",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.comparison.Least(
                            "retry_at", "escalate_at"
                        ),
                        output_field=models.DateTimeField(null=True),
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="DunningHold",
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
                ("until", models.DateTimeField()),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("held_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="DunningStep",
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
                            ("started", "Started"),
                            ("retry_scheduled", "Retry Scheduled"),
                            ("retried", "Retried"),
                            ("payment_method_needed", "Method Needed"),
                            ("overdue", "Overdue"),
                            ("suspended", "Suspended"),
                            ("lifted", "allowed to dial again"),
                            ("held", "held by staff"),
                            ("ended", "Ended"),
                        ],
                        max_length=24,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "next_at",
                    models.DateTimeField(
                        help_text="When the next step is due.", null=True
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="accountstanding",
            name="cause",
            field=models.CharField(
                choices=[("staff", "Staff"), ("dunning", "Dunning")],
                default="staff",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("kind", "invoice"), ("status", "open")),
                fields=["due_at"],
                name="open_invoice_by_due_date",
            ),
        ),
        migrations.AddField(
            model_name="dunningcase",
            name="invoice",
            field=models.ForeignKey(
                db_index=False,
                help_text="The oldest invoice of the case.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.document",
            ),
        ),
        migrations.AddField(
            model_name="dunningcase",
            name="payer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dunning_cases",
                to="seats.agency",
            ),
        ),
        migrations.AddField(
            model_name="dunninghold",
            name="payer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="dunning_holds",
                to="seats.agency",
            ),
        ),
        migrations.AddField(
            model_name="dunningstep",
            name="attempt",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.paymentattempt",
            ),
        ),
        migrations.AddField(
            model_name="dunningstep",
            name="case",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="steps",
                to="billing.dunningcase",
            ),
        ),
        migrations.AddField(
            model_name="dunningstep",
            name="invoice",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.document",
            ),
        ),
        migrations.AddIndex(
            model_name="dunningcase",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["next_step_at"],
                name="dunning_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="dunningcase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("payer",),
                name="one_open_dunning_case_per_payer",
            ),
        ),
        migrations.AddConstraint(
            model_name="dunningcase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state", "closed")),
                    models.Q(
                        models.Q(("state", "closed"), _negated=True),
                        ("closed_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_closed_case_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="dunningcase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "retrying"),
                    models.Q(
                        ("escalate_at__isnull", False),
                        ("retry_at__isnull", True),
                        ("state", "waiting"),
                    ),
                    models.Q(("escalate_at__isnull", False), ("state", "overdue")),
                    models.Q(("escalate_at__isnull", True), ("state", "suspended")),
                    models.Q(
                        ("escalate_at__isnull", True),
                        ("retry_at__isnull", True),
                        ("state", "closed"),
                    ),
                    _connector="OR",
                ),
                name="a_case_waits_for_what_its_state_says",
            ),
        ),
        migrations.RunSQL(CASES, migrations.RunSQL.noop),
        restrict(
            {
                "billing_dunningcase": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_dunningstep": "SELECT, INSERT",
                "billing_dunninghold": "SELECT, INSERT",
            }
        ),
    ]
