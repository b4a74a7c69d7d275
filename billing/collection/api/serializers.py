"""Serializers of payments, statements of account, methods, pages and attempts."""

from typing import Any

from rest_framework import serializers

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.models.refunds import RefundAttempt
from billing.metering.api.serializers import Money
from billing.receivables.models import Refund
from core.fields import PlainDecimal
from seats.roster.api.serializers import RequestBody, printable


class RefundIn(RequestBody):
    """A refund to request from a processor, or one that was made by hand."""

    amount = PlainDecimal(max_digits=18, decimal_places=3)
    reference = serializers.CharField(
        max_length=200,
        help_text="Your unique reference, or the bank's; repeating a request is safe.",
    )
    reason = serializers.CharField(max_length=500, validators=[printable])


class RefundOut(serializers.Serializer[Any]):
    """A refund of a payment; one requested from a processor starts as `created`."""

    id = serializers.UUIDField(source="public_id")
    payment = serializers.UUIDField(source="payment.public_id")
    amount = Money(currency="payment.currency")
    currency = serializers.CharField(source="payment.currency")
    state = serializers.SerializerMethodField()
    reference = serializers.SerializerMethodField(
        help_text="The reference in the request."
    )

    def get_state(self, refund: Refund | RefundAttempt) -> str:
        return refund.state if isinstance(refund, RefundAttempt) else "succeeded"

    def get_reference(self, refund: Refund | RefundAttempt) -> str:
        if isinstance(refund, RefundAttempt):
            return refund.request_reference
        return refund.reference


class PaymentMethodOut(serializers.ModelSerializer[PaymentMethod]):
    """A payment method of a payer; card numbers are stored at the processor only."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    processor = serializers.CharField(source="processor.code")

    class Meta:
        model = PaymentMethod
        fields = ["id", "payer", "processor", "label", "saved_at"]


class PageIn(RequestBody):
    """Options of a checkout page."""

    return_url = serializers.CharField(
        max_length=500,
        required=False,
        help_text="Where the payer goes afterwards. Default: set by the operator.",
    )
    processor = serializers.CharField(
        max_length=32,
        required=False,
        help_text="Code of the processor. Default: the only one with checkout pages.",
    )


class SetupPageIn(PageIn):
    agency = serializers.CharField(
        max_length=64,
        required=False,
        help_text="Code of the payer. Default: the key's own agency.",
    )


class PageOut(serializers.ModelSerializer[CheckoutPage]):
    """A checkout page at the processor; send the payer to its `url`."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    processor = serializers.CharField(source="processor.code")

    class Meta:
        model = CheckoutPage
        fields = ["id", "payer", "processor", "url", "expires_at"]


class AttemptOut(serializers.ModelSerializer[PaymentAttempt]):
    """An attempt to charge an invoice, and its current state."""

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
        return "by hand" if attempt.closed_by else attempt.last_error


class MethodFilter(serializers.Serializer[Any]):
    """Filters of a list of payment methods."""

    agency = serializers.CharField(required=False, help_text="Code of the payer.")


class AttemptFilter(serializers.Serializer[Any]):
    """Filters of a list of payment attempts."""

    agency = serializers.CharField(required=False, help_text="Code of the payer.")
    invoice = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(
        choices=PaymentAttempt.State.choices, required=False
    )


class AttemptIn(RequestBody):
    """A charge of all that is owed on an invoice, by its payer's payment method."""

    invoice = serializers.UUIDField()
    processor = serializers.CharField(
        max_length=32,
        required=False,
        help_text="Code of the processor. Default: that of the payer's payment method.",
    )
