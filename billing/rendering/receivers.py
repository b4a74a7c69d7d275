"""Files are queued in the transaction that issues their documents."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.invoicing.signals import documents_issued
from billing.rendering.services.files import queue_files


@receiver(documents_issued)
def queue_issued_documents(
    *, documents: Collection[int], now: datetime, **_: Any
) -> None:
    queue_files(document_ids=documents, now=now)
