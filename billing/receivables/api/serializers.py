"""Payments and statements of account as the API takes and gives them."""

from typing import Any

from rest_framework import serializers

from billing.metering.api.serializers import Money
from billing.receivables.models import Payment
from core.fields import LocalDate, PlainDecimal
from seats.roster.api.serializers import RequestBody, printable


class PaymentOut(serializers.ModelSerializer[Payment]):
    """A payment received; `refunded` is the part that was refunded.

    A payment with `reversed_at` was recorded by mistake and does not count.
    """

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    amount = Money()
    refunded = Money()

    class Meta:
        model = Payment
        fields = [
            "id", "payer", "amount", "currency", "refunded", "processor", "reference",
            "method", "received_at", "reversed_at",
        ]  # fmt: skip


class MovementOut(serializers.Serializer[Any]):
    """A change of what the agency owes; `balance` is what it owes afterwards.

    Positive amounts are owed by the agency.
    """

    date = serializers.DateField(source="on")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(
        choices=[
            "invoice", "credit_note", "void", "payment", "reversal", "refund", "chargeback",
        ]
    )  # fmt: skip
    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    amount = Money(currency="/payer.currency")
    balance = Money(currency="/payer.currency")


class StatementOut(serializers.Serializer[Any]):
    """The movements on local dates from `from` (inclusive) to `to` (exclusive).

    `from` is null if all earlier movements are listed. A negative balance is a credit
    balance.
    """

    agency = serializers.CharField(source="payer.code")
    currency = serializers.CharField(source="payer.currency")
    to = serializers.DateField(source="ends_on")
    opening = Money(currency="payer.currency")
    closing = Money(currency="payer.currency")
    movements = MovementOut(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": serializers.DateField(source="starts_on", allow_null=True),
            **super().get_fields(),
        }


class StatementFilter(serializers.Serializer[Any]):
    """The agency and the local dates of a statement of account."""

    agency = serializers.CharField(
        required=False, help_text="Code of the payer. Default: the key's own agency."
    )
    to = LocalDate(
        required=False, help_text="First date that is not listed. Default: tomorrow."
    )

    def get_fields(self) -> dict[str, Any]:
        starts_on = LocalDate(
            required=False,
            help_text="First date that is listed. Default: the first movement.",
        )
        return {"from": starts_on, **super().get_fields()}


class PaymentFilter(serializers.Serializer[Any]):
    """Filters of a list of payments."""

    agency = serializers.CharField(required=False, help_text="Code of the payer.")
    processor = serializers.CharField(required=False)


class PaymentIn(RequestBody):
    """A payment received by bank transfer or check, outside any processor."""

    agency = serializers.CharField(max_length=64, help_text="Code of the payer.")
    amount = PlainDecimal(max_digits=18, decimal_places=3)
    currency = serializers.CharField(max_length=3)
    reference = serializers.CharField(
        max_length=200,
        help_text="Unique reference of the payment; repeating a request is safe.",
    )
    method = serializers.CharField(
        max_length=64, required=False, validators=[printable]
    )
    invoice = serializers.UUIDField(
        required=False,
        help_text="Invoice to cover first. Default: the oldest open invoice.",
    )
