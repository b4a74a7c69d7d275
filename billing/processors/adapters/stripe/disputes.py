"""Disputes: payers' banks take payments back, or may. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    from_minor_units,
    id_of,
    is_own_payment,
    retrieve,
)
from billing.processors.adapters.stripe.payment_intents import success_updates
from billing.processors.domain.port import DisputeUpdate, DoesNotFit, ProcessorUpdate

# Stripe's statuses, and the state that each means.
STATES: Mapping[str, Any] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "won",
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
}


def dispute_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The updates of the Dispute that an event is about, and of its payment.

    Raises DoesNotFit for an unknown status.
    """
    expand = {"expand": ["payment_intent"]}
    dispute = retrieve(
        lambda: api.v1.disputes.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    intent = dispute.get("payment_intent")
    if not is_own_payment(intent):
        return []
    status = str(dispute.get("status"))
    if status not in STATES:
        raise DoesNotFit(f"The dispute has the unknown status `{status:.50}`.")
    amount, currency = from_minor_units(dispute.get("amount"), dispute.get("currency"))
    return [
        *success_updates(intent),
        DisputeUpdate(
            payment=id_of(intent),
            reference=reference,
            amount=amount,
            currency=currency,
            state=STATES[status],
            reason=str(dispute.get("reason") or ""),
        ),
    ]
