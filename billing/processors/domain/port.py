"""The port to payment processors: requests, outcomes and updates. Pure.

Calls that move money raise nothing: whatever goes wrong is an outcome. Listing and
reading raise Unreachable, and are repeated later. Amounts are positive decimals in their
currency, unless a class says otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

from core.errors import Kind, Refusal

OutcomeKind = Literal[
    "pending",
    "succeeded",
    "declined_hard",
    "declined_soft",
    "failed",
    "unknown",
    "absent",
]


class NotSigned(Refusal):
    """The webhook does not have a valid signature of its processor.

    Sign the exact body with the current secret, and check the clock of the sender.
    """

    code = "not_signed"
    kind = Kind.MALFORMED


class DoesNotFit(Refusal):
    """The processor's event cannot be read, or contradicts what is recorded.

    Compare the event with the processor's records, then retry it or set it aside.
    """

    code = "does_not_fit"


class Unreachable(Exception):
    """The processor gave no usable answer; what was requested may have happened."""


class NotDone(Exception):
    """The processor refused; what was requested has certainly not happened."""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """An amount to charge. `key` is its idempotency key and never changes.

    `lookups` counts how often its outcome was requested. `customer` and `method` are the
    processor's ids of the payer and its payment method. No call that may charge is begun
    after `sent_until`. Where the payer pays on a page, `page` is the processor's id of
    that page, empty until the processor has answered with it.
    """

    key: UUID
    amount: Decimal
    currency: str
    payer: str
    invoice: str
    requested_at: datetime
    lookups: int = 0
    customer: str = ""
    method: str = ""
    sent_until: datetime | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """An amount to refund of a payment, named by the processor's id. Once per key.

    No call that may refund it is begun after `sent_until`.
    """

    key: UUID
    payment: str
    amount: Decimal
    currency: str
    requested_at: datetime
    lookups: int = 0
    sent_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProcessorOutcome:
    """The outcome of a charge or a refund.

    `failed`: certainly not done by this call. `absent`: there is none with this key, and
    no request that was sent can still arrive. `unknown`: anything in doubt. A success has
    the processor's id of it as `reference`.
    """

    kind: OutcomeKind
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChargeUpdate:
    """The outcome of the charge with a key."""

    key: UUID
    amount: Decimal
    currency: str
    outcome: ProcessorOutcome


@dataclass(frozen=True, slots=True)
class RefundUpdate:
    """The outcome of a refund; without a key it was begun at the processor."""

    key: UUID | None
    payment: str
    amount: Decimal
    currency: str
    outcome: ProcessorOutcome


@dataclass(frozen=True, slots=True)
class DisputeUpdate:
    """The state of a dispute: a payer's bank takes a payment back, or may.

    While it is `open` the processor withholds the money; an `inquiry` withholds nothing.
    `lost`: the money is gone. `won`: it is the merchant's again.
    """

    payment: str
    reference: str
    amount: Decimal
    currency: str
    state: Literal["inquiry", "open", "won", "lost"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MethodUpdate:
    """A payment method that a payer (by code) saved at the processor, or removed there.

    `at` is when it was saved; None means now. `changed`: it was changed or removed, so
    one that is not recorded yet is not added. `key` is that of the page it was saved on.
    """

    payer: str
    customer: str
    reference: str
    label: str
    gone: bool = False
    changed: bool = False
    at: datetime | None = None
    key: UUID | None = None


ProcessorUpdate = ChargeUpdate | RefundUpdate | DisputeUpdate | MethodUpdate


@dataclass(frozen=True, slots=True)
class AccountMovement:
    """Money that moved in the account at a processor: positive where it came in.

    `reference` is the processor's id of the payment, the refund or the dispute.
    """

    kind: Literal["payment", "refund", "dispute"]
    reference: str
    amount: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A payer to create at the processor, once per key.

    `sent_at` is when this was requested before: then the customer may exist already.
    """

    key: UUID
    payer: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A page of the processor, once per key: to save a method, or to pay a `charge`.

    Repeated requests under a key have the same content.
    """

    key: UUID
    payer: str
    customer: str
    currency: str
    return_url: str
    expires_at: datetime
    charge: ChargeRequest | None = None


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """The URL to send the payer to, and the processor's id of the page."""

    url: str
    reference: str


class SupportsCharges(Protocol):
    """A processor that charges payers. Each call ends within its time limit."""

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Charge once per key. Repeating it is safe."""

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """The outcome; None if it is not available now, or is reported by webhook."""


class Processor(SupportsCharges, Protocol):
    """A processor that charges, and reports outcomes as signed events."""

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The id of a signed event; header names in lower case. Raises NotSigned."""

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """Whether two bodies under one event id mean the same."""

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """The updates of an event, read again at the processor where possible.

        Raises DoesNotFit, Unreachable.
        """


@runtime_checkable
class SupportsCheckout(Protocol):
    """A processor with pages, on which payers save a method or pay an invoice.

    All methods raise Unreachable; the first two also raise NotDone.
    """

    def open_customer(self, request: CustomerRequest) -> str:
        """The processor's id of a payer; one per key. Repeating it is safe."""

    def open_page(self, request: CheckoutRequest) -> CheckoutSession:
        """One page per key. Repeating it is safe."""

    def close_page(self, reference: str) -> ProcessorOutcome:
        """Close a page, so that nobody can pay on it; the outcome of its charge."""


class SupportsRefunds(Protocol):
    """A processor that makes refunds on request."""

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Refund once per key. Repeating it is safe."""

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """The outcome, as for charges."""


@runtime_checkable
class SupportsHistory(Protocol):
    """A processor that lists its events and movements. Both raise Unreachable."""

    def events_since(self, since: datetime) -> Iterator[tuple[str, bytes]]:
        """Ids and bodies of its events from an instant on, as in its webhooks."""

    def account_movements(
        self, starts_at: datetime, ends_at: datetime
    ) -> Iterator[AccountMovement]:
        """The money that moved in [starts_at, ends_at)."""


MANUAL = "manual"  # the processor code of bank transfers and cheques
