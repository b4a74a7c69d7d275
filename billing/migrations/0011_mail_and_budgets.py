"""Mails that wait to be sent; budgets and what was told of them; standings."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import billing.budgets.models
import core.postgres.columns
from core.postgres.privileges import restrict

# What was written and to whom stays; only its way out moves.
MAIL = "state, attempts, next_attempt_at, lease_until, last_error, sent_at"
AGENT = """
ALTER TABLE billing_budget ADD CONSTRAINT budget_agent_is_of_its_agency
    FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id)
"""
STANDINGS = """
CREATE TRIGGER standing_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_accountstanding
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# All that decides whether an agent may dial. An agency's date is at most one away from
# that of UTC, so three dates are looked at; `above` walks from the agency that is asked
# about up to that of the key. In PL/pgSQL for its plan, which is kept.
DIALING = """
CREATE FUNCTION facts_for_dialing(
    the_code text, the_owner bigint, the_agent text, the_days date[],
    the_months date[], dialing_meters text[]
) RETURNS TABLE (
    zones json, owner_zones json, reached_on date[], agent_id bigint,
    standing varchar, held json, exceeded json
) LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE above(day, agency_id) AS (
        SELECT day, agency.id FROM seats_agency AS agency, unnest(the_days) AS day
        WHERE agency.code = the_code AND the_owner IS NOT NULL
        UNION
        SELECT above.day, edge.upline_id FROM above
        JOIN seats_upline AS edge ON edge.agency_id = above.agency_id
            AND edge.starts_on <= above.day
            AND (edge.ends_on IS NULL OR edge.ends_on > above.day)
    )
    SELECT
        (SELECT json_agg(json_build_array(zone.starts_on, zone.zone)
                         ORDER BY zone.starts_on)
         FROM seats_agencyzone AS zone WHERE zone.agency_id = agency.id),
        (SELECT json_agg(json_build_array(zone.starts_on, zone.zone)
                         ORDER BY zone.starts_on)
         FROM seats_agencyzone AS zone WHERE zone.agency_id = the_owner),
        ARRAY(SELECT day FROM above WHERE agency_id = the_owner),
        agent.id,
        (SELECT standing.standing FROM billing_accountstanding AS standing
         WHERE standing.agency_id = agency.id ORDER BY standing.id DESC LIMIT 1),
        (SELECT json_agg(json_build_array(seat.public_id, holding.starts_on,
                                          holding.ends_on))
         FROM seats_seatholding AS holding
         JOIN seats_seat AS seat ON seat.id = holding.seat_id
         WHERE holding.agent_id = agent.id AND holding.starts_on <= the_days[3]
           AND (holding.ends_on IS NULL OR holding.ends_on > the_days[1])),
        (SELECT json_agg(json_build_array(budget.public_id, month.month)
                         ORDER BY budget.id)
         FROM billing_budget AS budget
         JOIN billing_budgetmonth AS month ON month.budget_id = budget.id
         LEFT JOIN billing_meter AS meter ON meter.id = budget.meter_id
         WHERE budget.agency_id = agency.id AND budget.hard
           AND (budget.agent_id IS NULL OR budget.agent_id = agent.id)
           AND (budget.meter_id IS NULL OR meter.code = ANY(dialing_meters))
           AND month.month = ANY(the_months)
           AND month.used >= coalesce(budget.amount, budget.quantity))
    FROM seats_agency AS agency
    LEFT JOIN seats_agent AS agent
        ON agent.agency_id = agency.id AND agent.external_id = the_agent
    WHERE agency.code = the_code;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_webhooks"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
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
                    "amount",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        help_text="The limit for all usage, without seats, in the agency's currency.",
                        max_digits=18,
                        null=True,
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="The limit in billed units of the meter.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "hard",
                    models.BooleanField(
                        default=False,
                        help_text="Refuse calls once the budget is used up.",
                    ),
                ),
                (
                    "thresholds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        default=billing.budgets.models.default_thresholds,
                        help_text="Percentages at which alerts are sent.",
                        size=None,
                    ),
                ),
                (
                    "since",
                    models.DateField(
                        editable=False,
                        help_text="The first month that the budget applies to.",
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("changed_by", models.CharField(editable=False, max_length=200)),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="budgets",
                        to="seats.agency",
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agent",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.meter",
                    ),
                ),
            ],
            options={
                "ordering": ["agency", "id"],
            },
        ),
        migrations.CreateModel(
            name="BudgetAlert",
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
                ("month", models.DateField()),
                ("threshold", models.PositiveSmallIntegerField(help_text="Percent.")),
                (
                    "kind",
                    models.CharField(
                        choices=[("reached", "Reached"), ("forecast", "Forecast")],
                        max_length=8,
                    ),
                ),
                ("told_on", models.DateField(help_text="Local date of the agency.")),
                ("used", models.DecimalField(decimal_places=6, max_digits=24)),
                ("limit", models.DecimalField(decimal_places=6, max_digits=24)),
                (
                    "expected_on",
                    models.DateField(
                        help_text="When the limit will be reached.", null=True
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "budget",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alerts",
                        to="billing.budget",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="BudgetMonth",
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
                ("month", models.DateField()),
                ("used", models.DecimalField(decimal_places=6, max_digits=24)),
                (
                    "expected",
                    models.DecimalField(
                        decimal_places=6,
                        help_text="Expected usage by the end of the month.",
                        max_digits=24,
                    ),
                ),
                ("evaluated_at", models.DateTimeField()),
                (
                    "budget",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="months",
                        to="billing.budget",
                    ),
                ),
            ],
            options={
                "ordering": ["budget", "-month"],
            },
        ),
        migrations.CreateModel(
            name="Mail",
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
                ("template", models.CharField(max_length=64)),
                (
                    "subject_key",
                    models.CharField(
                        help_text="What the mail is about. Each address gets one mail per template and key.",
                        max_length=200,
                    ),
                ),
                (
                    "to",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=254), size=None
                    ),
                ),
                ("subject", models.CharField(max_length=250)),
                ("text", models.TextField()),
                ("html", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("held", "held: no mail server is set"),
                        ],
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("lease_until", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "agency",
                    models.ForeignKey(
                        help_text="The agency the mail is about. Empty: the platform.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="AccountStanding",
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
                    "standing",
                    models.CharField(
                        choices=[("good", "Good"), ("suspended", "Suspended")],
                        max_length=9,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("since", models.DateTimeField()),
                (
                    "agency",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="standings",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["agency", "-id"], name="newest_standing")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                fields=("agency", "agent", "meter", "hard"),
                name="one_budget_per_thing",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("agent__isnull", True),
                        ("amount__gt", 0),
                        ("amount__lt", 100000000000000),
                        ("meter__isnull", True),
                        ("quantity__isnull", True),
                    ),
                    models.Q(
                        ("amount__isnull", True),
                        ("meter__isnull", False),
                        ("quantity__gt", 0),
                        ("quantity__lt", 100000000000000),
                    ),
                    _connector="OR",
                ),
                name="a_budget_is_money_or_a_quantity_of_a_meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("thresholds__len__gt", 0), ("thresholds__len__lte", 10)
                ),
                name="a_budget_has_some_thresholds",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("since__day", 1)),
                name="a_budget_starts_with_a_month",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetalert",
            constraint=models.UniqueConstraint(
                fields=("budget", "month", "threshold", "kind"),
                name="one_alert_per_threshold_and_month",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetalert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("expected_on__isnull", False), ("kind", "forecast")),
                    models.Q(("expected_on__isnull", True), ("kind", "reached")),
                    _connector="OR",
                ),
                name="a_forecast_names_a_date",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetmonth",
            constraint=models.UniqueConstraint(
                fields=("budget", "month"), name="one_budget_month_per_month"
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetmonth",
            constraint=models.CheckConstraint(
                condition=models.Q(("month__day", 1)), name="a_budget_month_is_a_month"
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetmonth",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("used__lt", 100000000000000), ("expected__lt", 100000000000000)
                ),
                name="a_budget_month_is_a_number",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "sending"])),
                fields=["next_attempt_at"],
                name="mails_to_send",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.UniqueConstraint(
                fields=("template", "subject_key", "to"), name="one_mail_per_cause"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("to__len__gt", 0)), name="a_mail_goes_to_somebody"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sent_at__isnull", False), ("state", "sent")),
                    models.Q(
                        models.Q(("state", "sent"), _negated=True),
                        ("sent_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_mail_that_was_sent_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_until__isnull", False), ("state", "sending")),
                    models.Q(
                        models.Q(("state", "sending"), _negated=True),
                        ("lease_until__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_mail_that_is_being_sent_is_leased",
            ),
        ),
        migrations.RunSQL(AGENT, migrations.RunSQL.noop),
        migrations.RunSQL(STANDINGS, migrations.RunSQL.noop),
        migrations.RunSQL(DIALING, migrations.RunSQL.noop),
        restrict(
            {
                "billing_mail": f"SELECT, INSERT, UPDATE ({MAIL})",
                "billing_accountstanding": "SELECT, INSERT",
            }
        ),
    ]
