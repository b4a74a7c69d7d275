"""From a row to the processor behind it."""

from collections.abc import Callable

from django.conf import settings

from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import Processor
from billing.payments.processors.secrets import Secrets
from billing.payments.processors.webhook import WebhookProcessor
from billing.webhooks.endpoints import rules
from billing.webhooks.sending import Limits
from billing.webhooks.signing import unseal

Connect = Callable[[PaymentProcessor], Processor]


def connect(processor: PaymentProcessor) -> Processor:
    """The processor behind a row. Raises cryptography.fernet.InvalidToken."""
    chosen = settings.WEBHOOKS
    limits = Limits(
        seconds=chosen["TIMEOUT"].total_seconds(),
        rules=rules(),
        ca_file=chosen["CA_FILE"],
    )
    return WebhookProcessor(
        processor.url,
        secrets_of(processor, "sending"),
        secrets_of(processor, "receiving"),
        limits,
    )


def secrets_of(processor: PaymentProcessor, which: str) -> Secrets:
    """Of `sending` or `receiving`, the one that counts and the one before.

    Raises cryptography.fernet.InvalidToken.
    """
    chosen = settings.WEBHOOKS
    current = unseal(getattr(processor, f"sealed_{which}"), chosen["SECRETS_KEYS"])
    before = getattr(processor, f"sealed_{which}_before")
    if not (before and processor.rotated_at):
        return Secrets(current)
    return Secrets(
        current,
        unseal(before, chosen["SECRETS_KEYS"]),
        processor.rotated_at + chosen["SECRET_OVERLAP"],
    )
