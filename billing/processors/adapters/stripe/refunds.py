"""Refunds: giving money of a payment back. Pure."""

from collections.abc import Sequence
from datetime import datetime

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    call_api,
    from_minor_units,
    id_of,
    is_own_payment,
    list_all,
    metadata_of,
    parse_uuid,
    retrieve,
    to_minor_units,
)
from billing.processors.adapters.stripe.errors import outcome_of_error
from billing.processors.adapters.stripe.payment_intents import (
    absent_outcome,
    success_updates,
)
from billing.processors.domain.port import (
    ProcessorOutcome,
    ProcessorUpdate,
    RefundRequest,
    RefundUpdate,
)


def create_refund(api: stripe.StripeClient, request: RefundRequest) -> ProcessorOutcome:
    """Refund an amount of a payment. Repeating it under the same key is safe."""
    try:
        refund = call_api(
            lambda: api.v1.refunds.create(
                {
                    "payment_intent": request.payment,
                    "amount": to_minor_units(request.amount, request.currency),
                    "metadata": {"refund": str(request.key)},
                },
                {"idempotency_key": str(request.key)},
            )
        )
    except stripe.StripeError as error:
        outcome = outcome_of_error(error)
        if outcome.kind.startswith("declined"):
            return ProcessorOutcome("failed", reason=outcome.reason)
        return outcome
    return outcome_of_refund(refund)


def look_up_refund(
    api: stripe.StripeClient, request: RefundRequest, at: datetime
) -> ProcessorOutcome | None:
    """The outcome of a refund, from the list of its payment's refunds.

    None where Stripe gives no usable answer.
    """
    params = {"payment_intent": request.payment}
    try:
        refunds = list(list_all(api.v1.refunds.list, params))
    except stripe.StripeError:
        return None
    for refund in refunds:
        if metadata_of(refund).get("refund") == str(request.key):
            return outcome_of_refund(refund)
    return absent_outcome(request.sent_until, request.requested_at, at)


def outcome_of_refund(refund: Resource) -> ProcessorOutcome:
    """The outcome of a Refund by its status."""
    status, reference = refund.get("status"), id_of(refund)
    if status == "succeeded":
        return ProcessorOutcome("succeeded", reference)
    if status in {"pending", "requires_action"}:
        return ProcessorOutcome("pending", reference)
    if status in {"failed", "canceled"}:
        reason = refund.get("failure_reason") or status
        return ProcessorOutcome("failed", reference, str(reason)[:150])
    return ProcessorOutcome("unknown", reference, "unexpected status")


def refund_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The updates of the Refund that an event is about, and of its payment."""
    expand = {"expand": ["payment_intent"]}
    refund = retrieve(
        lambda: api.v1.refunds.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    intent = refund.get("payment_intent")
    if not is_own_payment(intent):
        return []
    return [*success_updates(intent), _update_of(refund)]


def charge_refund_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The updates of all refunds of a Charge: its event does not name the refund."""
    expand = {"expand": ["payment_intent"]}
    charge = retrieve(
        lambda: api.v1.charges.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    intent = charge.get("payment_intent")
    if not is_own_payment(intent):
        return []
    refunds = list_all(api.v1.refunds.list, {"payment_intent": id_of(intent)})
    updates = [_update_of(refund) for refund in refunds]
    return [*success_updates(intent), *updates]


def _update_of(refund: Resource) -> RefundUpdate:
    amount, currency = from_minor_units(refund.get("amount"), refund.get("currency"))
    key = parse_uuid(metadata_of(refund).get("refund"))
    payment = id_of(refund.get("payment_intent"))
    return RefundUpdate(key, payment, amount, currency, outcome_of_refund(refund))
