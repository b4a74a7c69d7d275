"""What happened at Stripe, by its lists. Pure."""

import json
from collections.abc import Iterator
from datetime import datetime

import stripe

from billing.money import UnknownCurrency
from billing.payments.processors.port import AccountMovement, Unreachable
from billing.payments.processors.stripe.calling import (
    Told,
    amount_of,
    each,
    fetch,
    id_of,
    instant,
    is_ours,
    moment,
    why,
)

# What we ask to be told of; the list takes twenty kinds at most.
EVENT_TYPES = [
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "setup_intent.succeeded",
    "payment_method.detached",
    "payment_method.updated",
    "payment_method.automatically_updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refunded",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
]
# Their reporting categories: which fact it is, and whether money came in by it.
MOVES = {
    "charge": ("payment", 1),
    "refund": ("refund", -1),
    "refund_failure": ("refund", 1),
    "dispute": ("dispute", -1),
    "dispute_reversal": ("dispute", 1),
}


def events_since(
    api: stripe.StripeClient, since: datetime
) -> Iterator[tuple[str, bytes]]:
    """Events from an instant on, the oldest first, as their webhooks tell them.

    They keep them for 30 days. Raises Unreachable.
    """
    params = {"created": {"gte": moment(since)}, "types": EVENT_TYPES}
    try:
        found = list(each(api.v1.events.list, params))
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None
    for event in reversed(found):
        yield id_of(event), json.dumps(event).encode()


def account_movements(
    api: stripe.StripeClient, starts_at: datetime, ends_at: datetime
) -> Iterator[AccountMovement]:
    """What came in and went out, in whole amounts, without fees. Raises Unreachable.

    Others may use the account too: only what is of charges of ours.
    """
    params = {
        "created": {"gte": moment(starts_at), "lt": moment(ends_at)},
        "expand": ["data.source"],
    }
    try:
        for row in each(api.v1.balance_transactions.list, params):
            if row.get("reporting_category") in MOVES:
                kind, sign = MOVES[row["reporting_category"]]
                source = row.get("source")
                if not isinstance(source, dict):
                    raise stripe.APIError("The answer has no source.")
                if _is_of_ours(api, kind, source):
                    yield _moved(row, kind, sign, source)
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None
    except UnknownCurrency as error:
        raise Unreachable(error.message) from error


def _is_of_ours(api: stripe.StripeClient, kind: str, source: Told) -> bool:
    """They hand metadata on from a payment to its charge, and no further."""
    if kind == "payment":
        return is_ours(source)
    intent = id_of(source.get("payment_intent"))
    return bool(intent) and is_ours(
        fetch(lambda: api.v1.payment_intents.retrieve(intent), intent)
    )


def _moved(row: Told, kind: str, sign: int, source: Told) -> AccountMovement:
    amount, currency = amount_of(source.get("amount"), source.get("currency"))
    at = instant(row.get("created"))
    if at is None:
        raise stripe.APIError("The answer has no time.")
    own = id_of(source)
    reference = (
        (id_of(source.get("payment_intent")) or own) if kind == "payment" else own
    )
    return AccountMovement(kind, reference, sign * amount, currency, at)  # type: ignore[arg-type]
