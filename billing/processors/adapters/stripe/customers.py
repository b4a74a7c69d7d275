"""Customers: payers as Stripe knows them. Pure."""

import stripe

from billing.processors.adapters.stripe.client import (
    call_api,
    describe_error,
    id_of,
    list_all,
    metadata_of,
    to_timestamp,
)
from billing.processors.adapters.stripe.errors import NOTHING_HAPPENED
from billing.processors.adapters.stripe.payment_intents import CLOCK_SKEW
from billing.processors.domain.port import CustomerRequest, NotDone, Unreachable


def open_customer(api: stripe.StripeClient, request: CustomerRequest) -> str:
    """The id of a payer's customer. Repeating it under the same key is safe.

    One that a lost answer left behind is looked up and used. Raises NotDone,
    Unreachable.
    """
    try:
        if request.sent_at:
            since = {"gte": to_timestamp(request.sent_at - CLOCK_SKEW)}
            for customer in list_all(api.v1.customers.list, {"created": since}):
                if metadata_of(customer).get("key") == str(request.key):
                    return id_of(customer)
        customer = call_api(
            lambda: api.v1.customers.create(
                {
                    "name": request.payer,
                    "metadata": {"payer": request.payer, "key": str(request.key)},
                },
                {"idempotency_key": str(request.key)},
            )
        )
    except NOTHING_HAPPENED as error:
        raise NotDone(describe_error(error)) from None
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None
    return id_of(customer)
