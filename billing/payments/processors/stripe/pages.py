"""Stripe's own pages: there payers save a method, or pay an invoice. Pure."""

from contextlib import suppress
from datetime import datetime

import stripe

from billing.payments.processors.port import (
    ChargeRequest,
    CheckoutRequest,
    CheckoutSession,
    CustomerRequest,
    NotDone,
    ProcessorOutcome,
    Unreachable,
)
from billing.payments.processors.stripe.calling import (
    Told,
    ask,
    each,
    fetch,
    id_of,
    minor,
    moment,
    ours,
    why,
)
from billing.payments.processors.stripe.charging import (
    CLOCKS,
    absent,
    metadata_of,
    settle,
)
from billing.payments.processors.stripe.outcomes import (
    NOTHING_HAPPENED,
    outcome_of_intent,
)

PAGE_EXPIRED = "page expired"
ENDS = {"failed", "declined_hard", "declined_soft"}


def open_customer(api: stripe.StripeClient, request: CustomerRequest) -> str:
    """The customer of a payer; one that a lost answer left behind is found again."""
    try:
        if request.sent_at:
            around = {"gte": moment(request.sent_at - CLOCKS)}
            for customer in each(api.v1.customers.list, {"created": around}):
                if ours(customer).get("key") == str(request.key):
                    return id_of(customer)
        customer = ask(
            lambda: api.v1.customers.create(
                {
                    "name": request.payer,
                    "metadata": {"payer": request.payer, "key": str(request.key)},
                },
                {"idempotency_key": str(request.key)},
            )
        )
    except NOTHING_HAPPENED as error:
        raise NotDone(why(error)) from None
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None
    return id_of(customer)


def open_page(api: stripe.StripeClient, request: CheckoutRequest) -> CheckoutSession:
    """A Checkout Session; the same one again under the same key."""
    try:
        session = ask(
            lambda: api.v1.checkout.sessions.create(
                _session_of(request),  # type: ignore[arg-type]
                {"idempotency_key": str(request.key)},
            )
        )
    except NOTHING_HAPPENED as error:
        raise NotDone(why(error)) from None
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None
    url, reference = session.get("url"), id_of(session)
    if not isinstance(url, str) or not reference:
        raise Unreachable("it is no page any more")
    return CheckoutSession(url, reference)


def close_page(api: stripe.StripeClient, reference: str) -> ProcessorOutcome:
    """Let a page expire, if nobody has paid on it."""
    try:
        # A refusal says that it is no longer open.
        with suppress(stripe.InvalidRequestError):
            ask(lambda: api.v1.checkout.sessions.expire(reference))
        return outcome_of_page(api, reference)
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None


def look_page_up(
    api: stripe.StripeClient, charge: ChargeRequest, at: datetime
) -> ProcessorOutcome | None:
    """What became of a charge by a page, whether its id is known or not."""
    try:
        reference = charge.page or _found(api, charge)
        if reference:
            return outcome_of_page(api, reference)
    except stripe.StripeError:
        return None
    return absent(charge.sent_until, charge.requested_at, at)


def outcome_of_page(api: stripe.StripeClient, reference: str) -> ProcessorOutcome:
    """What became of the charge of a page. Raises stripe.StripeError."""
    expand = {"expand": ["payment_intent"]}
    session = fetch(
        lambda: api.v1.checkout.sessions.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    return outcome_of_session(api, session)


def outcome_of_session(api: stripe.StripeClient, session: Told) -> ProcessorOutcome:
    """What became of the charge of a session, of which the intent is expanded.

    While it is open another card may be tried, whatever became of the last. Once it is
    over nobody can, except that money may be on its way.
    """
    intent = session.get("payment_intent")
    known = outcome_of_intent(intent) if isinstance(intent, dict) else None
    if known and known.kind in {"succeeded", "pending"}:
        return known
    status = session.get("status")
    if status == "open":
        return ProcessorOutcome("pending", reason="the page is open")
    if status not in {"expired", "complete"}:
        return ProcessorOutcome("unknown", reason="in a state that is not known")
    outcome = settle(api, intent) if isinstance(intent, dict) else None
    if status == "expired" and (outcome is None or outcome.kind in ENDS):
        return ProcessorOutcome("failed", reason=PAGE_EXPIRED)
    return outcome or ProcessorOutcome(
        "unknown", reason="complete, and without a payment"
    )


def _found(api: stripe.StripeClient, charge: ChargeRequest) -> str:
    params = {
        "customer": charge.customer,
        "created": {"gte": moment(charge.requested_at - CLOCKS)},
    }
    for session in each(api.v1.checkout.sessions.list, params):
        if ours(session).get("attempt") == str(charge.key):
            return id_of(session)
    return ""


def _session_of(request: CheckoutRequest) -> Told:
    told: Told = {
        "customer": request.customer,
        "client_reference_id": str(request.key),
        "success_url": request.return_url,
        "cancel_url": request.return_url,
        "expires_at": moment(request.expires_at),
    }
    charge = request.charge
    if charge is None:
        metadata = {"payer": request.payer, "page": str(request.key)}
        return told | {
            "mode": "setup",
            "currency": request.currency.lower(),
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
        }
    metadata = metadata_of(charge) | {"page": "yes"}
    line = {
        "quantity": 1,
        "price_data": {
            "currency": charge.currency.lower(),
            "unit_amount": minor(charge.amount, charge.currency),
            "product_data": {"name": f"Invoice {charge.invoice}"},
        },
    }
    return told | {
        "mode": "payment",
        "line_items": [line],
        "metadata": metadata,
        "payment_intent_data": {
            "metadata": metadata,
            "setup_future_usage": "off_session",
        },
    }
