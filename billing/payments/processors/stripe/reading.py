"""What Stripe's webhooks tell, by asking for each object again. Pure.

Events come twice and in any order, so only what they are about is believed of them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import stripe

from billing.money import UnknownCurrency
from billing.payments.processors.port import (
    ChargeUpdate,
    DisputeUpdate,
    DoesNotFit,
    MethodUpdate,
    NotSigned,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundUpdate,
    Unreachable,
)
from billing.payments.processors.stripe.calling import (
    Told,
    amount_of,
    each,
    fetch,
    id_of,
    instant,
    is_ours,
    ours,
    uuid_of,
    why,
)
from billing.payments.processors.stripe.charging import settle
from billing.payments.processors.stripe.outcomes import (
    outcome_of_intent,
    outcome_of_refund,
)
from billing.payments.processors.stripe.pages import outcome_of_session
from seats.parsing.strict_json import JsonRefused, decode_json

TOLERANCE = timedelta(minutes=5)  # on both sides of now; the library minds the past
LONGEST_ID = 200
DISPUTES: Mapping[str, Any] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "won",
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
}


class Data(msgspec.Struct):
    """What an event is about; `previous_attributes` is what it changed."""

    object: Told
    previous_attributes: Told | None = None


class Event(msgspec.Struct):
    """An event; `account` is another account than ours, that is connected to it."""

    id: str
    type: str
    livemode: bool
    data: Data
    account: str | None = None


class EventId(msgspec.Struct):
    id: str


_decode = msgspec.json.Decoder(Event).decode
_decode_id = msgspec.json.Decoder(EventId).decode


def verified_id(
    headers: Mapping[str, str], body: bytes, theirs: Sequence[str], now: datetime
) -> str:
    """The id of an event that one of the secrets signed in these minutes.

    Raises NotSigned, whatever is wrong.
    """
    header = headers.get("stripe-signature", "")
    if not _is_of_now(header, now) or not any(
        _is_by(header, body, secret) for secret in theirs
    ):
        raise NotSigned("No signature of the processor, or not of these minutes.")
    try:
        event_id = decode_json(body, _decode_id).id
    except (msgspec.DecodeError, JsonRefused) as error:
        raise NotSigned("It is signed, and is no event.") from error
    if not (0 < len(event_id) <= LONGEST_ID and event_id.isprintable()):
        raise NotSigned("It is signed, and has no id.")
    return event_id


def facts_of(
    api: stripe.StripeClient, body: bytes, *, live: bool
) -> Sequence[ProcessorUpdate]:
    """What an event is about, as it is now. Raises DoesNotFit, Unreachable."""
    event = _event_of(body, live=live)
    reader = next((read for kind, read in READERS if event.type.startswith(kind)), None)
    if reader is None:
        return []
    reference = id_of(event.data.object)
    if not reference:
        raise DoesNotFit("It is about nothing.")
    try:
        return reader(api, reference, event)
    except stripe.InvalidRequestError as error:
        raise DoesNotFit(f"{reference:.50} is not there: {why(error)}") from None
    except UnknownCurrency as error:
        raise DoesNotFit(error.message) from error
    except stripe.StripeError as error:
        raise Unreachable(why(error)) from None


def subject_of(body: bytes) -> tuple[str, str] | bytes:
    """The type of an event and the id of its object; an unreadable body is itself."""
    try:
        event = msgspec.json.decode(body, type=Event)
    except (msgspec.DecodeError, RecursionError):
        return body
    return event.type, id_of(event.data.object)


def _event_of(body: bytes, *, live: bool) -> Event:
    """An event of our account and mode. Raises DoesNotFit."""
    try:
        event = decode_json(body, _decode)
    except (msgspec.DecodeError, JsonRefused) as error:
        raise DoesNotFit("It cannot be read.") from error
    if event.livemode != live:
        raise DoesNotFit("It is of test mode and the key is not, or the other way.")
    if event.account:
        raise DoesNotFit("It is of another account.")
    return event


def method_told(payer: str, method: Any, key: UUID | None) -> list[ProcessorUpdate]:
    """A method that is a customer's, of a payer of ours; otherwise nothing.

    `key` is that of the page on which it was saved.
    """
    customer = id_of(method.get("customer")) if isinstance(method, dict) else ""
    if not (payer and customer):
        return []
    told = MethodUpdate(
        payer,
        customer,
        id_of(method),
        label_of(method),
        at=instant(method.get("created")),
        key=key,
    )
    return [told]


def label_of(method: Told) -> str:
    """How people know a method: visa 4242, 12/2030."""
    kind = str(method.get("type", ""))
    detail = method.get(kind)
    detail = detail if isinstance(detail, dict) else {}
    name = detail.get("brand") or detail.get("bank_name") or kind
    words = f"{name} {detail.get('last4') or ''}".strip()
    if detail.get("exp_month"):
        words += f", {detail['exp_month']:02}/{detail.get('exp_year')}"
    return words[:100]


def _intent(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    intent = fetch(lambda: api.v1.payment_intents.retrieve(reference), reference)
    key = uuid_of(ours(intent).get("attempt"))
    if key is None:
        return []
    amount, currency = amount_of(intent.get("amount"), intent.get("currency"))
    outcome = outcome_of_intent(intent)
    if "page" in ours(intent):  # another card may be tried: its session says the end
        if outcome is None or outcome.kind not in {"succeeded", "pending"}:
            outcome = ProcessorOutcome("pending", reason="the page is open")
    elif outcome is None and intent.get("last_payment_error"):
        outcome = settle(api, intent)
    # What has not come to an end may be on its way there by a call of ours.
    outcome = outcome or ProcessorOutcome("pending", reason="it has begun")
    return [ChargeUpdate(key, amount, currency, outcome)]


def _session(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    whole = ["payment_intent.payment_method", "setup_intent.payment_method"]
    session = fetch(
        lambda: api.v1.checkout.sessions.retrieve(reference, {"expand": whole}),
        reference,
    )
    payer = ours(session).get("payer", "")
    if session.get("mode") == "setup":
        if session.get("status") != "complete":
            return []
        intent = session.get("setup_intent") or {}
        page = uuid_of(ours(session).get("page"))
        return method_told(payer, intent.get("payment_method"), page)
    key = uuid_of(ours(session).get("attempt"))
    if key is None:
        return []
    amount, currency = amount_of(session.get("amount_total"), session.get("currency"))
    outcome = outcome_of_session(api, session)
    told: list[ProcessorUpdate] = [ChargeUpdate(key, amount, currency, outcome)]
    if outcome.kind == "succeeded":
        intent = session.get("payment_intent") or {}
        told += method_told(payer, intent.get("payment_method"), key)
    return told


def _setup(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    whole = {"expand": ["payment_method"]}
    intent = fetch(lambda: api.v1.setup_intents.retrieve(reference, whole), reference)  # type: ignore[arg-type]
    if intent.get("status") != "succeeded":
        return []
    page = uuid_of(ours(intent).get("page"))
    return method_told(
        ours(intent).get("payer", ""), intent.get("payment_method"), page
    )


def _method(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    """A method that is gone has no customer any more; the event says whose it was."""
    method = fetch(lambda: api.v1.payment_methods.retrieve(reference), reference)
    before = event.data.previous_attributes or {}
    customer = id_of(method.get("customer"))
    owner = customer or id_of(before.get("customer"))
    if not owner:
        return []
    found = fetch(lambda: api.v1.customers.retrieve(owner), owner)
    payer = ours(found).get("payer", "")
    if not payer:
        return []
    return [
        MethodUpdate(
            payer, owner, reference, label_of(method), gone=not customer, changed=True,
            at=instant(method.get("created")),
        )
    ]  # fmt: skip


def _refund(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    whole = {"expand": ["payment_intent"]}
    refund = fetch(lambda: api.v1.refunds.retrieve(reference, whole), reference)  # type: ignore[arg-type]
    intent = refund.get("payment_intent")
    return [*_paid(intent), *_refund_told(refund)] if is_ours(intent) else []


def _refunds(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    """Of a charge, of which an event says only that something went back."""
    whole = {"expand": ["payment_intent"]}
    charge = fetch(lambda: api.v1.charges.retrieve(reference, whole), reference)  # type: ignore[arg-type]
    if not is_ours(charge.get("payment_intent")):
        return []
    payment = id_of(charge["payment_intent"])
    rows = each(api.v1.refunds.list, {"payment_intent": payment})
    told = [fact for refund in rows for fact in _refund_told(refund)]
    return [*_paid(charge["payment_intent"]), *told]


def _dispute(
    api: stripe.StripeClient, reference: str, event: Event
) -> Sequence[ProcessorUpdate]:
    whole = {"expand": ["payment_intent"]}
    dispute = fetch(lambda: api.v1.disputes.retrieve(reference, whole), reference)  # type: ignore[arg-type]
    if not is_ours(dispute.get("payment_intent")):
        return []
    state = DISPUTES.get(str(dispute.get("status")))
    if state is None:
        raise DoesNotFit(f"A dispute is {dispute.get('status')!s:.50}.")
    amount, currency = amount_of(dispute.get("amount"), dispute.get("currency"))
    return [
        *_paid(dispute["payment_intent"]),
        DisputeUpdate(
            payment=id_of(dispute["payment_intent"]),
            reference=reference,
            amount=amount,
            currency=currency,
            state=state,
            reason=str(dispute.get("reason") or ""),
        ),
    ]


Reader = Callable[[stripe.StripeClient, str, Event], Sequence[ProcessorUpdate]]
READERS: Sequence[tuple[str, Reader]] = [
    ("payment_intent.", _intent),
    ("checkout.session.", _session),
    ("setup_intent.succeeded", _setup),
    ("payment_method.detached", _method),
    ("payment_method.updated", _method),
    ("payment_method.automatically_updated", _method),
    ("refund.", _refund),
    ("charge.refund.updated", _refund),
    ("charge.refunded", _refunds),
    ("charge.dispute.", _dispute),
]


def _paid(intent: Any) -> list[ProcessorUpdate]:
    """The charge that something is about: of that nobody may have told yet."""
    key = uuid_of(ours(intent).get("attempt"))
    outcome = outcome_of_intent(intent) if key else None
    if key is None or outcome is None or outcome.kind != "succeeded":
        return []
    amount, currency = amount_of(intent.get("amount"), intent.get("currency"))
    return [ChargeUpdate(key, amount, currency, outcome)]


def _refund_told(refund: Told) -> list[ProcessorUpdate]:
    amount, currency = amount_of(refund.get("amount"), refund.get("currency"))
    key = uuid_of(ours(refund).get("refund"))
    payment = id_of(refund.get("payment_intent"))
    return [RefundUpdate(key, payment, amount, currency, outcome_of_refund(refund))]


def _is_of_now(header: str, now: datetime) -> bool:
    """Whether the time that is signed lies within the tolerance."""
    parts = [part.split("=") for part in header.split(",")]
    told = next((part[1] for part in parts if part[0] == "t" and len(part) > 1), "")
    if not (told.isascii() and told.isdecimal() and len(told) <= 11):
        return False
    return abs(now - datetime.fromtimestamp(int(told), UTC)) <= TOLERANCE


def _is_by(header: str, body: bytes, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, header, secret))
    except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
        return False  # TypeError: a signature that is not in ASCII
