"""What the metering room has to say about seats that leave, and about price lists."""

from collections.abc import Collection
from typing import Any

from django.dispatch import receiver

from billing.metering.queries import last_usage_dates, meters_with_usage
from billing.pricing.signals import meters_in_use
from seats.errors import Refusal
from seats.roster.changes import Removal
from seats.signals import seats_leaving


class UsedLater(Refusal):
    code = "seat_used_later"


@receiver(seats_leaving)
def keep_used_days(*, removals: list[Removal], staff: bool, **_: Any) -> None:
    """An agency cannot take a seat back to before its last use; staff may."""
    if staff:
        return
    used = last_usage_dates(
        {removal.seat.pk: removal.removed_on for removal in removals},
        agency_ids={removal.seat.agency_id for removal in removals},
    )
    for removal in removals:
        if last := used.get(removal.seat.pk):
            raise UsedLater(f"{removal.seat} was used on {last}.", field="on")


@receiver(meters_in_use)
def name_used_meters(
    *, currency: str, candidates: Collection[str], **_: Any
) -> set[str]:
    """Those of them that a price list cannot leave out."""
    return meters_with_usage(currency=currency, codes=candidates)
