"""Stripe behind the port. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import stripe

from billing.payments.processors.port import (
    AccountMovement,
    ChargeRequest,
    CheckoutRequest,
    CheckoutSession,
    CustomerRequest,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundRequest,
)
from billing.payments.processors.secrets import Secrets
from billing.payments.processors.stripe import charging, listing, pages, reading
from billing.payments.processors.stripe.calling import client_of
from billing.webhooks.sending import Limits


@dataclass(frozen=True, slots=True)
class StripeProcessor:
    """One account by one key; each of `theirs`, with spaces, may sign what it tells."""

    api: stripe.StripeClient
    live: bool
    theirs: Secrets

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Charge the saved method while the payer is away."""
        return charging.charge_method(self.api, charge)

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """What became of it, whether it was by a method or on a page."""
        if charge.page is not None:
            return pages.look_page_up(self.api, charge, at)
        return charging.look_charge_up(self.api, charge, at)

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Give money of a payment back."""
        return charging.give_back(self.api, request)

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """What became of a refund."""
        return charging.look_refund_up(self.api, request, at)

    def open_customer(self, request: CustomerRequest) -> str:
        """Their id of a payer. Raises NotDone, Unreachable."""
        return pages.open_customer(self.api, request)

    def open_page(self, request: CheckoutRequest) -> CheckoutSession:
        """One of their pages. Raises NotDone, Unreachable."""
        return pages.open_page(self.api, request)

    def close_page(self, reference: str) -> ProcessorOutcome:
        """Let a page expire; what became of its charge. Raises Unreachable."""
        return pages.close_page(self.api, reference)

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The id of an event it signed. Raises NotSigned."""
        theirs = " ".join(self.theirs.at(now)).split()
        return reading.verified_id(headers, body, theirs, now)

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """Whether both are about the same object; the rest is read again anyway."""
        return kept == body or reading.subject_of(kept) == reading.subject_of(body)

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """What an event is about, as it is now. Raises DoesNotFit, Unreachable."""
        return reading.facts_of(self.api, body, live=self.live)

    def events_since(self, since: datetime) -> Iterator[tuple[str, bytes]]:
        """Its events from an instant on. Raises Unreachable."""
        return listing.events_since(self.api, since)

    def account_movements(
        self, starts_at: datetime, ends_at: datetime
    ) -> Iterator[AccountMovement]:
        """The money that moved. Raises Unreachable."""
        return listing.account_movements(self.api, starts_at, ends_at)


def stripe_processor(
    url: str, key: str, theirs: Secrets, limits: Limits
) -> StripeProcessor:
    """The account that a secret or restricted key belongs to."""
    return StripeProcessor(client_of(url, key, limits), "_live_" in key[:9], theirs)
