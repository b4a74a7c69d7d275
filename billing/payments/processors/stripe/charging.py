"""Charging saved methods at Stripe, and giving money back. Pure.

What we call dead is canceled there first, so that nobody can bring it to life again.
"""

from datetime import datetime, timedelta

import stripe

from billing.payments.processors.port import (
    ChargeRequest,
    ProcessorOutcome,
    RefundRequest,
)
from billing.payments.processors.stripe.calling import (
    Told,
    ask,
    each,
    id_of,
    minor,
    moment,
    ours,
    why,
)
from billing.payments.processors.stripe.outcomes import (
    AFTER_A_HARD_DECLINE,
    AFTER_ANYTHING_ELSE,
    intent_in,
    outcome_of_error,
    outcome_of_intent,
    outcome_of_refund,
    outcome_of_stopped,
)

CLOCKS = timedelta(hours=1)  # how far theirs may be from ours, generously
ON_ITS_WAY = timedelta(minutes=10)  # how long a request can still arrive, generously
KEYS_KEPT = timedelta(hours=24)
BEST_FIRST = [
    "succeeded", "pending", "unknown", "declined_hard", "declined_soft", "failed",
]  # fmt: skip


def charge_method(api: stripe.StripeClient, charge: ChargeRequest) -> ProcessorOutcome:
    """Charge the saved method while the payer is away; once per key."""
    try:
        intent = ask(
            lambda: api.v1.payment_intents.create(
                {
                    "amount": minor(charge.amount, charge.currency),
                    "currency": charge.currency.lower(),
                    "customer": charge.customer,
                    "payment_method": charge.method,
                    "off_session": True,
                    "confirm": True,
                    "metadata": metadata_of(charge),
                },
                {"idempotency_key": str(charge.key)},
            )
        )
    except stripe.StripeError as error:
        outcome, left = outcome_of_error(error), intent_in(error)
        if left and outcome.kind != "unknown":
            return _stop(api, left, outcome)
        return outcome
    return settle(api, intent)


def look_charge_up(
    api: stripe.StripeClient, charge: ChargeRequest, at: datetime
) -> ProcessorOutcome | None:
    """What became of a charge, by the list of its customer's intents.

    Not by their search, which lags behind.
    """
    params = {
        "customer": charge.customer,
        "created": {"gte": moment(charge.requested_at - CLOCKS)},
    }
    try:
        found = [
            intent
            for intent in each(api.v1.payment_intents.list, params)
            if ours(intent).get("attempt") == str(charge.key)
        ]
    except stripe.StripeError:
        return None
    if not found:
        return absent(charge.sent_until, charge.requested_at, at)
    outcomes = [settle(api, intent) for intent in found]
    return min(outcomes, key=lambda one: BEST_FIRST.index(one.kind))


def settle(api: stripe.StripeClient, intent: Told) -> ProcessorOutcome:
    """What an intent says; one that waits for somebody is canceled before."""
    known = outcome_of_intent(intent)
    return known or _stop(api, id_of(intent), outcome_of_stopped(intent))


def give_back(api: stripe.StripeClient, request: RefundRequest) -> ProcessorOutcome:
    """Give money of a payment back; once per key."""
    try:
        refund = ask(
            lambda: api.v1.refunds.create(
                {
                    "payment_intent": request.payment,
                    "amount": minor(request.amount, request.currency),
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


def look_refund_up(
    api: stripe.StripeClient, request: RefundRequest, at: datetime
) -> ProcessorOutcome | None:
    """What became of a refund, by the list of its payment's refunds."""
    try:
        rows = list(each(api.v1.refunds.list, {"payment_intent": request.payment}))
    except stripe.StripeError:
        return None
    for refund in rows:
        if ours(refund).get("refund") == str(request.key):
            return outcome_of_refund(refund)
    return absent(request.sent_until, request.requested_at, at)


def metadata_of(charge: ChargeRequest) -> dict[str, str]:
    """By which we know our charges again; it names no person."""
    return {
        "attempt": str(charge.key),
        "payer": charge.payer,
        "invoice": charge.invoice,
    }


def absent(
    sent_until: datetime | None, requested_at: datetime, at: datetime
) -> ProcessorOutcome | None:
    """There is none; and none comes, if what was sent last has had its time."""
    until = sent_until or requested_at + KEYS_KEPT
    if at > until + ON_ITS_WAY:
        return ProcessorOutcome("absent", reason="it never came to be there")
    return None


def _stop(
    api: stripe.StripeClient, reference: str, outcome: ProcessorOutcome
) -> ProcessorOutcome:
    """Cancel an intent, which then has this outcome, if nothing was faster."""
    hard = outcome.kind == "declined_hard"
    reason = AFTER_A_HARD_DECLINE if hard else AFTER_ANYTHING_ELSE
    try:
        try:
            after = ask(
                lambda: api.v1.payment_intents.cancel(
                    reference, {"cancellation_reason": reason}
                )
            )
        except stripe.InvalidRequestError:  # it is at an end, or it cannot be now
            after = ask(lambda: api.v1.payment_intents.retrieve(reference))
    except stripe.StripeError as error:
        return ProcessorOutcome("unknown", reason=f"not canceled: {why(error)}")
    if after.get("status") == "canceled":
        return outcome
    return outcome_of_intent(after) or ProcessorOutcome(
        "unknown", reason="not canceled"
    )
