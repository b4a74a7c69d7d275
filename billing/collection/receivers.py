"""Effects of document changes on payments, each in the transaction of the change."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.collection.services.charges import schedule_page_checks
from billing.collection.services.documents import (
    record_issued_documents,
    record_voided_document,
)
from billing.collection.services.waiting_events import release_events
from billing.invoicing.models.documents import Document
from billing.invoicing.signals import document_voided, documents_issued
from billing.receivables.models import Payment
from billing.receivables.signals import invoice_states_changed, payment_recorded


@receiver(documents_issued)
def post_issued_documents(
    *, documents: Sequence[int], payers: Collection[int], now: datetime, **_: Any
) -> None:
    record_issued_documents(document_ids=documents, payer_ids=payers, now=now)


@receiver(invoice_states_changed)
def check_open_pages(*, documents: Collection[int], now: datetime, **_: Any) -> None:
    schedule_page_checks(document_ids=documents, now=now)


@receiver(payment_recorded)
def release_waiting_events(*, payment: Payment, now: datetime, **_: Any) -> None:
    release_events(processor=payment.processor, payment=payment.reference, now=now)


@receiver(document_voided)
def post_voided_document(*, document: Document, now: datetime, **_: Any) -> None:
    record_voided_document(document=document, now=now)
