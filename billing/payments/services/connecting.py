"""From a row to the processor behind it."""

from collections.abc import Callable
from dataclasses import replace

from django.conf import settings

from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import Hoster, Processor
from billing.payments.processors.stripe.processor import (
    StripeProcessor,
    stripe_processor,
)
from billing.payments.processors.webhook import WebhookProcessor
from billing.webhooks.endpoints import rules
from billing.webhooks.sending import Limits
from billing.webhooks.signing import unseal
from seats.errors import Refusal

Connect = Callable[[PaymentProcessor], Processor]
ConnectHoster = Callable[[PaymentProcessor], Hoster]
Kind = PaymentProcessor.Kind
LARGEST_LIST = 32 * 1024 * 1024  # bytes; a hundred objects have far less


class NoPages(Refusal):
    code = "no_pages"


def connect(processor: PaymentProcessor) -> Processor:
    """The processor behind a row. Raises cryptography.fernet.InvalidToken."""
    if processor.kind == Kind.STRIPE:
        return connect_stripe(processor)
    ours, theirs = _secrets(processor)
    return WebhookProcessor(processor.url, ours, [theirs], _limits())


def connect_hoster(processor: PaymentProcessor) -> Hoster:
    """The processor behind a row, if it has pages.

    Raises NoPages, cryptography.fernet.InvalidToken.
    """
    if processor.kind != Kind.STRIPE:
        raise NoPages("This processor has no pages.", field="processor")
    return connect_stripe(processor)


def connect_stripe(processor: PaymentProcessor) -> StripeProcessor:
    """The account behind a row. Raises cryptography.fernet.InvalidToken."""
    key, theirs = _secrets(processor)
    limits = replace(_limits(), read_most=LARGEST_LIST)
    return stripe_processor(processor.url, key, theirs.split(), limits)


def _secrets(processor: PaymentProcessor) -> tuple[str, str]:
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    return (
        unseal(processor.sealed_sending, keys),
        unseal(processor.sealed_receiving, keys),
    )


def _limits() -> Limits:
    chosen = settings.WEBHOOKS
    return Limits(
        seconds=chosen["TIMEOUT"].total_seconds(),
        rules=rules(),
        ca_file=chosen["CA_FILE"],
    )
