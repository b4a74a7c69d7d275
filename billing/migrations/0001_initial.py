"""Prices, usage, documents and payments: the tables."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import F, Q, Value

import billing.budgets.models
from core.postgres.columns import UUID7


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def public_id() -> models.UUIDField:
    return models.UUIDField(db_default=UUID7(), editable=False, unique=True)


class Migration(migrations.Migration):
    initial = True
    # A database that has all of these has these tables.
    replaces = [
        ("billing", name)
        for name in (
            "0002_usage_events",
            "0003_guards",
            "0004_lighter_usage_days",
            "0005_usage_imports",
            "0006_corrections",
            "0007_ingest",
            "0008_archived_months",
            "0009_payments",
            "0010_webhooks",
            "0011_mail_and_budgets",
            "0012_attempts",
            "0013_post_older_documents",
            "0014_payment_methods",
            "0015_hosted_pages",
            "0016_refunds_and_disputes",
            "0017_dunning",
            "0018_faster_authorize",
            "0019_set_aside",
            "0020_recurring_jobs",
            "0021_verification_runs",
            "0022_waiting_events",
            "0023_reversals",
            "0024_owners",
            "0025_authorize_by_reach",
            "0026_admin_permissions",
            "0027_reconciled_days",
            "0028_closed_by",
            "0029_inquiry_amounts",
            "0030_plain_names",
            "0031_next_attempt_at",
            "0034_state",
            "0035_rejected_rows",
            "0036_constraint_names",
            "0037_billing_account",
            "0039_one_queue",
            "0040_waiting_legs",
        )
    ]
    dependencies = [("seats", "0001_initial")]

    operations = [
        # billing.accounts
        migrations.CreateModel(
            name="BillingAccount",
            fields=[
                (
                    "payer",
                    models.OneToOneField(
                        "seats.agency",
                        models.PROTECT,
                        primary_key=True,
                        serialize=False,
                        related_name="billing_account",
                    ),
                ),
                ("billing_name", models.CharField(max_length=200, blank=True)),
                ("address", models.TextField(blank=True)),
                ("email", models.EmailField(max_length=254, blank=True)),
                (
                    "tax_id",
                    models.CharField(verbose_name="tax id", max_length=64, blank=True),
                ),
                ("next_number", models.PositiveIntegerField(default=1, editable=False)),
                (
                    "last_hash",
                    models.CharField(max_length=64, blank=True, editable=False),
                ),
            ],
            options={
                "permissions": [
                    ("suspend_billingaccount", "Can suspend outbound calls"),
                    ("lift_billingaccount", "Can allow outbound calls again"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="numbers_start_at_one", condition=Q(next_number__gte=1)
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountStanding",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        related_name="standings",
                        db_index=False,
                    ),
                ),
                (
                    "standing",
                    models.CharField(
                        max_length=9,
                        choices=[("good", "Good"), ("suspended", "Suspended")],
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        max_length=8,
                        default="staff",
                        choices=[("staff", "Staff"), ("dunning", "Dunning")],
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("since", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(name="newest_standing", fields=["agency", "-id"]),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayerShareSet",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="share_sets"
                    ),
                ),
                ("starts_on", models.DateField()),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500, blank=True)),
                ("cutoff", models.BigIntegerField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["agency", "starts_on", "id"],
                "indexes": [
                    models.Index(
                        name="share_set_by_cutoff", fields=["agency", "cutoff"]
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayerShare",
            fields=[
                ("id", row_id()),
                (
                    "share_set",
                    models.ForeignKey(
                        "billing.payershareset", models.PROTECT, related_name="shares"
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("percent", models.DecimalField(max_digits=9, decimal_places=6)),
            ],
            options={
                "ordering": ["share_set", "payer"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_share_per_payer", fields=("share_set", "payer")
                    ),
                    models.CheckConstraint(
                        name="share_is_a_part_of_the_whole",
                        condition=Q(percent__gt=0, percent__lte=100),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Watermark",
            fields=[
                ("id", row_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="watermarks"
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("billed_cutoff", models.BigIntegerField()),
                ("billed_through", models.DateField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        name="one_watermark_per_payer_and_agency",
                        fields=("payer", "agency"),
                    ),
                    models.CheckConstraint(
                        name="billed_through_is_a_month",
                        condition=Q(billed_through__day=1),
                    ),
                ],
            },
        ),
        # billing.pricing
        migrations.CreateModel(
            name="Meter",
            fields=[
                ("id", row_id()),
                ("code", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=120)),
                (
                    "raw_unit",
                    models.CharField(
                        max_length=24,
                        help_text="The unit in which the dialer reports usage, such as second.",
                    ),
                ),
                (
                    "billed_unit",
                    models.CharField(
                        max_length=24,
                        help_text="The unit that is priced, such as minute.",
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(
                        name="meter_code_is_plain",
                        condition=Q(code__regex="^[a-z][a-z0-9_.]*$"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceList",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                ("code", models.CharField(max_length=40, unique=True)),
                ("currency", models.CharField(max_length=3)),
                ("starts_on", models.DateField()),
                ("seat_price", models.DecimalField(max_digits=18, decimal_places=8)),
                (
                    "seat_includes",
                    ArrayField(
                        blank=True,
                        default=list,
                        help_text="What a seat includes at no extra charge.",
                        base_field=models.CharField(max_length=80),
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="draft",
                        editable=False,
                        choices=[("draft", "Draft"), ("published", "Published")],
                    ),
                ),
                ("published_at", models.DateTimeField(null=True, editable=False)),
                (
                    "content_hash",
                    models.CharField(max_length=64, blank=True, editable=False),
                ),
            ],
            options={
                "ordering": ["currency", "-starts_on"],
                "permissions": [("publish_pricelist", "Can publish a price list")],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_published_list_per_currency_and_month",
                        fields=("currency", "starts_on"),
                        condition=Q(state="published"),
                    ),
                    models.CheckConstraint(
                        name="price_list_starts_with_a_month",
                        condition=Q(starts_on__day=1),
                    ),
                    models.CheckConstraint(
                        name="seat_price_is_not_negative",
                        condition=Q(seat_price__gte=0, seat_price__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="a_published_list_has_its_hash",
                        condition=Q(
                            content_hash="", published_at__isnull=True, state="draft"
                        )
                        | (
                            Q(published_at__isnull=False)
                            & Q(state="published")
                            & ~Q(content_hash="")
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rate",
            fields=[
                ("id", row_id()),
                (
                    "price_list",
                    models.ForeignKey(
                        "billing.pricelist", models.CASCADE, related_name="rates"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        "billing.meter", models.PROTECT, related_name="rates"
                    ),
                ),
                (
                    "minimum",
                    models.DecimalField(default=0, max_digits=18, decimal_places=6),
                ),
                (
                    "increment",
                    models.DecimalField(default=1, max_digits=18, decimal_places=6),
                ),
                (
                    "unit_size",
                    models.DecimalField(default=1, max_digits=18, decimal_places=6),
                ),
                (
                    "model",
                    models.CharField(
                        max_length=16,
                        default="per_unit",
                        choices=[
                            ("per_unit", "per unit"),
                            ("graduated", "Graduated"),
                            ("volume", "Volume"),
                            ("package", "Package"),
                        ],
                    ),
                ),
                (
                    "unit_price",
                    models.DecimalField(
                        blank=True, null=True, max_digits=18, decimal_places=8
                    ),
                ),
                (
                    "package_size",
                    models.DecimalField(
                        blank=True, null=True, max_digits=18, decimal_places=6
                    ),
                ),
                (
                    "included_per_seat",
                    models.DecimalField(default=0, max_digits=18, decimal_places=6),
                ),
            ],
            options={
                "ordering": ["price_list", "meter__code"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_rate_per_list_and_meter",
                        fields=("price_list", "meter"),
                    ),
                    models.CheckConstraint(
                        name="rate_steps_are_positive",
                        condition=Q(
                            included_per_seat__gte=0,
                            increment__gt=0,
                            minimum__gte=0,
                            unit_size__gt=0,
                        ),
                    ),
                    models.CheckConstraint(
                        name="rate_has_what_its_model_needs",
                        condition=Q(
                            model="per_unit",
                            package_size__isnull=True,
                            unit_price__gte=0,
                            unit_price__isnull=False,
                        )
                        | Q(
                            model="package",
                            package_size__gt=0,
                            package_size__isnull=False,
                            unit_price__gte=0,
                            unit_price__isnull=False,
                        )
                        | Q(
                            model__in=["graduated", "volume"],
                            package_size__isnull=True,
                            unit_price__isnull=True,
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RateTier",
            fields=[
                ("id", row_id()),
                (
                    "rate",
                    models.ForeignKey(
                        "billing.rate", models.CASCADE, related_name="tiers"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "up_to",
                    models.DecimalField(
                        blank=True, null=True, max_digits=18, decimal_places=6
                    ),
                ),
                ("unit_price", models.DecimalField(max_digits=18, decimal_places=8)),
                (
                    "flat_fee",
                    models.DecimalField(default=0, max_digits=18, decimal_places=8),
                ),
            ],
            options={
                "ordering": ["rate", "position"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_tier_per_position", fields=("rate", "position")
                    ),
                    models.UniqueConstraint(
                        name="one_tier_per_upper_bound",
                        fields=("rate", "up_to"),
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        name="tier_prices_are_not_negative",
                        condition=Q(flat_fee__gte=0)
                        & Q(unit_price__gte=0)
                        & (Q(up_to__isnull=True) | Q(up_to__gt=0)),
                    ),
                ],
            },
        ),
        # billing.budgets
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="budgets"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        null=True,
                        editable=False,
                        help_text="The agency that set the budget last. Empty: the platform.",
                        related_name="+",
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(
                        null=True,
                        editable=False,
                        help_text="When it ended because its owner no longer reached the agency.",
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        "billing.meter",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        blank=True,
                        null=True,
                        help_text="The limit for all usage, without seats, in the agency's currency.",
                        max_digits=18,
                        decimal_places=3,
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        blank=True,
                        null=True,
                        help_text="The limit in billed units of the meter.",
                        max_digits=24,
                        decimal_places=6,
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
                    ArrayField(
                        default=billing.budgets.models.default_thresholds,
                        help_text="Percentages at which alerts are sent.",
                        base_field=models.PositiveSmallIntegerField(),
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
                ("changed_by", models.CharField(max_length=200, editable=False)),
            ],
            options={
                "ordering": ["agency", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        name="budget_agency_agent_meter_hard_unique",
                        fields=("agency", "agent", "meter", "hard"),
                        condition=Q(ended_at=None),
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        name="budget_amount_or_meter_quantity",
                        condition=Q(
                            agent__isnull=True,
                            amount__gt=0,
                            amount__lt=100000000000000,
                            meter__isnull=True,
                            quantity__isnull=True,
                        )
                        | Q(
                            amount__isnull=True,
                            meter__isnull=False,
                            quantity__gt=0,
                            quantity__lt=100000000000000,
                        ),
                    ),
                    models.CheckConstraint(
                        name="budget_thresholds_count",
                        condition=Q(thresholds__len__gt=0, thresholds__len__lte=10),
                    ),
                    models.CheckConstraint(
                        name="a_budget_starts_with_a_month", condition=Q(since__day=1)
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BudgetMonth",
            fields=[
                ("id", row_id()),
                (
                    "budget",
                    models.ForeignKey(
                        "billing.budget",
                        models.CASCADE,
                        related_name="months",
                        db_index=False,
                    ),
                ),
                ("month", models.DateField()),
                ("used", models.DecimalField(max_digits=24, decimal_places=6)),
                (
                    "expected",
                    models.DecimalField(
                        help_text="Expected usage by the end of the month.",
                        max_digits=24,
                        decimal_places=6,
                    ),
                ),
                ("evaluated_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["budget", "-month"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_budget_month_per_month", fields=("budget", "month")
                    ),
                    models.CheckConstraint(
                        name="budget_month_starts_with_a_month",
                        condition=Q(month__day=1),
                    ),
                    models.CheckConstraint(
                        name="budget_month_totals_finite",
                        condition=Q(used__lt=100000000000000)
                        & Q(expected__lt=100000000000000),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BudgetAlert",
            fields=[
                ("id", row_id()),
                (
                    "budget",
                    models.ForeignKey(
                        "billing.budget",
                        models.CASCADE,
                        related_name="alerts",
                        db_index=False,
                    ),
                ),
                ("month", models.DateField()),
                ("threshold", models.PositiveSmallIntegerField(help_text="Percent.")),
                (
                    "kind",
                    models.CharField(
                        max_length=8,
                        choices=[("reached", "Reached"), ("forecast", "Forecast")],
                    ),
                ),
                ("sent_on", models.DateField(help_text="Local date of the agency.")),
                ("used", models.DecimalField(max_digits=24, decimal_places=6)),
                ("limit", models.DecimalField(max_digits=24, decimal_places=6)),
                (
                    "expected_on",
                    models.DateField(
                        null=True, help_text="When the limit will be reached."
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_alert_per_threshold_and_month",
                        fields=("budget", "month", "threshold", "kind"),
                    ),
                    models.CheckConstraint(
                        name="budget_alert_expected_on_by_kind",
                        condition=Q(expected_on__isnull=False, kind="forecast")
                        | Q(expected_on__isnull=True, kind="reached"),
                    ),
                ],
            },
        ),
        # billing.processors
        migrations.CreateModel(
            name="PaymentProcessor",
            fields=[
                ("id", row_id()),
                ("code", models.SlugField(max_length=32, unique=True)),
                (
                    "kind",
                    models.CharField(
                        max_length=16,
                        default="webhook",
                        choices=[("webhook", "signed webhook"), ("stripe", "Stripe")],
                    ),
                ),
                ("url", models.CharField(max_length=500)),
                (
                    "sealed_sending",
                    models.TextField(
                        help_text="Encrypted: signs our requests, or is our key of its API."
                    ),
                ),
                (
                    "sealed_receiving",
                    models.TextField(
                        help_text="Encrypted: signs the events that it sends."
                    ),
                ),
                (
                    "sealed_sending_before",
                    models.TextField(
                        blank=True,
                        help_text="Encrypted: the previous secret, which also signs for a day after the change.",
                    ),
                ),
                (
                    "sealed_receiving_before",
                    models.TextField(
                        blank=True,
                        help_text="Encrypted: the previous secret, which is also accepted for a day.",
                    ),
                ),
                ("rotated_at", models.DateTimeField(null=True)),
                (
                    "caught_up_to",
                    models.DateTimeField(
                        null=True,
                        help_text="The list of events has been read up to this instant.",
                    ),
                ),
                (
                    "reconciled_through",
                    models.DateField(
                        null=True, help_text="The last UTC day that was reconciled."
                    ),
                ),
                ("added_by", models.CharField(max_length=200)),
                ("added_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["code"],
                "permissions": [
                    ("rotate_paymentprocessor", "Can rotate the secrets of a processor")
                ],
            },
        ),
        # billing.collection
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="payment_methods"
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                (
                    "customer",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the payer.",
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the method.",
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        max_length=100,
                        blank=True,
                        help_text="Name shown to people, such as visa 4242, 12/2030.",
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("saved_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("remove_paymentmethod", "Can remove a payment method")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_method_per_payer",
                        fields=("payer",),
                        condition=Q(removed_at=None),
                    ),
                    models.UniqueConstraint(
                        name="a_method_has_one_payer",
                        fields=("processor", "reference"),
                        condition=Q(removed_at=None) & ~Q(reference=""),
                    ),
                ],
            },
        ),
        # billing.invoicing
        migrations.CreateModel(
            name="BillingRun",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                ("month", models.DateField()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        help_text="Empty: every payer.",
                    ),
                ),
                (
                    "accept_outliers",
                    models.BooleanField(
                        default=False,
                        help_text="Bill unusual totals without parking the payer.",
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("started_at", models.DateTimeField()),
                ("planned_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-month", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        name="run_is_for_a_month", condition=Q(month__day=1)
                    ),
                    models.UniqueConstraint(
                        name="one_unfinished_run_per_month",
                        fields=("month", "payer"),
                        condition=Q(finished_at__isnull=True),
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RunCut",
            fields=[
                ("id", row_id()),
                (
                    "run",
                    models.ForeignKey(
                        "billing.billingrun", models.PROTECT, related_name="cuts"
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("cutoff", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        name="one_cut_per_run_and_agency", fields=("run", "agency")
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RunItem",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        "billing.billingrun",
                        models.PROTECT,
                        related_name="items",
                        db_index=False,
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="pending",
                        choices=[
                            ("pending", "Pending"),
                            ("working", "Working"),
                            ("review", "waiting for review"),
                            ("parked", "Parked"),
                            ("released", "parked, then billed by a later run"),
                            ("done", "Done"),
                        ],
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        max_length=40, blank=True, help_text="Why it is parked."
                    ),
                ),
                ("documents", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["run", "payer"],
                "permissions": [
                    ("release_runitem", "Can bill a parked payer again"),
                    ("accept_runitem", "Can bill an unusual total"),
                ],
                "indexes": [
                    models.Index(
                        name="run_items_due",
                        fields=["next_attempt_at"],
                        condition=Q(state__in=["pending", "working"]),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_item_per_run_and_payer", fields=("run", "payer")
                    ),
                    models.CheckConstraint(
                        name="run_item_lease_matches_state",
                        condition=Q(leased_until__isnull=False, state__in=["working"])
                        | (Q(leased_until=None) & ~Q(state__in=["working"])),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="documents"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        max_length=16,
                        choices=[("invoice", "Invoice"), ("correction", "credit note")],
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="draft",
                        choices=[
                            ("draft", "Draft"),
                            ("open", "Open"),
                            ("paid", "Paid"),
                            ("void", "Void"),
                            ("uncollectible", "Uncollectible"),
                        ],
                    ),
                ),
                ("number", models.PositiveIntegerField(null=True)),
                ("month", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "price_list",
                    models.ForeignKey("billing.pricelist", models.PROTECT, null=True),
                ),
                ("price_list_hash", models.CharField(max_length=64, blank=True)),
                ("subtotal", models.DecimalField(max_digits=18, decimal_places=3)),
                (
                    "tax",
                    models.DecimalField(default=0, max_digits=18, decimal_places=3),
                ),
                ("total", models.DecimalField(max_digits=18, decimal_places=3)),
                (
                    "parties",
                    models.JSONField(
                        help_text="Names and addresses when it was drafted."
                    ),
                ),
                (
                    "cutoffs",
                    models.JSONField(
                        help_text="The cut-off of each agency at computation."
                    ),
                ),
                (
                    "run",
                    models.ForeignKey("billing.billingrun", models.PROTECT, null=True),
                ),
                ("created_at", models.DateTimeField()),
                ("review_until", models.DateTimeField(null=True)),
                ("issued_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("hash", models.CharField(max_length=64, blank=True)),
                ("previous_hash", models.CharField(max_length=64, blank=True)),
            ],
            options={
                "ordering": ["payer", "number"],
                "permissions": [
                    ("issue_document", "Can issue a draft"),
                    ("discard_document", "Can discard a draft"),
                    ("void_document", "Can void a document"),
                ],
                "indexes": [
                    models.Index(name="document_by_month", fields=["month"]),
                    models.Index(
                        name="open_invoice_by_due_date",
                        fields=["due_at"],
                        condition=Q(kind="invoice", state="open"),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_document_per_payer_and_number",
                        fields=("payer", "number"),
                    ),
                    models.UniqueConstraint(
                        name="one_draft_per_payer",
                        fields=("payer",),
                        condition=Q(state="draft"),
                    ),
                    models.CheckConstraint(
                        name="total_is_subtotal_plus_tax",
                        condition=Q(total=F("subtotal") + F("tax")),
                    ),
                    models.CheckConstraint(
                        name="document_totals_finite",
                        condition=Q(total__lt=100000000000000)
                        & Q(subtotal__lt=100000000000000)
                        & Q(tax__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="only_a_credit_note_is_negative",
                        condition=Q(kind="invoice", total__gte=0)
                        | Q(kind="correction", total__lt=0),
                    ),
                    models.CheckConstraint(
                        name="an_issued_document_has_number_and_hash",
                        condition=Q(
                            due_at__isnull=True,
                            hash="",
                            issued_at__isnull=True,
                            number__isnull=True,
                            state="draft",
                        )
                        | (
                            ~Q(state="draft")
                            & Q(due_at__isnull=False)
                            & Q(issued_at__isnull=False)
                            & Q(number__isnull=False)
                            & ~Q(hash="")
                        ),
                    ),
                    models.CheckConstraint(
                        name="document_is_for_a_month", condition=Q(month__day=1)
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DocumentLine",
            fields=[
                ("id", row_id()),
                (
                    "document",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        related_name="lines",
                        db_index=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="+", db_index=False
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="+", db_index=False
                    ),
                ),
                ("month", models.DateField()),
                ("late", models.BooleanField(help_text="The month was billed before.")),
                (
                    "kind",
                    models.CharField(
                        max_length=8, choices=[("seat", "Seat"), ("usage", "Usage")]
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        "billing.meter",
                        models.PROTECT,
                        null=True,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                (
                    "price_list",
                    models.ForeignKey(
                        "billing.pricelist",
                        models.PROTECT,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                ("description", models.CharField(max_length=300)),
                ("raw", models.DecimalField(max_digits=24, decimal_places=6)),
                ("billable", models.DecimalField(max_digits=24, decimal_places=6)),
                ("quantity", models.DecimalField(max_digits=24, decimal_places=6)),
                ("included", models.DecimalField(max_digits=24, decimal_places=6)),
                (
                    "unit_price",
                    models.DecimalField(null=True, max_digits=18, decimal_places=8),
                ),
                ("charge", models.DecimalField(max_digits=18, decimal_places=3)),
                ("amount_before", models.DecimalField(max_digits=18, decimal_places=3)),
                ("amount_now", models.DecimalField(max_digits=18, decimal_places=3)),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                (
                    "tax",
                    models.DecimalField(default=0, max_digits=18, decimal_places=3),
                ),
            ],
            options={
                "ordering": ["document", "position"],
                "indexes": [
                    models.Index(
                        name="document_line_by_month",
                        fields=["payer", "agency", "month"],
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_line_per_position", fields=("document", "position")
                    ),
                    models.UniqueConstraint(
                        name="document_line_agency_month_meter_unique",
                        fields=("document", "agency", "month", "kind", "meter"),
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        name="line_amount_is_now_less_before",
                        condition=Q(amount=F("amount_now") - F("amount_before"))
                        & Q(amount_now__lt=100000000000000)
                        & Q(amount_before__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="a_usage_line_names_its_meter",
                        condition=Q(kind="seat", meter__isnull=True)
                        | Q(kind="usage", meter__isnull=False),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Void",
            fields=[
                ("id", row_id()),
                (
                    "document",
                    models.ForeignKey(
                        "billing.document", models.PROTECT, related_name="voids"
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
                ("cutoff", models.BigIntegerField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(name="void_by_cutoff", fields=["agency", "cutoff"]),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_document_is_voided_once", fields=("document", "agency")
                    ),
                ],
            },
        ),
        # billing.collection
        migrations.CreateModel(
            name="PaymentAttempt",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        unique=True,
                        db_default=UUID7(),
                        editable=False,
                        help_text="Idempotency key of the attempt at the processor.",
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("currency", models.CharField(max_length=3)),
                ("actor", models.CharField(max_length=200)),
                ("requested_at", models.DateTimeField()),
                (
                    "changed_at",
                    models.DateTimeField(help_text="When the state was last set."),
                ),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the charge or refund.",
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
                    "reported_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When staff was notified that the outcome is unknown.",
                    ),
                ),
                (
                    "closed_by",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="Who closed it by hand. Empty if its outcome is the processor's.",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="created",
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
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        related_name="attempts",
                        db_index=False,
                    ),
                ),
                (
                    "method",
                    models.ForeignKey(
                        "billing.paymentmethod",
                        models.PROTECT,
                        null=True,
                        related_name="attempts",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("close_paymentattempt", "Can close a payment attempt by hand")
                ],
                "indexes": [
                    models.Index(name="attempts_of_invoice", fields=["invoice"]),
                    models.Index(
                        name="attempt_due",
                        fields=["next_attempt_at"],
                        condition=Q(
                            state__in=["created", "pending", "unknown", "sent"]
                        ),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_open_attempt_per_invoice",
                        fields=("invoice",),
                        condition=Q(
                            state__in=["created", "sent", "pending", "unknown"]
                        ),
                    ),
                    models.CheckConstraint(
                        name="an_attempt_is_an_amount",
                        condition=Q(amount__gt=0, amount__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="an_attempt_is_counted_before_it_is_sent",
                        condition=Q(first_sent_at=None, sends=0, state="created")
                        | Q(state="failed")
                        | Q(first_sent_at__isnull=False, sends__gt=0),
                    ),
                    models.CheckConstraint(
                        name="a_success_has_its_reference",
                        condition=~Q(state="succeeded") | ~Q(reference=""),
                    ),
                    models.UniqueConstraint(
                        name="payment_attempt_reference_unique",
                        fields=("processor", "reference"),
                        condition=~Q(reference=""),
                    ),
                    models.CheckConstraint(
                        name="payment_attempt_lease_matches_state",
                        condition=Q(
                            leased_until__isnull=False,
                            state__in=["sent", "pending", "unknown"],
                        )
                        | (Q(leased_until=None) & ~Q(state__in=["sent"])),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AttemptChange",
            fields=[
                ("id", row_id()),
                ("state", models.CharField(max_length=16)),
                ("error", models.CharField(max_length=200, blank=True)),
                ("recorded_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        "billing.paymentattempt", models.PROTECT, related_name="changes"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ProcessorCustomer",
            fields=[
                ("id", row_id()),
                ("key", public_id()),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the payer.",
                    ),
                ),
                (
                    "sent_at",
                    models.DateTimeField(
                        null=True, help_text="When the customer was first requested."
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_customer_per_payer", fields=("processor", "payer")
                    ),
                    models.UniqueConstraint(
                        name="processor_customer_reference_unique",
                        fields=("processor", "reference"),
                        condition=~Q(reference=""),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CheckoutPage",
            fields=[
                ("id", row_id()),
                (
                    "public_id",
                    models.UUIDField(
                        unique=True,
                        db_default=UUID7(),
                        editable=False,
                        help_text="Idempotency key of the page, if it is not for an invoice.",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        max_length=8,
                        choices=[
                            ("setup", "saves a payment method"),
                            ("payment", "pays an invoice"),
                        ],
                    ),
                ),
                (
                    "payer",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        null=True,
                        help_text="Agency that opened it and must reach the payer; empty for the platform.",
                        related_name="+",
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When the processor was asked to close it, or, if its URL never came, when it was given up.",
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                (
                    "attempt",
                    models.OneToOneField(
                        "billing.paymentattempt",
                        models.PROTECT,
                        null=True,
                        related_name="page",
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                (
                    "customer",
                    models.CharField(
                        max_length=200, help_text="The processor's id of the payer."
                    ),
                ),
                (
                    "return_url",
                    models.CharField(
                        max_length=500, help_text="Where the payer goes afterwards."
                    ),
                ),
                ("url", models.TextField(blank=True)),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the page.",
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
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [("close_checkoutpage", "Can close a checkout page")],
                "constraints": [
                    models.CheckConstraint(
                        name="checkout_page_attempt_by_kind",
                        condition=Q(attempt=None, kind="setup")
                        | Q(attempt__isnull=False, kind="payment"),
                    ),
                    models.CheckConstraint(
                        name="checkout_page_url_and_reference_together",
                        condition=Q(reference="", url="")
                        | (~Q(url="") & ~Q(reference="")),
                    ),
                    models.UniqueConstraint(
                        name="checkout_page_reference_unique",
                        fields=("processor", "reference"),
                        condition=~Q(reference=""),
                    ),
                ],
            },
        ),
        # billing.receivables
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="payments"
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("currency", models.CharField(max_length=3)),
                ("processor", models.CharField(max_length=32)),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        help_text="The processor's id of the payment, or the bank's reference.",
                    ),
                ),
                ("method", models.CharField(max_length=64, blank=True)),
                ("actor", models.CharField(max_length=200, blank=True)),
                ("received_at", models.DateTimeField()),
                ("reversed_at", models.DateTimeField(null=True)),
                ("reversed_by", models.CharField(max_length=200, blank=True)),
                ("reversal_reason", models.CharField(max_length=500, blank=True)),
            ],
            options={
                "ordering": ["id"],
                "permissions": [
                    ("refund_payment", "Can refund a payment"),
                    (
                        "reverse_payment",
                        "Can reverse a payment that was recorded by mistake",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_payment_counts_once",
                        fields=("processor", "reference"),
                        condition=Q(reversed_at=None),
                    ),
                    models.CheckConstraint(
                        name="payment_reversal_manual_with_reason",
                        condition=Q(
                            reversal_reason="", reversed_at=None, reversed_by=""
                        )
                        | (
                            Q(processor="manual")
                            & Q(reversed_at__isnull=False)
                            & ~Q(reversed_by="")
                            & ~Q(reversal_reason="")
                        ),
                    ),
                    models.CheckConstraint(
                        name="a_payment_is_an_amount",
                        condition=Q(amount__gt=0, amount__lt=100000000000000),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payment",
                    models.ForeignKey(
                        "billing.payment", models.PROTECT, related_name="refunds"
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("reference", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=200)),
                ("refunded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_refund_counts_once", fields=("payment", "reference")
                    ),
                    models.CheckConstraint(
                        name="a_refund_is_an_amount",
                        condition=Q(amount__gt=0, amount__lt=100000000000000),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Allocation",
            fields=[
                ("id", row_id()),
                (
                    "payment",
                    models.ForeignKey(
                        "billing.payment",
                        models.PROTECT,
                        null=True,
                        related_name="allocations",
                    ),
                ),
                (
                    "credit_note",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        null=True,
                        related_name="given",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        "billing.document", models.PROTECT, related_name="covered_by"
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        name="an_allocation_has_one_source",
                        condition=Q(credit_note__isnull=True, payment__isnull=False)
                        | Q(
                            amount__gt=0,
                            credit_note__isnull=False,
                            payment__isnull=True,
                        ),
                    ),
                    models.CheckConstraint(
                        name="an_allocation_is_an_amount",
                        condition=~Q(amount=0) & Q(amount__lt=100000000000000),
                    ),
                ],
            },
        ),
        # billing.collection
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payment",
                    models.ForeignKey(
                        "billing.payment", models.PROTECT, related_name="disputes"
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        max_length=200, help_text="The processor's id of the dispute."
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("inquiry", "Inquiry"),
                            ("open", "Open"),
                            ("won", "Won"),
                            ("lost", "Lost"),
                        ],
                    ),
                ),
                ("reason", models.CharField(max_length=200, blank=True)),
                (
                    "reported_at",
                    models.DateTimeField(
                        help_text="When the processor reported the state."
                    ),
                ),
                ("opened_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_dispute_counts_once", fields=("processor", "reference")
                    ),
                    models.CheckConstraint(
                        name="a_dispute_is_an_amount",
                        condition=Q(amount__gt=0, amount__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="dispute_dates_match_state",
                        condition=Q(closed_at=None, opened_at=None, state="inquiry")
                        | Q(closed_at=None, opened_at__isnull=False, state="open")
                        | Q(closed_at__isnull=False, state="won")
                        | Q(
                            closed_at__isnull=False,
                            opened_at__isnull=False,
                            state="lost",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DisputeChange",
            fields=[
                ("id", row_id()),
                (
                    "dispute",
                    models.ForeignKey(
                        "billing.dispute", models.PROTECT, related_name="changes"
                    ),
                ),
                ("state", models.CharField(max_length=16)),
                ("reason", models.CharField(max_length=200, blank=True)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ProcessorEvent",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor",
                        models.PROTECT,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                ("event_id", models.CharField(max_length=200)),
                ("body", models.BinaryField()),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="received",
                        choices=[
                            ("received", "Received"),
                            ("waiting", "waiting for its payment"),
                            ("done", "Done"),
                            ("quarantined", "Quarantined"),
                            ("set_aside", "set aside: no action needed"),
                        ],
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="Who set it aside, and why.",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        "billing.paymentattempt",
                        models.PROTECT,
                        null=True,
                        related_name="processor_events",
                    ),
                ),
                (
                    "payment_reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the payment that it waits for.",
                    ),
                ),
                (
                    "reported_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When staff was notified that it was not processed.",
                    ),
                ),
                (
                    "conflicts",
                    models.IntegerField(
                        default=0,
                        help_text="Number of refused deliveries under this id with different content.",
                    ),
                ),
                ("conflict_body", models.BinaryField(null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("retry_processorevent", "Can process a processor event again"),
                    ("set_aside_processorevent", "Can set a processor event aside"),
                ],
                "indexes": [
                    models.Index(
                        name="processor_event_due",
                        fields=["next_attempt_at"],
                        condition=Q(state__in=["received", "waiting"]),
                    ),
                    models.Index(
                        name="processor_event_waits_for",
                        fields=["processor", "payment_reference"],
                        condition=Q(state="waiting"),
                    ),
                    models.Index(
                        name="processor_event_unreported",
                        fields=["received_at"],
                        condition=Q(
                            reported_at=None,
                            state__in=["received", "waiting", "quarantined"],
                        ),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_processor_event_counts_once",
                        fields=("processor", "event_id"),
                    ),
                    models.CheckConstraint(
                        name="processor_event_lease_matches_state",
                        condition=Q(
                            leased_until__isnull=False,
                            state__in=["received", "waiting"],
                        )
                        | Q(leased_until=None),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefundAttempt",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        unique=True,
                        db_default=UUID7(),
                        editable=False,
                        help_text="Idempotency key of the attempt at the processor.",
                    ),
                ),
                (
                    "processor",
                    models.ForeignKey(
                        "billing.paymentprocessor", models.PROTECT, related_name="+"
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
                ("currency", models.CharField(max_length=3)),
                ("actor", models.CharField(max_length=200)),
                ("requested_at", models.DateTimeField()),
                (
                    "changed_at",
                    models.DateTimeField(help_text="When the state was last set."),
                ),
                (
                    "reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The processor's id of the charge or refund.",
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
                    "reported_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When staff was notified that the outcome is unknown.",
                    ),
                ),
                (
                    "closed_by",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="Who closed it by hand. Empty if its outcome is the processor's.",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        default="created",
                        choices=[
                            ("created", "Created"),
                            ("sent", "Sent"),
                            ("pending", "pending: in progress at the processor"),
                            ("unknown", "unknown: may have been refunded"),
                            ("succeeded", "Succeeded"),
                            ("failed", "failed: not refunded"),
                        ],
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        "billing.payment",
                        models.PROTECT,
                        related_name="refund_attempts",
                        db_index=False,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "request_reference",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="The reference in the request for the refund.",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("close_refundattempt", "Can close a refund attempt by hand")
                ],
                "indexes": [
                    models.Index(name="refund_attempts_of_payment", fields=["payment"]),
                    models.Index(
                        name="refund_attempt_due",
                        fields=["next_attempt_at"],
                        condition=Q(
                            state__in=["created", "pending", "unknown", "sent"]
                        ),
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="a_refund_attempt_is_an_amount",
                        condition=Q(amount__gt=0, amount__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="refund_attempt_state_valid",
                        condition=Q(
                            state__in=[
                                "created",
                                "sent",
                                "pending",
                                "unknown",
                                "succeeded",
                                "failed",
                            ]
                        ),
                    ),
                    models.CheckConstraint(
                        name="a_refund_attempt_is_counted_before_it_is_sent",
                        condition=Q(first_sent_at=None, sends=0, state="created")
                        | Q(state="failed")
                        | Q(first_sent_at__isnull=False, sends__gt=0),
                    ),
                    models.CheckConstraint(
                        name="a_refund_that_succeeded_has_its_reference",
                        condition=~Q(state="succeeded") | ~Q(reference=""),
                    ),
                    models.UniqueConstraint(
                        name="a_reference_is_of_one_refund_attempt",
                        fields=("processor", "reference"),
                        condition=~Q(reference=""),
                    ),
                    models.UniqueConstraint(
                        name="refund_attempt_request_reference_unique",
                        fields=("payment", "request_reference"),
                        condition=~Q(request_reference=""),
                    ),
                    models.CheckConstraint(
                        name="refund_attempt_lease_matches_state",
                        condition=Q(
                            leased_until__isnull=False,
                            state__in=["sent", "pending", "unknown"],
                        )
                        | (Q(leased_until=None) & ~Q(state__in=["sent"])),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefundAttemptChange",
            fields=[
                ("id", row_id()),
                ("state", models.CharField(max_length=16)),
                ("error", models.CharField(max_length=200, blank=True)),
                ("recorded_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        "billing.refundattempt", models.PROTECT, related_name="changes"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "abstract": False,
            },
        ),
        # billing.dunning
        migrations.CreateModel(
            name="DunningCase",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="dunning_cases"
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        help_text="The oldest invoice of the case.",
                        related_name="+",
                        db_index=False,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("retrying", "retrying: is charged again"),
                            ("waiting", "waiting for another payment method"),
                            ("overdue", "overdue: suspended when the grace is over"),
                            ("suspended", "Suspended"),
                            ("closed", "Closed"),
                        ],
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
                        null=True,
                        help_text="When the case becomes overdue, or calls are suspended.",
                    ),
                ),
                (
                    "next_step_at",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.functions.comparison.Least(
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
                "permissions": [("hold_dunningcase", "Can hold dunning of a payer")],
                "indexes": [
                    models.Index(
                        name="dunning_due",
                        fields=["next_step_at"],
                        condition=Q(closed_at=None),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_open_dunning_case_per_payer",
                        fields=("payer",),
                        condition=Q(closed_at=None),
                    ),
                    models.CheckConstraint(
                        name="dunning_case_closed_at_matches_state",
                        condition=Q(closed_at__isnull=False, state="closed")
                        | (~Q(state="closed") & Q(closed_at__isnull=True)),
                    ),
                    models.CheckConstraint(
                        name="dunning_case_times_match_state",
                        condition=Q(state="retrying")
                        | Q(
                            escalate_at__isnull=False,
                            retry_at__isnull=True,
                            state="waiting",
                        )
                        | Q(escalate_at__isnull=False, state="overdue")
                        | Q(escalate_at__isnull=True, state="suspended")
                        | Q(
                            escalate_at__isnull=True,
                            retry_at__isnull=True,
                            state="closed",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DunningStep",
            fields=[
                ("id", row_id()),
                (
                    "case",
                    models.ForeignKey(
                        "billing.dunningcase", models.PROTECT, related_name="steps"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        max_length=24,
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
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        "billing.paymentattempt",
                        models.PROTECT,
                        null=True,
                        related_name="+",
                        db_index=False,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "next_at",
                    models.DateTimeField(
                        null=True, help_text="When the next step is due."
                    ),
                ),
                ("note", models.CharField(max_length=500, blank=True)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="DunningHold",
            fields=[
                ("id", row_id()),
                (
                    "payer",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="dunning_holds"
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
        # billing.invoicing
        migrations.CreateModel(
            name="VerificationRun",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "kind",
                    models.CharField(
                        max_length=12,
                        choices=[("full", "Full"), ("incremental", "Incremental")],
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=8,
                        default="running",
                        choices=[
                            ("running", "Running"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                        ],
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                (
                    "started_at",
                    models.DateTimeField(help_text="The snapshot is taken after this."),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                (
                    "since",
                    models.DateTimeField(
                        null=True,
                        help_text="An incremental pass checks what was recorded after this.",
                    ),
                ),
                (
                    "findings",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Differences seen, including those already recorded.",
                    ),
                ),
                (
                    "opened",
                    models.PositiveIntegerField(default=0, help_text="New findings."),
                ),
                (
                    "resolved",
                    models.PositiveIntegerField(
                        default=0, help_text="Findings that ended."
                    ),
                ),
                ("pending_facts", models.PositiveIntegerField(null=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        name="verification_due", fields=["kind", "-started_at"]
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_running_verification_per_kind",
                        fields=("kind",),
                        condition=Q(state="running"),
                    ),
                    models.CheckConstraint(
                        name="a_running_verification_has_a_lease",
                        condition=Q(
                            finished_at=None,
                            leased_until__isnull=False,
                            state="running",
                        )
                        | (
                            ~Q(state="running")
                            & Q(finished_at__isnull=False)
                            & Q(leased_until=None)
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VerificationFinding",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                ("code", models.CharField(max_length=40)),
                (
                    "scope",
                    models.CharField(
                        verbose_name="holds",
                        max_length=10,
                        choices=[
                            ("document", "the document"),
                            ("agency", "documents that include the agency (and month)"),
                            ("payer", "every document of the payer"),
                            ("price_list", "documents priced with the list"),
                            ("platform", "no document"),
                        ],
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, null=True, related_name="+"
                    ),
                ),
                ("month", models.DateField(null=True)),
                (
                    "document",
                    models.ForeignKey(
                        "billing.document",
                        models.PROTECT,
                        null=True,
                        related_name="findings",
                    ),
                ),
                (
                    "price_list",
                    models.ForeignKey(
                        "billing.pricelist", models.PROTECT, null=True, related_name="+"
                    ),
                ),
                (
                    "count",
                    models.PositiveIntegerField(help_text="Number of differences."),
                ),
                (
                    "details",
                    ArrayField(
                        help_text="The first differences.",
                        base_field=models.TextField(),
                        size=None,
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        max_length=64, help_text="SHA-256 over all differences."
                    ),
                ),
                (
                    "first_run",
                    models.ForeignKey(
                        "billing.verificationrun",
                        models.PROTECT,
                        null=True,
                        help_text="Empty: seen right before a charge.",
                        related_name="+",
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("accepted_by", models.CharField(max_length=200, blank=True)),
                ("accepted_reason", models.CharField(max_length=500, blank=True)),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [("accept_verificationfinding", "Can accept a finding")],
                "indexes": [
                    models.Index(
                        name="verification_finding_open",
                        fields=["scope"],
                        condition=Q(accepted_at=None, resolved_at=None),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_open_finding_per_code_and_object",
                        fields=(
                            "code",
                            "scope",
                            "agency",
                            "month",
                            "document",
                            "price_list",
                        ),
                        condition=Q(resolved_at=None),
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        name="verification_finding_acceptance_complete",
                        condition=Q(
                            accepted_at=None, accepted_by="", accepted_reason=""
                        )
                        | (
                            Q(accepted_at__isnull=False)
                            & ~Q(accepted_by="")
                            & ~Q(accepted_reason="")
                        ),
                    ),
                    models.CheckConstraint(
                        name="verification_finding_object_by_scope",
                        condition=Q(document__isnull=False, scope="document")
                        | Q(agency__isnull=False, scope__in=["agency", "payer"])
                        | Q(price_list__isnull=False, scope="price_list")
                        | Q(scope="platform"),
                    ),
                ],
            },
        ),
        # billing.ledger
        migrations.CreateModel(
            name="LedgerTransaction",
            fields=[
                ("id", row_id()),
                (
                    "payer",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                (
                    "kind",
                    models.CharField(
                        max_length=16,
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
                    ),
                ),
                (
                    "fact_id",
                    models.BigIntegerField(
                        help_text="Id of the document, payment, allocation, refund or dispute."
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        name="a_fact_is_posted_once", fields=("kind", "fact_id")
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", row_id()),
                (
                    "transaction",
                    models.ForeignKey(
                        "billing.ledgertransaction",
                        models.PROTECT,
                        related_name="entries",
                        db_index=False,
                    ),
                ),
                (
                    "account",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("receivable", "accounts receivable"),
                            ("revenue_seats", "revenue, seats"),
                            ("revenue_usage", "revenue, usage"),
                            ("tax_payable", "Tax Payable"),
                            ("cash", "Cash"),
                            ("disputed", "withheld for disputes"),
                            ("customer_credit", "Customer Credit"),
                        ],
                    ),
                ),
                (
                    "processor",
                    models.CharField(
                        max_length=32,
                        blank=True,
                        help_text="Processor that holds the cash.",
                    ),
                ),
                ("amount", models.DecimalField(max_digits=18, decimal_places=3)),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "ordering": ["transaction", "account"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_entry_per_account_and_transaction",
                        fields=("transaction", "account"),
                    ),
                    models.CheckConstraint(
                        name="an_entry_is_an_amount",
                        condition=~Q(amount=0) & Q(amount__lt=100000000000000),
                    ),
                    models.CheckConstraint(
                        name="ledger_entry_processor_for_cash_only",
                        condition=(Q(account="cash") & ~Q(processor=""))
                        | (~Q(account="cash") & Q(processor="")),
                    ),
                ],
            },
        ),
        # billing.mail
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        null=True,
                        help_text="The agency the mail is about. Empty: the platform.",
                        related_name="+",
                    ),
                ),
                ("template", models.CharField(max_length=64)),
                (
                    "subject_key",
                    models.CharField(
                        max_length=200,
                        help_text="What the mail is about. Each address gets one mail per template and key.",
                    ),
                ),
                (
                    "to",
                    ArrayField(base_field=models.CharField(max_length=254), size=None),
                ),
                ("subject", models.CharField(max_length=250)),
                ("text", models.TextField()),
                ("html", models.TextField()),
                (
                    "state",
                    models.CharField(
                        max_length=8,
                        choices=[
                            ("queued", "Queued"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("held", "held: no mail server is set"),
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("send_again_mail", "Can send a mail again")],
                "indexes": [
                    models.Index(
                        name="mails_to_send",
                        fields=["next_attempt_at"],
                        condition=Q(state__in=["queued", "sending"]),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_mail_per_cause",
                        fields=("template", "subject_key", "to"),
                    ),
                    models.CheckConstraint(
                        name="mail_recipients_required", condition=Q(to__len__gt=0)
                    ),
                    models.CheckConstraint(
                        name="mail_sent_at_matches_state",
                        condition=Q(sent_at__isnull=False, state="sent")
                        | (~Q(state="sent") & Q(sent_at__isnull=True)),
                    ),
                    models.CheckConstraint(
                        name="mail_lease_matches_state",
                        condition=Q(leased_until__isnull=False, state__in=["sending"])
                        | (Q(leased_until=None) & ~Q(state__in=["sending"])),
                    ),
                ],
            },
        ),
        # billing.metering
        migrations.CreateModel(
            name="EventKey",
            fields=[
                ("key", models.UUIDField(primary_key=True, serialize=False)),
                ("content", models.UUIDField()),
                ("event_id", models.BigIntegerField(null=True)),
                ("used_on", models.DateField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        name="event_key_event_and_date_together",
                        condition=Q(event_id__isnull=True, used_on__isnull=True)
                        | Q(event_id__isnull=False, used_on__isnull=False),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "id",
                        "used_on",
                        primary_key=True,
                        blank=True,
                        editable=False,
                        serialize=False,
                    ),
                ),
                ("id", models.BigIntegerField()),
                ("used_on", models.DateField(help_text="Local date of the agency.")),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.DO_NOTHING,
                        related_name="+",
                        db_constraint=False,
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.DO_NOTHING,
                        null=True,
                        related_name="+",
                        db_constraint=False,
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        "billing.meter",
                        models.DO_NOTHING,
                        related_name="+",
                        db_constraint=False,
                    ),
                ),
                ("breakdown", models.CharField(max_length=40)),
                (
                    "owner",
                    models.BigIntegerField(
                        help_text="Agency of the key; 0: the platform."
                    ),
                ),
                ("source", models.CharField(max_length=200)),
                ("external_id", models.CharField(max_length=200)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("raw", models.DecimalField(max_digits=20, decimal_places=6)),
                ("billable", models.DecimalField(max_digits=20, decimal_places=6)),
                ("properties", models.JSONField()),
                ("cutoff", models.BigIntegerField()),
                (
                    "supersedes",
                    models.CharField(
                        max_length=200,
                        null=True,
                        help_text="External id of the event it replaces.",
                    ),
                ),
                (
                    "reverses",
                    models.BigIntegerField(
                        null=True,
                        help_text="Id of the event of that date that this row takes back.",
                    ),
                ),
            ],
            options={
                "db_table": "billing_usageevent",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="UsageDay",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        related_name="+",
                        db_index=False,
                        db_constraint=False,
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.PROTECT,
                        null=True,
                        related_name="+",
                        db_index=False,
                        db_constraint=False,
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        "billing.meter",
                        models.PROTECT,
                        related_name="+",
                        db_index=False,
                        db_constraint=False,
                    ),
                ),
                ("breakdown", models.CharField(max_length=40, blank=True, default="")),
                ("used_on", models.DateField()),
                ("cutoff", models.BigIntegerField()),
                ("events", models.BigIntegerField()),
                ("raw", models.DecimalField(max_digits=24, decimal_places=6)),
                ("billable", models.DecimalField(max_digits=24, decimal_places=6)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        name="one_usage_day_per_key_and_cutoff",
                        fields=(
                            "agency",
                            "cutoff",
                            "used_on",
                            "meter",
                            "agent",
                            "breakdown",
                        ),
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        name="usage_day_quantities_finite",
                        condition=Q(raw__lt=100000000000000)
                        & Q(billable__lt=100000000000000),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ArchivedMonth",
            fields=[
                ("month", models.DateField(primary_key=True, serialize=False)),
                ("file_name", models.CharField(max_length=100, unique=True)),
                ("rows", models.BigIntegerField()),
                ("file_size", models.BigIntegerField(help_text="Bytes.")),
                ("file_hash", models.CharField(max_length=64, help_text="SHA-256.")),
                (
                    "sums_hash",
                    models.CharField(
                        max_length=64,
                        help_text="SHA-256 of the sums by agency, meter and cut-off.",
                    ),
                ),
                ("archived_at", models.DateTimeField()),
                ("detached_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ["month"],
                "constraints": [
                    models.CheckConstraint(
                        name="archived_month_starts_with_a_month",
                        condition=Q(month__day=1),
                    ),
                    models.CheckConstraint(
                        name="an_archive_is_a_file_of_rows",
                        condition=Q(file_size__gt=0, rows__gte=0),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuarantinedEvent",
            fields=[
                ("id", row_id()),
                ("key", models.UUIDField()),
                ("content", models.UUIDField()),
                (
                    "owner",
                    models.BigIntegerField(
                        help_text="Agency of the key; 0: the platform."
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        null=True,
                        help_text="If it is known.",
                        related_name="+",
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                ("message", models.CharField(max_length=500)),
                ("event", models.JSONField(help_text="The event as it was sent.")),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        max_length=8,
                        default="held",
                        choices=[
                            ("held", "Held"),
                            ("released", "counted after all"),
                            ("dropped", "Dropped"),
                        ],
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.CharField(max_length=200, blank=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("release_quarantinedevent", "Can release a quarantined event"),
                    (
                        "replace_counted_quarantinedevent",
                        "Can count a quarantined event instead of another",
                    ),
                    ("drop_quarantinedevent", "Can drop a quarantined event"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="quarantined_event_key_content_unique",
                        fields=("key", "content"),
                    ),
                    models.CheckConstraint(
                        name="quarantined_event_settled_at_matches_state",
                        condition=Q(settled_at__isnull=True, state="held")
                        | Q(
                            settled_at__isnull=False, state__in=["released", "dropped"]
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageImport",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="imports"
                    ),
                ),
                ("format", models.CharField(max_length=20)),
                (
                    "zone",
                    models.CharField(
                        max_length=64, help_text="Of its times without offset."
                    ),
                ),
                ("file_name", models.CharField(max_length=255)),
                ("file_hash", models.CharField(max_length=64, help_text="SHA-256.")),
                ("file_size", models.BigIntegerField(help_text="Bytes.")),
                ("actor", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        max_length=8,
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                    ),
                ),
                (
                    "uploaded",
                    models.BooleanField(help_text="A worker reads it, not a command."),
                ),
                (
                    "last_turn_at",
                    models.DateTimeField(
                        null=True,
                        help_text="When a worker last began to read a part of it.",
                    ),
                ),
                (
                    "rows",
                    models.BigIntegerField(default=0, help_text="Rows read so far."),
                ),
                (
                    "accepted",
                    models.BigIntegerField(
                        default=0, help_text="Rows counted as usage."
                    ),
                ),
                (
                    "duplicate",
                    models.BigIntegerField(
                        default=0, help_text="Rows whose event was counted before."
                    ),
                ),
                (
                    "rejected",
                    models.BigIntegerField(
                        default=0,
                        help_text="Rows that could not be counted, each with its reason.",
                    ),
                ),
                (
                    "skipped",
                    models.BigIntegerField(
                        default=0,
                        help_text="Rows that are not usage, such as a call's other leg.",
                    ),
                ),
                ("waiting", models.BigIntegerField(default=0, db_default=0)),
                ("unread", models.BigIntegerField(default=0, db_default=0)),
                (
                    "reasons",
                    models.JSONField(
                        default=dict, db_default=Value({}, models.JSONField())
                    ),
                ),
                (
                    "seconds",
                    models.JSONField(
                        default=dict, db_default=Value({}, models.JSONField())
                    ),
                ),
                ("reading", models.PositiveSmallIntegerField(default=2, db_default=1)),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(
                        name="usage_import_unfinished",
                        fields=["next_attempt_at"],
                        condition=Q(state__in=["waiting", "running"]),
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="usage_import_rows_equal_counts",
                        condition=Q(
                            rows=F("accepted")
                            + F("duplicate")
                            + F("rejected")
                            + F("skipped")
                            + F("waiting")
                            + F("unread")
                        ),
                    ),
                    models.CheckConstraint(
                        name="usage_import_finished_at_matches_state",
                        condition=Q(
                            finished_at__isnull=False, state__in=["done", "failed"]
                        )
                        | Q(finished_at__isnull=True, state__in=["waiting", "running"]),
                    ),
                    models.CheckConstraint(
                        name="usage_import_lease_matches_state",
                        condition=Q(leased_until__isnull=False, state__in=["running"])
                        | (Q(leased_until=None) & ~Q(state__in=["running"])),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ConversationLeg",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("source", models.CharField(max_length=200)),
                ("leg", models.CharField(max_length=200)),
                ("conversation", models.CharField(max_length=200)),
                (
                    "content",
                    models.JSONField(
                        help_text="The leg as it was read, without numbers."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=8,
                        choices=[
                            ("counted", "Counted"),
                            ("skipped", "Skipped"),
                            ("waiting", "Waiting"),
                        ],
                    ),
                ),
                ("reason", models.CharField(max_length=80, blank=True)),
                ("event", models.CharField(max_length=220, blank=True)),
                ("agent", models.CharField(max_length=200, blank=True)),
                ("version", models.PositiveSmallIntegerField(default=0)),
                ("used_on", models.DateField()),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "call leg",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        name="conversation_leg_together",
                        fields=["agency", "source", "conversation"],
                    ),
                    models.Index(
                        name="conversation_leg_waiting",
                        fields=["used_on"],
                        condition=Q(state="waiting"),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="conversation_leg_unique_leg",
                        fields=("agency", "source", "leg"),
                    ),
                    models.CheckConstraint(
                        name="conversation_leg_counted_has_event",
                        condition=~Q(event="", state="counted"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportPart",
            fields=[
                ("id", row_id()),
                (
                    "usage_import",
                    models.ForeignKey(
                        "billing.usageimport",
                        models.CASCADE,
                        related_name="parts",
                        db_index=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        name="one_part_per_position",
                        fields=("usage_import", "position"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RejectedRow",
            fields=[
                ("id", row_id()),
                (
                    "usage_import",
                    models.ForeignKey(
                        "billing.usageimport",
                        models.CASCADE,
                        related_name="rejected_rows",
                    ),
                ),
                ("row", models.BigIntegerField()),
                ("code", models.CharField(max_length=40)),
                ("field", models.CharField(max_length=80, blank=True)),
                ("message", models.CharField(max_length=500)),
                ("cells", models.JSONField()),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        # billing.recurring
        migrations.CreateModel(
            name="RecurringJob",
            fields=[
                (
                    "name",
                    models.CharField(primary_key=True, max_length=64, serialize=False),
                ),
                ("next_run_at", models.DateTimeField()),
                ("claims", models.PositiveBigIntegerField(default=0)),
                ("last_finished_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(max_length=500, blank=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        # billing.webhooks
        migrations.CreateModel(
            name="OutboxStream",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.OneToOneField(
                        "seats.agency", models.PROTECT, blank=True, null=True
                    ),
                ),
                ("last_sequence", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        name="one_stream_per_agency",
                        fields=("agency",),
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "stream",
                    models.ForeignKey(
                        "billing.outboxstream",
                        models.PROTECT,
                        related_name="events",
                        db_index=False,
                    ),
                ),
                ("sequence", models.BigIntegerField()),
                ("type", models.CharField(max_length=64)),
                (
                    "subject",
                    models.CharField(
                        max_length=120,
                        help_text="The object of the event. Events of one object are delivered in order.",
                    ),
                ),
                ("payload", models.JSONField()),
                ("occurred_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["stream", "sequence"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_event_per_sequence_number",
                        fields=("stream", "sequence"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FannedOut",
            fields=[
                (
                    "stream",
                    models.OneToOneField(
                        "billing.outboxstream",
                        models.PROTECT,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("through", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        help_text="Whose events are delivered, without its downline. Empty: all events.",
                        related_name="webhook_endpoints",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        editable=False,
                        help_text="Who added it and must reach the agency. Empty: the platform.",
                        related_name="+",
                    ),
                ),
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(max_length=200, blank=True)),
                (
                    "event_types",
                    ArrayField(
                        default=list,
                        help_text="The subscribed event types. Empty: all.",
                        base_field=models.CharField(max_length=64),
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        max_length=10,
                        default="enabled",
                        choices=[
                            ("enabled", "Enabled"),
                            ("paused", "paused: holds its events"),
                            ("disabled", "disabled: holds its events"),
                            ("ended", "ended: its owner no longer reaches the agency"),
                        ],
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        max_length=200,
                        blank=True,
                        help_text="Why the endpoint is in this state.",
                    ),
                ),
                ("failing_since", models.DateTimeField(null=True)),
                (
                    "quiet_until",
                    models.DateTimeField(
                        null=True,
                        help_text="The receiver is busy; nothing is sent before this.",
                    ),
                ),
                ("sealed_secret", models.TextField()),
                ("sealed_previous", models.TextField(blank=True)),
                ("previous_until", models.DateTimeField(null=True)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["pk"],
                "permissions": [
                    ("pause_webhookendpoint", "Can pause a webhook endpoint"),
                    ("resume_webhookendpoint", "Can resume a webhook endpoint"),
                    ("send_test_webhookendpoint", "Can send a test event"),
                    ("replay_webhookendpoint", "Can send events to an endpoint again"),
                    ("rotate_webhookendpoint", "Can make a new secret for an endpoint"),
                ],
                "indexes": [
                    models.Index(
                        name="endpoint_of_an_upline",
                        fields=["agency", "owner"],
                        condition=Q(deleted_at=None)
                        & Q(owner__isnull=False)
                        & ~Q(owner=F("agency"))
                        & ~Q(state="ended"),
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="webhook_endpoint_state_valid",
                        condition=Q(
                            state__in=["enabled", "paused", "disabled", "ended"]
                        ),
                    ),
                    models.CheckConstraint(
                        name="a_deleted_endpoint_has_no_secrets",
                        condition=Q(deleted_at=None)
                        | Q(sealed_previous="", sealed_secret="", state="disabled"),
                    ),
                    models.CheckConstraint(
                        name="an_ended_endpoint_has_no_secrets",
                        condition=~Q(state="ended")
                        | Q(sealed_previous="", sealed_secret=""),
                    ),
                    models.CheckConstraint(
                        name="a_previous_secret_has_an_end",
                        condition=Q(previous_until=None, sealed_previous="")
                        | (~Q(sealed_previous="") & Q(previous_until__isnull=False)),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", row_id()),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Attempts begun; each is counted before the work.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(help_text="When the next attempt is due."),
                ),
                (
                    "leased_until",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="While a worker holds it: when another may take over.",
                    ),
                ),
                (
                    "last_error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt did not succeed."
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        "billing.webhookendpoint",
                        models.PROTECT,
                        related_name="deliveries",
                        db_index=False,
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        "billing.outboxevent", models.PROTECT, related_name="deliveries"
                    ),
                ),
                ("subject", models.CharField(max_length=120)),
                (
                    "state",
                    models.CharField(
                        max_length=10,
                        default="pending",
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Sending"),
                            ("delivered", "Delivered"),
                            ("given_up", "given up"),
                        ],
                    ),
                ),
                (
                    "tries",
                    models.IntegerField(
                        default=0, help_text="Attempts begun since it was last queued."
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-pk"],
                "permissions": [("replay_delivery", "Can send an event again")],
                "indexes": [
                    models.Index(
                        name="delivery_due",
                        fields=["endpoint", "next_attempt_at", "event"],
                        condition=Q(state__in=["pending", "sending"]),
                    ),
                    models.Index(
                        name="delivery_open_by_subject",
                        fields=["endpoint", "subject", "event"],
                        condition=Q(state__in=["pending", "sending"]),
                    ),
                    models.Index(
                        name="delivery_sent",
                        fields=["endpoint"],
                        condition=Q(state="sending"),
                    ),
                    models.Index(
                        name="delivery_settled",
                        fields=["settled_at"],
                        condition=Q(state="delivered"),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_delivery_per_endpoint_and_event",
                        fields=("endpoint", "event"),
                    ),
                    models.CheckConstraint(
                        name="delivery_settled_at_matches_state",
                        condition=Q(settled_at=None, state__in=["pending", "sending"])
                        | Q(
                            settled_at__isnull=False,
                            state__in=["delivered", "given_up"],
                        ),
                    ),
                    models.CheckConstraint(
                        name="delivery_lease_matches_state",
                        condition=Q(leased_until__isnull=False, state__in=["sending"])
                        | (Q(leased_until=None) & ~Q(state__in=["sending"])),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
            fields=[
                ("id", row_id()),
                (
                    "delivery",
                    models.ForeignKey(
                        "billing.delivery",
                        models.CASCADE,
                        related_name="log",
                        db_index=False,
                    ),
                ),
                ("number", models.IntegerField()),
                ("made_at", models.DateTimeField(db_index=True)),
                ("http_status", models.IntegerField(null=True)),
                ("latency_ms", models.IntegerField()),
                ("answer", models.TextField(blank=True)),
                ("error", models.CharField(max_length=200, blank=True)),
            ],
            options={
                "ordering": ["delivery", "number"],
                "constraints": [
                    models.UniqueConstraint(
                        name="delivery_attempt_number_unique",
                        fields=("delivery", "number"),
                    ),
                ],
            },
        ),
    ]
