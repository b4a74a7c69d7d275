"""Budgets in API requests and responses."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.budgets.models import MAX_THRESHOLDS, Budget, BudgetMonth
from billing.budgets.services.alerts import unit_of
from billing.budgets.services.budgets import MAX_PERCENT
from billing.invoicing.api.serializers import Month
from billing.metering.api.serializers import Money, Plain
from core.fields import PlainDecimal, PlainInteger
from core.money import money_text, plain, round_money
from seats.roster.api.serializers import RequestBody, printable

SMALLEST = Decimal("0.000001")


class BudgetMonthOut(serializers.ModelSerializer[BudgetMonth]):
    """How much of a budget was used when it was last evaluated."""

    month = Month()
    used = serializers.SerializerMethodField()
    expected = serializers.SerializerMethodField()

    class Meta:
        model = BudgetMonth
        fields = ["month", "used", "expected", "evaluated_at"]

    def get_used(self, month: BudgetMonth) -> str:
        return _in_unit_of(month.budget, month.used)

    def get_expected(self, month: BudgetMonth) -> str:
        return _in_unit_of(month.budget, month.expected)


class BudgetOut(serializers.ModelSerializer[Budget]):
    """A budget; `unit` is the currency of an amount, or the billed unit of a meter."""

    id = serializers.UUIDField(source="public_id")
    agency = serializers.CharField(source="agency.code")
    owner = serializers.CharField(source="owner.code", default=None, allow_null=True)
    agent = serializers.CharField(
        source="agent.external_id", default=None, allow_null=True
    )
    meter = serializers.CharField(source="meter.code", default=None, allow_null=True)
    amount = Money(allow_null=True, currency="agency.currency")
    quantity = Plain(allow_null=True)
    unit = serializers.SerializerMethodField()
    newest = serializers.SerializerMethodField()

    class Meta:
        model = Budget
        fields = [
            "id", "agency", "owner", "agent", "meter", "amount", "quantity", "unit",
            "hard", "thresholds", "ended_at", "newest",
        ]  # fmt: skip

    def get_unit(self, budget: Budget) -> str:
        return unit_of(budget)

    @extend_schema_field(BudgetMonthOut(allow_null=True))
    def get_newest(self, budget: Budget) -> Any:
        reached = self.context.get("reached")
        if reached is not None and budget.agency_id not in reached:
            return None  # its former upline sees that it ended, but no usage
        months = list(budget.months.all())  # prefetched, newest first
        return BudgetMonthOut(months[0]).data if months else None


class BudgetChangeIn(RequestBody):
    """The fields to change; the others keep their values."""

    amount = PlainDecimal(18, 3, required=False, min_value=SMALLEST)
    quantity = PlainDecimal(24, 6, required=False, min_value=SMALLEST)
    hard = serializers.BooleanField(required=False)
    thresholds = serializers.ListField(
        child=PlainInteger(min_value=1, max_value=MAX_PERCENT),
        required=False,
        min_length=1,
        max_length=MAX_THRESHOLDS,
    )


class BudgetIn(BudgetChangeIn):
    """A new budget: an `amount` for an agency's usage, or a `quantity` of a meter."""

    agency = serializers.CharField(
        required=False, help_text="An agency's code. Default: the API key's agency."
    )
    agent = serializers.CharField(required=False, max_length=64, validators=[printable])
    meter = serializers.CharField(required=False, max_length=64, validators=[printable])


class BudgetFilter(serializers.Serializer[Any]):
    """Filters for a list of budgets."""

    agency = serializers.CharField(
        required=False,
        help_text="An agency's code. Default: all agencies within reach.",
    )


def _in_unit_of(budget: Budget, number: Decimal) -> str:
    """An amount in the agency's currency, or a quantity in the meter's billed unit."""
    if budget.meter:
        return plain(number)
    currency = budget.agency.currency
    return money_text(round_money(number, currency), currency)
