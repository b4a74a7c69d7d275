"""Issued documents and their lines in API responses."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from billing.invoicing.models.documents import Document, DocumentLine
from billing.metering.api.serializers import Money, Plain


@extend_schema_field({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"})
class Month(serializers.DateField):
    """A month, written 2026-10."""

    def __init__(self) -> None:
        super().__init__(format="%Y-%m")


class DocumentOut(serializers.ModelSerializer[Document]):
    """An issued document; `label` is the number as printed."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    month = Month()
    price_list = serializers.CharField(source="price_list.code", default="")
    subtotal = Money()
    tax = Money()
    total = Money()

    class Meta:
        model = Document
        fields = [
            "id", "label", "payer", "kind", "state", "month", "currency", "subtotal",
            "tax", "total", "issued_at", "due_at", "price_list", "price_list_hash",
            "hash", "previous_hash",
        ]  # fmt: skip


class LineOut(serializers.ModelSerializer[DocumentLine]):
    """A line; `amount` is `amount_now` less `amount_before`."""

    agency = serializers.CharField(source="agency.code")
    month = Month()
    meter = serializers.CharField(source="meter.code", default=None, allow_null=True)
    price_list = serializers.CharField(source="price_list.code")
    raw = Plain()
    billable = Plain()
    quantity = Plain()
    included = Plain()
    unit_price = Plain(allow_null=True)
    charge = Money(currency="document.currency")
    amount_before = Money(currency="document.currency")
    amount_now = Money(currency="document.currency")
    amount = Money(currency="document.currency")
    tax = Money(currency="document.currency")

    class Meta:
        model = DocumentLine
        fields = [
            "position", "agency", "month", "late", "meter", "price_list",
            "description", "raw", "billable", "quantity", "included", "unit_price",
            "charge", "amount_before", "amount_now", "amount", "tax",
        ]  # fmt: skip


class DocumentFilter(serializers.Serializer[Any]):
    """Filters for a list of documents."""

    agency = serializers.CharField(
        required=False, help_text="The payer's code. Default: all payers within reach."
    )
    month = serializers.CharField(
        required=False, max_length=7, help_text="A month: 2026-10."
    )
    state = serializers.ChoiceField(
        [s for s in Document.State.values if s != "draft"], required=False
    )
    kind = serializers.ChoiceField(Document.Kind.values, required=False)


class SeatPartOut(serializers.Serializer[Any]):
    """A holder of a seat: the seat days in the month, and their part of the charge."""

    seat = serializers.UUIDField()
    agent = serializers.CharField()
    days = serializers.IntegerField()
    amount = Money(currency="/currency")


@extend_schema_serializer(many=False)
class SeatsOut(serializers.Serializer[Any]):
    """The seats behind a seat line; their amounts sum to the agency's charge."""

    agency = serializers.CharField()
    month = serializers.CharField(help_text="2026-10")
    currency = serializers.CharField()
    charge = Money(currency="/currency")
    includes = serializers.ListField(child=serializers.CharField())
    seats = SeatPartOut(many=True)


class AgencyMonthFilter(serializers.Serializer[Any]):
    """An agency and a month."""

    agency = serializers.CharField(
        required=False, help_text="An agency's code. Default: the API key's agency."
    )
    month = serializers.CharField(
        required=False, max_length=7, help_text="A month: 2026-10. Default: this month."
    )


class IncrementCostOut(serializers.Serializer[Any]):
    """`billed` in raw units; `difference` is how much more the price list costs."""

    minimum = Plain()
    increment = Plain()
    billed = Plain()
    quantity = Plain()
    amount = Money(currency="/currency")
    difference = Money(currency="/currency")


class IncrementComparisonOut(serializers.Serializer[Any]):
    """`used` in raw units; `listed` is how the price list counts."""

    meter = serializers.CharField()
    unit = serializers.CharField()
    used = Plain()
    listed = IncrementCostOut()
    others = IncrementCostOut(many=True)


@extend_schema_serializer(many=False)
class RoundingOut(serializers.Serializer[Any]):
    """What an agency's calls of a month cost with different billing increments."""

    agency = serializers.CharField()
    month = serializers.CharField(help_text="2026-10")
    currency = serializers.CharField()
    meters = IncrementComparisonOut(many=True)


class MeterForecastOut(serializers.Serializer[Any]):
    """`billable` in raw units; quantities in the billed `unit`."""

    meter = serializers.CharField()
    unit = serializers.CharField()
    billable = Plain()
    quantity = Plain()
    amount = Money(currency="/forecast.currency")
    forecast_quantity = Plain()
    forecast_amount = Money(currency="/forecast.currency")


@extend_schema_serializer(many=False)
class ForecastOut(serializers.Serializer[Any]):
    """A month so far and at its end; `basis` is the period that was averaged."""

    agency = serializers.CharField()
    month = serializers.CharField(help_text="2026-10")
    as_of = serializers.DateField()
    currency = serializers.CharField(source="forecast.currency")
    basis = serializers.ChoiceField(
        ["elapsed", "last_month", "complete"], source="forecast.basis"
    )
    elapsed_days = serializers.IntegerField(source="forecast.elapsed_days")
    days = serializers.IntegerField(source="forecast.days")
    seat_days = serializers.IntegerField(source="forecast.seat_days")
    seat_amount = Money(source="forecast.seat_amount", currency="forecast.currency")
    meters = MeterForecastOut(source="forecast.meters", many=True)
    total = Money(source="forecast.total", currency="forecast.currency")
    forecast_total = Money(
        source="forecast.forecast_total", currency="forecast.currency"
    )
