"""What dunning hears from below, in the same transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.dunning.services import (
    take_end,
    take_method,
    take_moves,
    take_unresolved,
)
from billing.invoicing.models import Document
from billing.invoicing.signals import document_voided
from billing.payments.models import PaymentAttempt, PaymentMethod
from billing.payments.signals import (
    attempt_ended,
    attempt_unresolved,
    invoice_statuses_changed,
    method_saved,
)


@receiver(attempt_ended)
def hear_of_end(*, attempt: PaymentAttempt, now: datetime, **_: Any) -> None:
    take_end(attempt=attempt, now=now)


@receiver(attempt_unresolved)
def hear_of_unresolved(*, attempt: PaymentAttempt, now: datetime, **_: Any) -> None:
    take_unresolved(attempt=attempt, now=now)


@receiver(method_saved)
def hear_of_method(*, method: PaymentMethod, now: datetime, **_: Any) -> None:
    take_method(method=method, now=now)


@receiver(invoice_statuses_changed)
def hear_of_moves(*, payers: Collection[int], now: datetime, **_: Any) -> None:
    take_moves(payer_ids=payers, now=now)


@receiver(document_voided)
def hear_of_void(*, document: Document, now: datetime, **_: Any) -> None:
    take_moves(payer_ids=[document.payer_id], now=now, without=document.pk)
