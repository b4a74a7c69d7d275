"""What happens to documents, taken into account in the same transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.invoicing.models import Document
from billing.invoicing.signals import document_voided, documents_issued
from billing.payments.services.charging import hasten_pages
from billing.payments.services.documents import take_issued, take_voided
from billing.payments.signals import invoices_moved


@receiver(documents_issued)
def post_issued_documents(
    *, documents: Sequence[int], payers: Collection[int], now: datetime, **_: Any
) -> None:
    take_issued(document_ids=documents, payer_ids=payers, now=now)


@receiver(invoices_moved)
def look_at_pages(*, documents: Collection[int], now: datetime, **_: Any) -> None:
    hasten_pages(document_ids=documents, now=now)


@receiver(document_voided)
def post_voided_document(*, document: Document, now: datetime, **_: Any) -> None:
    take_voided(document=document, now=now)
