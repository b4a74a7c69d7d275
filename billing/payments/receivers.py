"""What happens to documents, taken into the ledger in the same transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.invoicing.models import Document
from billing.invoicing.signals import document_voided, documents_issued
from billing.payments.services.documents import take_issued, take_voided


@receiver(documents_issued)
def post_issued_documents(
    *, documents: Sequence[int], payers: Collection[int], now: datetime, **_: Any
) -> None:
    take_issued(document_ids=documents, payer_ids=payers, now=now)


@receiver(document_voided)
def post_voided_document(*, document: Document, now: datetime, **_: Any) -> None:
    take_voided(document=document, now=now)
