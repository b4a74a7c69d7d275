"""Refusals of payments received, and of events about them."""

from core.errors import Kind, Refusal


class BadAmount(Refusal):
    """The amount is out of range, or has too many decimal places.

    Send an amount above 0 with no more decimals than its currency has.
    """

    code = "bad_amount"


class WrongCurrency(Refusal):
    """The payment is not in the currency of the payer.

    Record the payment in the payer's currency.
    """

    code = "wrong_currency"


class BadReference(Refusal):
    """The reference or the processor code is empty, too long or not printable.

    Use 1 to 200 printable characters, and at most 32 for a processor code.
    """

    code = "bad_reference"


class PaymentDiffers(Refusal):
    """A payment with this reference is already recorded with another payer or amount.

    Retry with the same payer and amount, or use a new reference.
    """

    code = "payment_differs"
    kind = Kind.CONFLICT


class PaymentWasReversed(Refusal):
    """The payment with this reference was reversed.

    If the money did arrive, record it under another reference.
    """

    code = "payment_was_reversed"
    kind = Kind.CONFLICT


class InvoiceNotOfPayer(Refusal):
    """The document is not an invoice of this payer.

    Use an invoice of the same payer, or leave it out.
    """

    code = "not_their_invoice"


class AwaitingPayment(Refusal):
    """The event can be applied only after its payment or dispute is recorded.

    No action is needed: the event is applied once the payment or dispute arrives.
    """

    code = "not_known_yet"

    def __init__(self, message: str, *, payment: str) -> None:
        super().__init__(message)
        self.payment = payment  # the processor's id of that payment
