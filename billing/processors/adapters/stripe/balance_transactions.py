"""Balance transactions: the money that moved in the account. Pure."""

from collections.abc import Iterator
from datetime import datetime

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    describe_error,
    from_minor_units,
    from_timestamp,
    id_of,
    is_own_payment,
    list_all,
    retrieve,
    to_timestamp,
)
from billing.processors.domain.port import AccountMovement, Unreachable
from core.money import UnknownCurrency

# Stripe's reporting categories: the kind of movement, and 1 where money came in.
CATEGORIES = {
    "charge": ("payment", 1),
    "refund": ("refund", -1),
    "refund_failure": ("refund", 1),
    "dispute": ("dispute", -1),
    "dispute_reversal": ("dispute", 1),
}


def account_movements(
    api: stripe.StripeClient, starts_at: datetime, ends_at: datetime
) -> Iterator[AccountMovement]:
    """What came in and went out, in whole amounts, without fees. Raises Unreachable.

    Others may use the account too: only movements of payments made by this service.
    """
    params = {
        "created": {"gte": to_timestamp(starts_at), "lt": to_timestamp(ends_at)},
        "expand": ["data.source"],
    }
    try:
        for row in list_all(api.v1.balance_transactions.list, params):
            if row.get("reporting_category") in CATEGORIES:
                kind, sign = CATEGORIES[row["reporting_category"]]
                source = row.get("source")
                if not isinstance(source, dict):
                    raise stripe.APIError("A balance transaction has no source.")
                if _is_of_own_payment(api, kind, source):
                    yield _movement_of(row, kind, sign, source)
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None
    except UnknownCurrency as error:
        raise Unreachable(error.message) from error


def _is_of_own_payment(api: stripe.StripeClient, kind: str, source: Resource) -> bool:
    """Stripe copies metadata from a payment to its charge, and no further."""
    if kind == "payment":
        return is_own_payment(source)
    intent = id_of(source.get("payment_intent"))
    return bool(intent) and is_own_payment(
        retrieve(lambda: api.v1.payment_intents.retrieve(intent), intent)
    )


def _movement_of(
    row: Resource, kind: str, sign: int, source: Resource
) -> AccountMovement:
    amount, currency = from_minor_units(source.get("amount"), source.get("currency"))
    at = from_timestamp(row.get("created"))
    if at is None:
        raise stripe.APIError("A balance transaction has no time.")
    own = id_of(source)
    reference = (
        (id_of(source.get("payment_intent")) or own) if kind == "payment" else own
    )
    return AccountMovement(kind, reference, sign * amount, currency, at)  # type: ignore[arg-type]
