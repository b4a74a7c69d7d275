"""Building the client of a processor from its database row."""

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings

from billing.processors.adapters.stripe.processor import (
    StripeProcessor,
    stripe_processor,
)
from billing.processors.adapters.webhook import WebhookProcessor
from billing.processors.domain.port import Processor, SupportsCheckout
from billing.processors.models import PaymentProcessor
from billing.webhooks.domain.signing import unseal
from billing.webhooks.services.endpoints import address_policy
from core.errors import Refusal
from core.outbound.client import Limits
from core.secrets import Secrets

Connect = Callable[[PaymentProcessor], Processor]
ConnectHoster = Callable[[PaymentProcessor], SupportsCheckout]
Kind = PaymentProcessor.Kind
LARGEST_LIST = 32 * 1024 * 1024  # bytes; a page of 100 objects is far smaller


class NoPages(Refusal):
    """The processor has no checkout pages.

    Use a Stripe processor.
    """

    code = "no_pages"


def connect(processor: PaymentProcessor) -> Processor:
    """The client of a processor. Raises cryptography.fernet.InvalidToken."""
    if processor.kind == Kind.STRIPE:
        return connect_stripe(processor)
    return WebhookProcessor(
        processor.url,
        secrets_of(processor, "sending"),
        secrets_of(processor, "receiving"),
        _limits(),
    )


def connect_hoster(processor: PaymentProcessor) -> SupportsCheckout:
    """The client of a processor that has checkout pages.

    Raises NoPages, cryptography.fernet.InvalidToken.
    """
    if processor.kind != Kind.STRIPE:
        raise NoPages(
            f"Processor {processor} has no checkout pages. Use a Stripe processor.",
            field="processor",
        )
    return connect_stripe(processor)


def connect_stripe(processor: PaymentProcessor) -> StripeProcessor:
    """The Stripe client of a processor. Raises cryptography.fernet.InvalidToken."""
    return stripe_processor(
        processor.url,
        secrets_of(processor, "sending").current,
        secrets_of(processor, "receiving"),
        replace(_limits(), read_most=LARGEST_LIST),
    )


def secrets_of(processor: PaymentProcessor, which: str) -> Secrets:
    """The current and the previous secret for `sending` or `receiving`.

    Raises cryptography.fernet.InvalidToken.
    """
    webhooks = settings.WEBHOOKS
    current = unseal(getattr(processor, f"sealed_{which}"), webhooks["SECRETS_KEYS"])
    before = getattr(processor, f"sealed_{which}_before")
    if not (before and processor.rotated_at):
        return Secrets(current)
    return Secrets(
        current,
        unseal(before, webhooks["SECRETS_KEYS"]),
        processor.rotated_at + webhooks["SECRET_OVERLAP"],
    )


def _limits() -> Limits:
    webhooks = settings.WEBHOOKS
    return Limits(
        seconds=webhooks["TIMEOUT"].total_seconds(),
        rules=address_policy(),
        ca_file=webhooks["CA_FILE"],
    )
