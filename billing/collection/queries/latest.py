"""Reads what happened lately at agencies: seats, documents and payments."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from billing.collection.queries.sql import LATEST_SEAT_CHANGES
from billing.invoicing.models.documents import Document
from billing.receivables.models import Payment
from core.postgres.arrays import array_text


class SeatChange(NamedTuple):
    """Seats of an agency that were changed together; `agent` is one of their holders."""

    agency_id: int
    recorded_at: datetime
    action: str
    seats: int
    agent: str
    from_date: str


def latest_seat_changes(agency_ids: Collection[int], *, most: int) -> list[SeatChange]:
    """The latest changes of seats, newest first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            LATEST_SEAT_CHANGES, {"agencies": array_text(agency_ids), "most": most}
        )
        return [SeatChange(*row) for row in cursor.fetchall()]


def latest_documents(payer_ids: Collection[int], *, most: int) -> list[Document]:
    """The documents that were issued last, newest first."""
    issued = Document.objects.filter(payer__in=payer_ids, issued_at__isnull=False)
    return list(issued.select_related("payer").order_by("-issued_at", "-pk")[:most])


def latest_payments(payer_ids: Collection[int], *, most: int) -> list[Payment]:
    """The payments that were received last, newest first; reversed ones are left out."""
    received = Payment.objects.filter(payer__in=payer_ids, reversed_at=None)
    return list(received.select_related("payer").order_by("-received_at", "-pk")[:most])
