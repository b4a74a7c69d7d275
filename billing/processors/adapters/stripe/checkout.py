"""Checkout Sessions: Stripe's pages on which payers save a method or pay. Pure."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

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
from billing.processors.adapters.stripe.errors import NOTHING_HAPPENED
from billing.processors.adapters.stripe.payment_intents import (
    CLOCK_SKEW,
    absent_outcome,
    charge_metadata,
    conclude,
    outcome_of_intent,
)
from billing.processors.adapters.stripe.payment_methods import saved_method_updates
from billing.processors.domain.port import (
    ChargeRequest,
    ChargeUpdate,
    CheckoutRequest,
    CheckoutSession,
    NotDone,
    ProcessorOutcome,
    ProcessorUpdate,
    Unreachable,
)

PAGE_EXPIRED = "page expired"
UNSUCCESSFUL = {"failed", "declined_hard", "declined_soft"}


def open_page(api: stripe.StripeClient, request: CheckoutRequest) -> CheckoutSession:
    """Create a Checkout Session; the same key returns the same one.

    Raises NotDone, Unreachable.
    """
    try:
        session = call_api(
            lambda: api.v1.checkout.sessions.create(
                _session_params(request),  # type: ignore[arg-type]
                {"idempotency_key": str(request.key)},
            )
        )
    except NOTHING_HAPPENED as error:
        raise NotDone(describe_error(error)) from None
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None
    url, reference = session.get("url"), id_of(session)
    if not isinstance(url, str) or not reference:
        raise Unreachable("the Checkout Session has no URL any more")
    return CheckoutSession(url, reference)


def close_page(api: stripe.StripeClient, reference: str) -> ProcessorOutcome:
    """Expire a session unless it is paid; the outcome of its charge.

    Repeating it is safe. Raises Unreachable.
    """
    try:
        # Stripe refuses this for a session that is no longer open.
        with suppress(stripe.InvalidRequestError):
            call_api(lambda: api.v1.checkout.sessions.expire(reference))
        return _retrieved_outcome(api, reference)
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None


def look_up_charge(
    api: stripe.StripeClient, charge: ChargeRequest, at: datetime
) -> ProcessorOutcome | None:
    """The outcome of a charge on a page, whether the id of the page is kept or not.

    None where Stripe gives no usable answer.
    """
    try:
        reference = charge.page or _find_session(api, charge)
        if reference:
            return _retrieved_outcome(api, reference)
    except stripe.StripeError:
        return None
    return absent_outcome(charge.sent_until, charge.requested_at, at)


def outcome_of_session(api: stripe.StripeClient, session: Resource) -> ProcessorOutcome:
    """The outcome of the charge of a session, of which the intent is expanded.

    While it is open another card may be tried, whatever became of the last. Once it is
    over nobody can, except that money may be on its way.
    """
    intent = session.get("payment_intent")
    reached = outcome_of_intent(intent) if isinstance(intent, dict) else None
    if reached and reached.kind in {"succeeded", "pending"}:
        return reached
    status = session.get("status")
    if status == "open":
        return ProcessorOutcome("pending", reason="the page is open")
    if status not in {"expired", "complete"}:
        return ProcessorOutcome("unknown", reason="unexpected status")
    outcome = conclude(api, intent) if isinstance(intent, dict) else None
    if status == "expired" and (outcome is None or outcome.kind in UNSUCCESSFUL):
        return ProcessorOutcome("failed", reason=PAGE_EXPIRED)
    return outcome or ProcessorOutcome("unknown", reason="complete without a payment")


def session_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The updates of the session that an event is about, and of the method saved on it."""
    expand = ["payment_intent.payment_method", "setup_intent.payment_method"]
    session = retrieve(
        lambda: api.v1.checkout.sessions.retrieve(reference, {"expand": expand}),
        reference,
    )
    metadata = metadata_of(session)
    payer = metadata.get("payer", "")
    if session.get("mode") == "setup":
        if session.get("status") != "complete":
            return []
        intent = session.get("setup_intent") or {}
        page = parse_uuid(metadata.get("page"))
        return saved_method_updates(payer, intent.get("payment_method"), page)
    key = parse_uuid(metadata.get("attempt"))
    if key is None:
        return []
    amount, currency = from_minor_units(
        session.get("amount_total"), session.get("currency")
    )
    outcome = outcome_of_session(api, session)
    updates: list[ProcessorUpdate] = [ChargeUpdate(key, amount, currency, outcome)]
    if outcome.kind == "succeeded":
        intent = session.get("payment_intent") or {}
        updates += saved_method_updates(payer, intent.get("payment_method"), key)
    return updates


def _retrieved_outcome(api: stripe.StripeClient, reference: str) -> ProcessorOutcome:
    """The outcome of the charge of a session. Raises stripe.StripeError."""
    expand = {"expand": ["payment_intent"]}
    session = retrieve(
        lambda: api.v1.checkout.sessions.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    return outcome_of_session(api, session)


def _find_session(api: stripe.StripeClient, charge: ChargeRequest) -> str:
    """The id of a session that a lost answer left behind; empty without one."""
    params = {
        "customer": charge.customer,
        "created": {"gte": to_timestamp(charge.requested_at - CLOCK_SKEW)},
    }
    for session in list_all(api.v1.checkout.sessions.list, params):
        if metadata_of(session).get("attempt") == str(charge.key):
            return id_of(session)
    return ""


def _session_params(request: CheckoutRequest) -> Resource:
    params: Resource = {
        "customer": request.customer,
        "client_reference_id": str(request.key),
        "success_url": request.return_url,
        "cancel_url": request.return_url,
        "expires_at": to_timestamp(request.expires_at),
    }
    charge = request.charge
    if charge is None:
        metadata = {"payer": request.payer, "page": str(request.key)}
        return params | {
            "mode": "setup",
            "currency": request.currency.lower(),
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
        }
    metadata = charge_metadata(charge) | {"page": "yes"}
    line = {
        "quantity": 1,
        "price_data": {
            "currency": charge.currency.lower(),
            "unit_amount": to_minor_units(charge.amount, charge.currency),
            "product_data": {"name": f"Invoice {charge.invoice}"},
        },
    }
    return params | {
        "mode": "payment",
        "line_items": [line],
        "metadata": metadata,
        "payment_intent_data": {
            "metadata": metadata,
            "setup_future_usage": "off_session",
        },
    }
