"""Receivers of payment and invoice signals, in the transaction that sends them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.signals import attempt_ended, attempt_unresolved, method_saved
from billing.dunning.services.cases import (
    handle_attempt_end,
    handle_debt_changes,
    handle_new_method,
    handle_unresolved_attempt,
)
from billing.invoicing.models.documents import Document
from billing.invoicing.signals import document_voided
from billing.receivables.signals import invoice_states_changed


@receiver(attempt_ended)
def on_attempt_ended(*, attempt: PaymentAttempt, now: datetime, **_: Any) -> None:
    handle_attempt_end(attempt=attempt, now=now)


@receiver(attempt_unresolved)
def on_attempt_unresolved(*, attempt: PaymentAttempt, now: datetime, **_: Any) -> None:
    handle_unresolved_attempt(attempt=attempt, now=now)


@receiver(method_saved)
def on_method_saved(*, method: PaymentMethod, now: datetime, **_: Any) -> None:
    handle_new_method(method=method, now=now)


@receiver(invoice_states_changed)
def on_invoices_moved(*, payers: Collection[int], now: datetime, **_: Any) -> None:
    handle_debt_changes(payer_ids=payers, now=now)


@receiver(document_voided)
def on_document_voided(*, document: Document, now: datetime, **_: Any) -> None:
    handle_debt_changes(payer_ids=[document.payer_id], now=now, without=document.pk)
