"""Stripe as a processor of the port. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import stripe

from billing.processors.adapters.stripe import (
    balance_transactions,
    checkout,
    customers,
    events,
    payment_intents,
    refunds,
    signatures,
)
from billing.processors.adapters.stripe.client import make_client
from billing.processors.domain.port import (
    AccountMovement,
    ChargeRequest,
    CheckoutRequest,
    CheckoutSession,
    CustomerRequest,
    ProcessorOutcome,
    ProcessorUpdate,
    RefundRequest,
)
from core.outbound.client import Limits
from core.secrets import Secrets

LIVE = "_live_"  # in the first characters of a live key: sk_live_..., rk_live_...


@dataclass(frozen=True, slots=True)
class StripeProcessor:
    """One account in one mode. A signing secret may be several, separated by spaces."""

    api: stripe.StripeClient
    live: bool
    signing_secrets: Secrets

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Charge the saved payment method while the payer is away."""
        return payment_intents.charge_saved_method(self.api, charge)

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """The outcome of a charge, by a saved method or on a page."""
        if charge.page is not None:
            return checkout.look_up_charge(self.api, charge, at)
        return payment_intents.look_up_charge(self.api, charge, at)

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        """Give money of a payment back."""
        return refunds.create_refund(self.api, request)

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        """The outcome of a refund."""
        return refunds.look_up_refund(self.api, request, at)

    def open_customer(self, request: CustomerRequest) -> str:
        """Stripe's id of a payer. Raises NotDone, Unreachable."""
        return customers.open_customer(self.api, request)

    def open_page(self, request: CheckoutRequest) -> CheckoutSession:
        """A Checkout Session. Raises NotDone, Unreachable."""
        return checkout.open_page(self.api, request)

    def close_page(self, reference: str) -> ProcessorOutcome:
        """Expire a Checkout Session; the outcome of its charge. Raises Unreachable."""
        return checkout.close_page(self.api, reference)

    def verify_event(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """The id of an event that Stripe signed. Raises NotSigned."""
        secrets = " ".join(self.signing_secrets.at(now)).split()
        return signatures.verified_id(headers, body, secrets, now)

    def is_same_event(self, kept: bytes, body: bytes) -> bool:
        """Whether both are about the same object, which is read again anyway."""
        return kept == body or events.subject_of(kept) == events.subject_of(body)

    def read_updates(self, body: bytes) -> Sequence[ProcessorUpdate]:
        """What an event is about, as it is now. Raises DoesNotFit, Unreachable."""
        return events.read_updates(self.api, body, live=self.live)

    def events_since(self, since: datetime) -> Iterator[tuple[str, bytes]]:
        """The account's events from an instant on. Raises Unreachable."""
        return events.events_since(self.api, since)

    def account_movements(
        self, starts_at: datetime, ends_at: datetime
    ) -> Iterator[AccountMovement]:
        """The money that moved in a half-open time. Raises Unreachable."""
        return balance_transactions.account_movements(self.api, starts_at, ends_at)


def stripe_processor(
    url: str, key: str, signing_secrets: Secrets, limits: Limits
) -> StripeProcessor:
    """The account that a secret or restricted key belongs to."""
    api = make_client(url, key, limits)
    return StripeProcessor(api, LIVE in key[:9], signing_secrets)
