"""From a row to the processor behind it."""

from collections.abc import Callable

from django.conf import settings

from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import Processor
from billing.payments.processors.webhook import WebhookProcessor
from billing.webhooks.endpoints import rules
from billing.webhooks.sending import Limits
from billing.webhooks.signing import unseal

Connect = Callable[[PaymentProcessor], Processor]


def connect(processor: PaymentProcessor) -> Processor:
    """The processor behind a row. Raises cryptography.fernet.InvalidToken."""
    chosen = settings.WEBHOOKS
    ours, theirs = (
        unseal(sealed, chosen["SECRETS_KEYS"])
        for sealed in (processor.sealed_sending, processor.sealed_receiving)
    )
    limits = Limits(
        seconds=chosen["TIMEOUT"].total_seconds(),
        rules=rules(),
        ca_file=chosen["CA_FILE"],
    )
    return WebhookProcessor(processor.url, [ours], [theirs], limits)
