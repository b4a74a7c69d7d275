"""Payments and statements as the API tells them."""

from typing import Any

from rest_framework import serializers

from billing.metering.serializers import Money
from billing.payments.hosting import HostedPage
from billing.payments.models import Payment, PaymentAttempt, PaymentMethod, Refund
from billing.payments.returns import RefundAttempt
from seats.fields import LocalDate, PlainDecimal
from seats.serializers import RequestBody, printable


class PaymentOut(serializers.ModelSerializer[Payment]):
    """Money that came in; `refunded` of it went back.

    One with `reversed_at` was recorded by mistake and does not count.
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
    """Positive amounts are owed by the agency; `balance` is what is owed after it."""

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
    """The movements of the dates from `from` up to, without, `to`.

    `from` is null where all are listed.
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
    """Whose, and from which local date up to, without, which."""

    agency = serializers.CharField(required=False, help_text="The key's own without.")
    to = LocalDate(required=False, help_text="Tomorrow without.")

    def get_fields(self) -> dict[str, Any]:
        first = LocalDate(required=False, help_text="All without.")
        return {"from": first, **super().get_fields()}


class PaymentFilter(serializers.Serializer[Any]):
    """What a list of payments is narrowed to."""

    agency = serializers.CharField(required=False, help_text="The payer.")
    processor = serializers.CharField(required=False)


class PaymentIn(RequestBody):
    """Money that reached us outside any processor, by bank transfer or cheque."""

    agency = serializers.CharField(max_length=64, help_text="The payer.")
    amount = PlainDecimal(max_digits=18, decimal_places=3)
    currency = serializers.CharField(max_length=3)
    reference = serializers.CharField(
        max_length=200, help_text="Counts once; sending it again is safe."
    )
    method = serializers.CharField(
        max_length=64, required=False, validators=[printable]
    )
    invoice = serializers.UUIDField(
        required=False, help_text="Covered first; without, the oldest open one."
    )


class RefundIn(RequestBody):
    """Money of a payment that a processor gives back, or that people gave back."""

    amount = PlainDecimal(max_digits=18, decimal_places=3)
    reference = serializers.CharField(
        max_length=200,
        help_text="Yours, or the bank's. Counts once; sending it again is safe.",
    )
    reason = serializers.CharField(max_length=500, validators=[printable])


class RefundOut(serializers.Serializer[Any]):
    """A refund of a payment; one that a processor is asked for begins as created."""

    id = serializers.UUIDField(source="public_id")
    payment = serializers.UUIDField(source="payment.public_id")
    amount = Money(currency="payment.currency")
    currency = serializers.CharField(source="payment.currency")
    state = serializers.SerializerMethodField()
    reference = serializers.SerializerMethodField(help_text="As it was told.")

    def get_state(self, refund: Refund | RefundAttempt) -> str:
        return refund.state if isinstance(refund, RefundAttempt) else "succeeded"

    def get_reference(self, refund: Refund | RefundAttempt) -> str:
        if isinstance(refund, RefundAttempt):
            return refund.asked_as
        return refund.reference


class PaymentMethodOut(serializers.ModelSerializer[PaymentMethod]):
    """What a payer is charged through; card numbers are at the processor alone."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    processor = serializers.CharField(source="processor.code")

    class Meta:
        model = PaymentMethod
        fields = ["id", "payer", "processor", "label", "saved_at"]


class PageIn(RequestBody):
    """Where the payer goes afterwards, and whose page it is."""

    return_url = serializers.CharField(
        max_length=500, required=False, help_text="Without, the operator's."
    )
    processor = serializers.CharField(
        max_length=32, required=False, help_text="Without, the only one with pages."
    )


class SetupPageIn(PageIn):
    agency = serializers.CharField(
        max_length=64, required=False, help_text="The payer; the key's own."
    )


class PageOut(serializers.ModelSerializer[HostedPage]):
    """A page of the processor: send the payer there."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    processor = serializers.CharField(source="processor.code")

    class Meta:
        model = HostedPage
        fields = ["id", "payer", "processor", "url", "expires_at"]


class AttemptOut(serializers.ModelSerializer[PaymentAttempt]):
    """A try to charge an invoice, and what is known of it."""

    id = serializers.UUIDField(source="public_id")
    invoice = serializers.UUIDField(source="invoice.public_id")
    payer = serializers.CharField(source="invoice.payer.code")
    processor = serializers.CharField(source="processor.code")
    amount = Money()
    error = serializers.SerializerMethodField()

    class Meta:
        model = PaymentAttempt
        fields = [
            "id", "invoice", "payer", "processor", "amount", "currency", "state",
            "error", "reference", "requested_at", "changed_at",
        ]  # fmt: skip

    def get_error(self, attempt: PaymentAttempt) -> str:
        return "by hand" if attempt.closed_by else attempt.error


class MethodFilter(serializers.Serializer[Any]):
    """What a list of methods is narrowed to."""

    agency = serializers.CharField(required=False, help_text="The payer.")


class AttemptFilter(serializers.Serializer[Any]):
    """What a list of attempts is narrowed to."""

    agency = serializers.CharField(required=False, help_text="The payer.")
    invoice = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(
        choices=PaymentAttempt.State.choices, required=False
    )


class AttemptIn(RequestBody):
    """Charge all that is owed on an invoice, by its payer's method."""

    invoice = serializers.UUIDField()
    processor = serializers.CharField(
        max_length=32, required=False, help_text="Without, that of the payer's method."
    )
