"""PaymentIntents: charging a saved payment method while the payer is away. Pure.

An attempt that is reported as ended is canceled at Stripe first, so that nobody can
complete it afterwards.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    call_api,
    describe_error,
    from_minor_units,
    id_of,
    list_all,
    metadata_of,
    parse_uuid,
    retrieve,
    to_minor_units,
    to_timestamp,
)
from billing.processors.adapters.stripe.errors import (
    intent_id_of_error,
    outcome_of_decline,
    outcome_of_error,
)
from billing.processors.domain.port import (
    ChargeRequest,
    ChargeUpdate,
    ProcessorOutcome,
    ProcessorUpdate,
)

CLOCK_SKEW = timedelta(hours=1)  # between Stripe's clock and ours, generously
IN_TRANSIT = timedelta(minutes=10)  # how long a request can still arrive, generously
KEYS_KEPT = timedelta(hours=24)
# Cancellation reasons; the first marks a hard decline, to be read again later.
AFTER_HARD_DECLINE, AFTER_OTHER_END = "abandoned", "requested_by_customer"
# Of several intents of one attempt, the best outcome counts.
BEST_FIRST = [
    "succeeded", "pending", "unknown", "declined_hard", "declined_soft", "failed",
]  # fmt: skip


def charge_saved_method(
    api: stripe.StripeClient, charge: ChargeRequest
) -> ProcessorOutcome:
    """Charge the saved payment method. Repeating it under the same key is safe."""
    try:
        intent = call_api(
            lambda: api.v1.payment_intents.create(
                {
                    "amount": to_minor_units(charge.amount, charge.currency),
                    "currency": charge.currency.lower(),
                    "customer": charge.customer,
                    "payment_method": charge.method,
                    "off_session": True,
                    "confirm": True,
                    "metadata": charge_metadata(charge),
                },
                {"idempotency_key": str(charge.key)},
            )
        )
    except stripe.StripeError as error:
        outcome, left_behind = outcome_of_error(error), intent_id_of_error(error)
        if left_behind and outcome.kind != "unknown":
            return _cancel(api, left_behind, outcome)
        return outcome
    return conclude(api, intent)


def look_up_charge(
    api: stripe.StripeClient, charge: ChargeRequest, at: datetime
) -> ProcessorOutcome | None:
    """The outcome of a charge, from the list of its customer's intents.

    Not from Stripe's search, which lags behind. None where Stripe gives no usable answer.
    """
    params = {
        "customer": charge.customer,
        "created": {"gte": to_timestamp(charge.requested_at - CLOCK_SKEW)},
    }
    try:
        intents = [
            intent
            for intent in list_all(api.v1.payment_intents.list, params)
            if metadata_of(intent).get("attempt") == str(charge.key)
        ]
    except stripe.StripeError:
        return None
    if not intents:
        return absent_outcome(charge.sent_until, charge.requested_at, at)
    outcomes = [conclude(api, intent) for intent in intents]
    return min(outcomes, key=lambda outcome: BEST_FIRST.index(outcome.kind))


def conclude(api: stripe.StripeClient, intent: Resource) -> ProcessorOutcome:
    """The outcome of an intent; one that waits for somebody is canceled first."""
    outcome = outcome_of_intent(intent)
    return outcome or _cancel(api, id_of(intent), outcome_once_canceled(intent))


def outcome_of_intent(intent: Resource) -> ProcessorOutcome | None:
    """The outcome of an intent at its end; None where it may still go either way."""
    status = intent.get("status")
    if status == "succeeded":
        return ProcessorOutcome("succeeded", id_of(intent))
    if status == "processing":
        return ProcessorOutcome("pending", reason="processing at the bank")
    if status != "canceled":
        return None
    last_error = intent.get("last_payment_error")
    if isinstance(last_error, dict):
        return outcome_of_decline(last_error)
    if intent.get("cancellation_reason") == AFTER_HARD_DECLINE:
        return ProcessorOutcome("declined_hard", reason="declined for good")
    return ProcessorOutcome("failed", reason="canceled")


def outcome_once_canceled(intent: Resource) -> ProcessorOutcome:
    """The outcome of an intent that waits for somebody, once it is canceled."""
    last_error = intent.get("last_payment_error")
    if isinstance(last_error, dict):
        return outcome_of_decline(last_error)
    if intent.get("status") == "requires_action":
        return ProcessorOutcome("declined_hard", reason="authentication_required")
    return ProcessorOutcome("failed", reason="canceled")


def charge_metadata(charge: ChargeRequest) -> dict[str, str]:
    """What identifies our charges at Stripe; it names no person."""
    return {
        "attempt": str(charge.key),
        "payer": charge.payer,
        "invoice": charge.invoice,
    }


def absent_outcome(
    sent_until: datetime | None, requested_at: datetime, at: datetime
) -> ProcessorOutcome | None:
    """`absent` once the last request had its time to arrive; until then None."""
    until = sent_until or requested_at + KEYS_KEPT
    if at > until + IN_TRANSIT:
        return ProcessorOutcome("absent", reason="never received by Stripe")
    return None


def intent_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The update of the PaymentIntent that an event is about, as it is now."""
    intent = retrieve(lambda: api.v1.payment_intents.retrieve(reference), reference)
    key = parse_uuid(metadata_of(intent).get("attempt"))
    if key is None:
        return []
    amount, currency = from_minor_units(intent.get("amount"), intent.get("currency"))
    outcome = outcome_of_intent(intent)
    # On a page another card may be tried: only its session reports the end.
    if "page" in metadata_of(intent):
        if outcome is None or outcome.kind not in {"succeeded", "pending"}:
            outcome = ProcessorOutcome("pending", reason="the page is open")
    elif outcome is None and intent.get("last_payment_error"):
        outcome = conclude(api, intent)
    # An intent that has not ended may be on its way there by a call of our own.
    outcome = outcome or ProcessorOutcome("pending", reason="in progress")
    return [ChargeUpdate(key, amount, currency, outcome)]


def success_updates(intent: Any) -> list[ProcessorUpdate]:
    """The success of an expanded intent, which may not have been reported yet."""
    key = parse_uuid(metadata_of(intent).get("attempt"))
    outcome = outcome_of_intent(intent) if key else None
    if key is None or outcome is None or outcome.kind != "succeeded":
        return []
    amount, currency = from_minor_units(intent.get("amount"), intent.get("currency"))
    return [ChargeUpdate(key, amount, currency, outcome)]


def _cancel(
    api: stripe.StripeClient, reference: str, outcome: ProcessorOutcome
) -> ProcessorOutcome:
    """Cancel an intent, which then has this outcome unless it ended before."""
    hard = outcome.kind == "declined_hard"
    reason = AFTER_HARD_DECLINE if hard else AFTER_OTHER_END
    try:
        try:
            intent = call_api(
                lambda: api.v1.payment_intents.cancel(
                    reference, {"cancellation_reason": reason}
                )
            )
        except stripe.InvalidRequestError:  # it has ended, or cannot be canceled now
            intent = call_api(lambda: api.v1.payment_intents.retrieve(reference))
    except stripe.StripeError as error:
        return ProcessorOutcome(
            "unknown", reason=f"not canceled: {describe_error(error)}"
        )
    if intent.get("status") == "canceled":
        return outcome
    return outcome_of_intent(intent) or ProcessorOutcome(
        "unknown", reason="not canceled"
    )
