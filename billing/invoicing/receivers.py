"""Invoicing's replies to the signals of seats."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from django.dispatch import receiver

from billing.invoicing.services.previews import next_totals
from seats.models import Agency
from seats.signals import next_invoices


@receiver(next_invoices)
def reply_next_totals(
    *,
    agencies: Collection[int],
    payers: Collection[int],
    through: date,
    **_: Any,
) -> dict[tuple[Agency, date], Decimal | None]:
    """The totals of the next documents of those who pay for these agencies."""
    return next_totals(agency_ids=agencies, payer_ids=payers, through=through)
