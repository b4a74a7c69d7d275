"""What we ask of whoever charges payers, and what it tells us. Pure.

Errors of calls that move money do not cross this border: what goes wrong out there is an
outcome. Listing and reading raise Unreachable, and are done again later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

from seats.errors import Refusal

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
    code = "not_signed"
    status = 400


class DoesNotFit(Refusal):
    code = "does_not_fit"


class Unreachable(Exception):
    """The processor could not be asked just now; what was asked may have happened."""


class NotDone(Exception):
    """The processor refused; what was asked has certainly not happened."""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """An amount to charge; `key` is the same for ever, `lookups` counts the look-ups.

    `customer` and `method` are the processor's ids of the payer and of how it pays. No
    call that may charge is begun after `sent_until`. Where the payer pays on a hosted
    page, `page` is the processor's id of that, empty while it is not known.
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
    """An amount of a payment (the processor's id of it) to give back, once per key.

    No call that may give it back is begun after `sent_until`.
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
    """What became of a charge or a refund.

    `failed` means: certainly not done by this call. `absent`: there is none of this key,
    and none that was sent can still arrive. `unknown` is everything of which neither can
    be said. A success has the processor's `reference`.
    """

    kind: OutcomeKind
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChargeUpdate:
    """What became of the charge of a key."""

    key: UUID
    amount: Decimal
    currency: str
    outcome: ProcessorOutcome


@dataclass(frozen=True, slots=True)
class RefundUpdate:
    """What became of a refund; without a key it was begun at the processor."""

    key: UUID | None
    payment: str
    amount: Decimal
    currency: str
    outcome: ProcessorOutcome


@dataclass(frozen=True, slots=True)
class DisputeUpdate:
    """The payer's bank takes a payment back (`lost`), or may, or does not (`won`).

    While it is `open` the money is withheld by the processor; an `inquiry` withholds
    nothing.
    """

    payment: str
    reference: str
    amount: Decimal
    currency: str
    state: Literal["inquiry", "open", "won", "lost"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MethodUpdate:
    """A method that a payer (by code) saved at the processor, or that is gone there.

    `at` is when it was saved there; without, now. `changed`: one that is not known
    here is nothing new. `key`, if it was saved on a page: the one the page was opened by.
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
    """Money that a processor says moved: what came in is positive.

    `reference` is its id of the payment, the refund or the dispute.
    """

    kind: Literal["payment", "refund", "dispute"]
    reference: str
    amount: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A payer to be known at the processor, once per key.

    `sent_at` is when that was asked for before: then it may be known already.
    """

    key: UUID
    payer: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A page of the processor, once per key: to save a method, or to pay a `charge`.

    Under a key everything else is the same for ever.
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
    """Where the payer goes, and the processor's id of it."""

    url: str
    reference: str


class SupportsCharges(Protocol):
    """Who charges payers. Each call is over within its time limit."""

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Charge once per key, however often it is called."""

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """What became of it; None if that cannot be said now, or comes by webhook."""


class Processor(SupportsCharges, Protocol):
    """One processor: it charges, and it tells us what became of it."""

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The id of an event it signed; headers in lower case. Raises NotSigned."""

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """Whether two bodies under one id say the same, however they are written."""

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """What an event says, by asking again where that is possible; maybe nothing.

        Raises DoesNotFit, Unreachable.
        """


@runtime_checkable
class SupportsCheckout(Protocol):
    """A processor with pages, on which payers save a method or pay an invoice.

    All raise Unreachable, and the first two NotDone.
    """

    def open_customer(self, request: CustomerRequest) -> str:
        """The processor's id of a payer; one per key, however often it is called."""

    def open_page(self, request: CheckoutRequest) -> CheckoutSession:
        """One page per key, however often it is called."""

    def close_page(self, reference: str) -> ProcessorOutcome:
        """See to it that nobody pays on a page any more; what became of its charge."""


class SupportsRefunds(Protocol):
    """A processor that gives money back when it is asked to."""

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Give back once per key, however often it is called."""

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """What became of it, as for charges."""


@runtime_checkable
class SupportsHistory(Protocol):
    """A processor that can be asked what happened. Both raise Unreachable."""

    def events_since(self, since: datetime) -> Iterator[tuple[str, bytes]]:
        """Ids and bodies of its events from an instant on, as its webhooks tell them."""

    def account_movements(
        self, starts_at: datetime, ends_at: datetime
    ) -> Iterator[AccountMovement]:
        """The money that moved in a half-open time, as it counts."""
