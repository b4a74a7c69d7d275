"""Events of Stripe: each is read again as the object that it is about. Pure.

Events come twice and in any order, so of an event only its object's id is trusted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
import stripe

from billing.processors.adapters.stripe.checkout import session_updates
from billing.processors.adapters.stripe.client import (
    Resource,
    describe_error,
    id_of,
    list_all,
    to_timestamp,
)
from billing.processors.adapters.stripe.disputes import dispute_updates
from billing.processors.adapters.stripe.payment_intents import intent_updates
from billing.processors.adapters.stripe.payment_methods import (
    method_updates,
    setup_intent_updates,
)
from billing.processors.adapters.stripe.refunds import (
    charge_refund_updates,
    refund_updates,
)
from billing.processors.domain.port import DoesNotFit, ProcessorUpdate, Unreachable
from core.money import UnknownCurrency
from core.parsing.strict_json import JsonRefused, decode_json

# Called with the id of the event's object and with what the event changed of it.
Handler = Callable[[stripe.StripeClient, str, Resource], Sequence[ProcessorUpdate]]
HANDLERS: Mapping[str, Handler] = {
    "payment_intent.succeeded": intent_updates,
    "payment_intent.processing": intent_updates,
    "payment_intent.payment_failed": intent_updates,
    "payment_intent.canceled": intent_updates,
    "payment_intent.created": intent_updates,
    "payment_intent.requires_action": intent_updates,
    "payment_intent.amount_capturable_updated": intent_updates,
    "payment_intent.partially_funded": intent_updates,
    "checkout.session.completed": session_updates,
    "checkout.session.expired": session_updates,
    "checkout.session.async_payment_succeeded": session_updates,
    "checkout.session.async_payment_failed": session_updates,
    "setup_intent.succeeded": setup_intent_updates,
    "payment_method.detached": method_updates,
    "payment_method.updated": method_updates,
    "payment_method.automatically_updated": method_updates,
    "refund.created": refund_updates,
    "refund.updated": refund_updates,
    "refund.failed": refund_updates,
    "charge.refunded": charge_refund_updates,
    "charge.refund.updated": refund_updates,
    "charge.dispute.created": dispute_updates,
    "charge.dispute.updated": dispute_updates,
    "charge.dispute.closed": dispute_updates,
    "charge.dispute.funds_withdrawn": dispute_updates,
    "charge.dispute.funds_reinstated": dispute_updates,
}
# Handled where an endpoint is subscribed to them, but not requested: others report the
# same, and Stripe's list of events takes twenty types at most.
NOT_REQUESTED = {
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.partially_funded",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
}
EVENT_TYPES = [kind for kind in HANDLERS if kind not in NOT_REQUESTED]


class EventData(msgspec.Struct):
    """The object of an event; `previous_attributes` is what the event changed of it."""

    object: Resource
    previous_attributes: Resource | None = None


class StripeEvent(msgspec.Struct):
    """An event. `account` is set for another account that is connected to this one."""

    id: str
    type: str
    livemode: bool
    data: EventData
    account: str | None = None


_decode_event = msgspec.json.Decoder(StripeEvent).decode


def read_updates(
    api: stripe.StripeClient, body: bytes, *, live: bool
) -> Sequence[ProcessorUpdate]:
    """The updates of the object that an event is about, as it is now.

    Raises DoesNotFit, Unreachable.
    """
    event = _parse_event(body, live=live)
    handler = HANDLERS.get(event.type)
    if handler is None:
        return []
    reference = id_of(event.data.object)
    if not reference:
        raise DoesNotFit("The object of the event has no `id`.")
    try:
        return handler(api, reference, event.data.previous_attributes or {})
    except stripe.InvalidRequestError as error:
        raise DoesNotFit(
            f"Stripe does not return `{reference:.50}`: {describe_error(error)}."
        ) from None
    except UnknownCurrency as error:
        raise DoesNotFit(error.message) from error
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None


def subject_of(body: bytes) -> tuple[str, str] | bytes:
    """The type of an event and the id of its object; an unreadable body is itself."""
    try:
        event = msgspec.json.decode(body, type=StripeEvent)
    except (msgspec.DecodeError, RecursionError):
        return body
    return event.type, id_of(event.data.object)


def events_since(
    api: stripe.StripeClient, since: datetime
) -> Iterator[tuple[str, bytes]]:
    """Ids and bodies of the events from an instant on, the oldest first.

    Stripe keeps them for 30 days. Raises Unreachable.
    """
    params = {"created": {"gte": to_timestamp(since)}, "types": EVENT_TYPES}
    try:
        events = list(list_all(api.v1.events.list, params))
    except stripe.StripeError as error:
        raise Unreachable(describe_error(error)) from None
    for event in reversed(events):
        yield id_of(event), json.dumps(event).encode()


def _parse_event(body: bytes, *, live: bool) -> StripeEvent:
    """An event of this account and mode. Raises DoesNotFit."""
    try:
        event = decode_json(body, _decode_event)
    except (msgspec.DecodeError, JsonRefused) as error:
        raise DoesNotFit("The body is not an event of Stripe's.") from error
    if event.livemode != live:
        modes = ("live", "test") if event.livemode else ("test", "live")
        raise DoesNotFit("The event is in {} mode, the key in {} mode.".format(*modes))
    if event.account:
        raise DoesNotFit(
            f"The event is of the connected account `{event.account:.50}`, not of the"
            " account of the key."
        )
    return event
