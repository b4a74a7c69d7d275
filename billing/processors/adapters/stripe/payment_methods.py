"""PaymentMethods that payers saved at Stripe. Pure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import stripe

from billing.processors.adapters.stripe.client import (
    Resource,
    from_timestamp,
    id_of,
    metadata_of,
    parse_uuid,
    retrieve,
)
from billing.processors.domain.port import MethodUpdate, ProcessorUpdate


def saved_method_updates(
    payer: str, method: Any, key: UUID | None
) -> list[ProcessorUpdate]:
    """The update of an expanded method that was saved for a payer (by code).

    Nothing where it has no customer. `key` is that of the page on which it was saved.
    """
    customer = id_of(method.get("customer")) if isinstance(method, dict) else ""
    if not (payer and customer):
        return []
    update = MethodUpdate(
        payer,
        customer,
        id_of(method),
        label_of(method),
        at=from_timestamp(method.get("created")),
        key=key,
    )
    return [update]


def label_of(method: Resource) -> str:
    """A label that people recognize: visa 4242, 12/2030. At most 100 characters."""
    kind = str(method.get("type", ""))
    detail = method.get(kind)
    detail = detail if isinstance(detail, dict) else {}
    name = detail.get("brand") or detail.get("bank_name") or kind
    label = f"{name} {detail.get('last4') or ''}".strip()
    if detail.get("exp_month"):
        label += f", {detail['exp_month']:02}/{detail.get('exp_year')}"
    return label[:100]


def setup_intent_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The update of the method that a SetupIntent saved, once it succeeded."""
    expand = {"expand": ["payment_method"]}
    intent = retrieve(
        lambda: api.v1.setup_intents.retrieve(reference, expand),  # type: ignore[arg-type]
        reference,
    )
    if intent.get("status") != "succeeded":
        return []
    metadata = metadata_of(intent)
    return saved_method_updates(
        metadata.get("payer", ""),
        intent.get("payment_method"),
        parse_uuid(metadata.get("page")),
    )


def method_updates(
    api: stripe.StripeClient, reference: str, previous: Resource
) -> Sequence[ProcessorUpdate]:
    """The update of a method that was changed or detached.

    A detached one has no customer any more: `previous` says whose it was.
    """
    method = retrieve(lambda: api.v1.payment_methods.retrieve(reference), reference)
    customer = id_of(method.get("customer"))
    owner = customer or id_of(previous.get("customer"))
    if not owner:
        return []
    payer = metadata_of(retrieve(lambda: api.v1.customers.retrieve(owner), owner)).get(
        "payer", ""
    )
    if not payer:
        return []
    return [
        MethodUpdate(
            payer, owner, reference, label_of(method), gone=not customer, changed=True,
            at=from_timestamp(method.get("created")),
        )
    ]  # fmt: skip
