"""Monthly budgets, how much of each is used, and the alerts sent about it."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from billing.pricing.models import Meter
from core.audit import audited
from core.postgres.columns import BELOW, UUID7
from seats.models import Agency, Agent

THRESHOLDS = [50, 80, 100]
MAX_THRESHOLDS = 10


def default_thresholds() -> list[int]:
    """The percentages at which alerts are sent, unless others are set."""
    return [*THRESHOLDS]


@audited(money=("amount",))
class Budget(models.Model):
    """A monthly limit on an agency's usage.

    Either an amount of money for all usage, or a quantity in billed units of one meter,
    for all agents or for one. Once a hard budget is used up, calls are refused.
    """

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="budgets")
    owner = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        help_text="The agency that set the budget last. Empty: the platform.",
    )
    ended_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When it ended because its owner no longer reached the agency.",
    )
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    meter = models.ForeignKey(
        Meter, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    amount = models.DecimalField(
        max_digits=18,
        decimal_places=3,
        null=True,
        blank=True,
        help_text="The limit for all usage, without seats, in the agency's currency.",
    )
    quantity = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="The limit in billed units of the meter.",
    )
    hard = models.BooleanField(
        default=False, help_text="Refuse calls once the budget is used up."
    )
    thresholds = ArrayField(
        models.PositiveSmallIntegerField(),
        default=default_thresholds,
        help_text="Percentages at which alerts are sent.",
    )
    since = models.DateField(
        editable=False, help_text="The first month that the budget applies to."
    )
    created_at = models.DateTimeField(editable=False)
    changed_by = models.CharField(max_length=200, editable=False)

    class Meta:
        ordering = ["agency", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "agent", "meter", "hard"],
                condition=Q(ended_at=None),
                name="budget_agency_agent_meter_hard_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gt=0,
                    amount__lt=BELOW,
                    quantity__isnull=True,
                    meter__isnull=True,
                    agent__isnull=True,
                )
                | Q(
                    amount__isnull=True,
                    quantity__gt=0,
                    quantity__lt=BELOW,
                    meter__isnull=False,
                ),
                name="budget_amount_or_meter_quantity",
            ),
            models.CheckConstraint(
                condition=Q(thresholds__len__gt=0)
                & Q(thresholds__len__lte=MAX_THRESHOLDS),
                name="budget_thresholds_count",
            ),
            models.CheckConstraint(
                condition=Q(since__day=1), name="a_budget_starts_with_a_month"
            ),
        ]

    def __str__(self) -> str:
        return f"Budget of {self.agency.code} from {self.since:%Y-%m} on"

    @property
    def limit(self) -> Decimal:
        """The amount or the quantity."""
        limit = self.amount if self.quantity is None else self.quantity
        assert limit is not None
        return limit


class BudgetMonth(models.Model):
    """How much of a budget was used in a month when it was last evaluated."""

    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="months", db_index=False
    )
    month = models.DateField()
    used = models.DecimalField(max_digits=24, decimal_places=6)
    expected = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        help_text="Expected usage by the end of the month.",
    )
    evaluated_at = models.DateTimeField()

    class Meta:
        ordering = ["budget", "-month"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "month"], name="one_budget_month_per_month"
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="budget_month_starts_with_a_month"
            ),
            models.CheckConstraint(
                condition=Q(used__lt=BELOW) & Q(expected__lt=BELOW),
                name="budget_month_totals_finite",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.used}"


class BudgetAlert(models.Model):
    """An alert that a threshold is reached, or that the limit will be; one per month.

    `sent_on` is the agency's local date when the alert was sent.
    """

    class Kind(models.TextChoices):
        REACHED = "reached"
        FORECAST = "forecast"

    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="alerts", db_index=False
    )
    month = models.DateField()
    threshold = models.PositiveSmallIntegerField(help_text="Percent.")
    kind = models.CharField(max_length=8, choices=Kind)
    sent_on = models.DateField(help_text="Local date of the agency.")
    used = models.DecimalField(max_digits=24, decimal_places=6)
    limit = models.DecimalField(max_digits=24, decimal_places=6)
    expected_on = models.DateField(
        null=True, help_text="When the limit will be reached."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "month", "threshold", "kind"],
                name="one_alert_per_threshold_and_month",
            ),
            models.CheckConstraint(
                condition=Q(kind="forecast", expected_on__isnull=False)
                | Q(kind="reached", expected_on__isnull=True),
                name="budget_alert_expected_on_by_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.threshold} % in {self.month:%Y-%m}"
